# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
from itertools import islice

import numpy as np
import pytest
import torch
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import rendered
from rich.console import Console

from geloc3r_ros.errors import ConfigError
from geloc3r_training.config import StageConfig
from geloc3r_training.data.datasets import open_dataset
from geloc3r_training.data.mixture_config import MixtureConfig, PartConfig
from geloc3r_training.data.pair_selection import PairConfig
from geloc3r_training.data.preparation import prepare
from geloc3r_training.data.sample import DataError
from geloc3r_training.mixture import Mixture
from geloc3r_training.pairs import Share
from geloc3r_training.typed_yaml import fill

SELECTION = PairConfig(covisibility=(0.1, 1.0), frame_gap=(1, 3))
CPU = torch.device("cpu")
STAGE = StageConfig(objective="pose", steps=4, batch_size=4, learning_rate=1e-3)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    root = tmp_path_factory.mktemp("mixture")
    dataset_layouts.blendedmvs(root / "blendedmvs", rendered())
    video_layouts.realestate10k(root / "realestate10k", rendered())
    video_layouts.arkitscenes(root / "arkitscenes", rendered((72, 96), 80.0, 82.0, 34.0, 49.0))
    for path in root.iterdir():
        prepare(open_dataset(path), SELECTION, root / "cache", 1, Console(quiet=True))
    return root


def mixture(roots, seed=0, weights=(100, 50, 50), **changed):
    names = "blendedmvs", "realestate10k", "arkitscenes"
    parts = tuple(
        PartConfig(dataset=name, root=str(roots / name), pairs=weight)
        for name, weight in zip(names, weights, strict=True)
        if weight
    )
    values = {"cache": str(roots / "cache"), "sizes": ((48, 64), (32, 64)), "workers": 0}
    return Mixture(
        MixtureConfig(parts=parts, selection=SELECTION, **{**values, **changed}), seed, CPU
    )


def batches(made, count, start=0, share=None):
    return list(islice(made.of_stage(0, STAGE, start, share or Share()), count))


def test_batches_hold_pairs_whose_geometry_is_right(roots):
    for batch in batches(mixture(roots, weights=(1, 0, 0)), 3):
        assert batch.images.shape[:3] == (4, 2, 3)
        assert batch.images.shape[3:] in ((48, 64), (32, 64))
        assert batch.images.dtype == torch.uint8
        assert batch.depth.shape == (4, 2, *batch.images.shape[3:])
        T = batch.T_world_camera
        assert torch.allclose(torch.linalg.inv(T[:, 1]) @ T[:, 0], batch.T_2_1.double(), atol=1e-6)
        height, width = batch.images.shape[3:]
        centre = batch.K[:, :, :2, 2]
        assert torch.allclose(centre, torch.tensor([(width - 1) / 2, (height - 1) / 2]), atol=0.6)
        assert (batch.covisibility >= 0.1).all()


def test_both_orders_of_a_pair_are_drawn(roots):
    made = batches(mixture(roots, weights=(1, 0, 0)), 8)
    first = torch.cat([batch.T_world_camera[:, 0, :3, 3] for batch in made])
    second = torch.cat([batch.T_world_camera[:, 1, :3, 3] for batch in made])
    start = torch.tensor([0.3, -0.2, 1.5]).double()
    for ends in (first, second):
        assert torch.isclose(ends, start, atol=1e-6).all(dim=1).any()


def test_a_batch_is_a_function_of_seed_and_step(roots):
    made, resumed = batches(mixture(roots), 4), batches(mixture(roots), 2, start=2)
    for one, other in zip(made[2:], resumed, strict=True):
        assert one.ids == other.ids
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.K, other.K)
    assert batches(mixture(roots, seed=1), 1)[0].ids != made[0].ids


def test_processes_share_the_same_batch(roots):
    (whole,) = batches(mixture(roots), 1)
    halves = [batches(mixture(roots), 1, share=Share(rank, 2))[0] for rank in (0, 1)]
    assert sum((half.ids for half in halves), ()) == whole.ids
    assert torch.equal(torch.cat([half.images for half in halves]), whole.images)


def test_workers_change_nothing(roots):
    alone, helped = batches(mixture(roots), 3), batches(mixture(roots, workers=2), 3)
    assert [batch.ids for batch in alone] == [batch.ids for batch in helped]
    assert torch.equal(alone[1].images, helped[1].images)


def test_portrait_views_come_in_batches_of_their_own(roots):
    made = batches(mixture(roots), 30)
    tall = [batch.images.shape[3] > batch.images.shape[4] for batch in made]
    assert 0.05 < np.mean(tall) < 0.5  # a quarter of the pairs
    first = len(mixture(roots).parts[0]) + len(mixture(roots).parts[1])
    for batch, portrait in zip(made, tall, strict=True):
        assert all((number >= first) == portrait for number in batch.ids)


def test_datasets_are_drawn_as_often_as_asked(roots):
    made = mixture(roots, weights=(300, 100, 0))
    assert len(made) == 400
    ids = np.concatenate([batch.ids for batch in batches(made, 60)])
    assert (ids < len(made.parts[0])).mean() == pytest.approx(0.75, abs=0.1)


def test_where_there_is_no_depth_it_is_zero(roots):
    (batch,) = batches(mixture(roots, weights=(0, 1, 0)), 1)
    assert not batch.depth.any()
    assert torch.isnan(batch.covisibility).all()


def test_a_damaged_file_costs_a_pair_and_not_the_training(roots, tmp_path, caplog):
    dataset_layouts.blendedmvs(tmp_path / "blendedmvs", rendered())
    opened = open_dataset(tmp_path / "blendedmvs")
    prepare(opened, SELECTION, tmp_path / "cache", 1, Console(quiet=True))
    folder = opened.root / dataset_layouts.PID / "blended_images"
    (folder / "00000001.jpg").write_bytes(b"cut off")
    made = mixture(tmp_path, weights=(1, 0, 0))
    assert len(batches(made, 3)) == 3
    assert "another pair is taken" in caplog.text
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="20 pairs in a row are damaged"):
        batches(made, 1)


def test_scenes_that_are_not_prepared_are_told(roots, caplog):
    opened = open_dataset(roots / "blendedmvs")
    part = {"dataset": "blendedmvs", "root": str(roots / "blendedmvs"), "pairs": 5}
    mixture(roots)
    assert "are prepared" not in caplog.text
    scenes = [*opened.scenes(), "later"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(opened), "scenes", lambda _: scenes)
        mixture(roots)
    assert f"{len(scenes) - 1} of {len(scenes)} scenes of {part['root']}" in caplog.text


def test_settings_are_checked(roots):
    part = {"dataset": "blendedmvs", "root": str(roots / "blendedmvs"), "pairs": 5}
    config = fill(MixtureConfig, {"parts": [part], "cache": str(roots / "none")}, "mixture")
    with pytest.raises(DataError, match="geloc3r-data prepare"):
        Mixture(config, 0, CPU)
    with pytest.raises(ConfigError, match="write landscape"):
        fill(MixtureConfig, {"parts": [part], "cache": "c", "sizes": [[64, 48]]}, "mixture")
    with pytest.raises(ConfigError, match="at least one part"):
        fill(MixtureConfig, {"parts": [], "cache": "c"}, "mixture")
    with pytest.raises(ConfigError, match=r"parts\.0\.pairs is 0"):
        fill(MixtureConfig, {"parts": [{**part, "pairs": 0}], "cache": "c"}, "mixture")
