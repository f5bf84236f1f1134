# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from geloc3r_ros import geometry
from geloc3r_ros.errors import ConfigError
from geloc3r_training.data.dataset_report import contact_sheet, pair_statistics
from geloc3r_training.data.renderer import Renderer
from geloc3r_training.data.sample import read_sample
from geloc3r_training.data.synthetic import Plans, SyntheticConfig, SyntheticScenes, app
from geloc3r_training.data.textures import procedural_atlas


@pytest.fixture(scope="module")
def dataset():
    return SyntheticScenes(SyntheticConfig(size=(48, 64)), Renderer(procedural_atlas(24, 32)))


def test_an_index_is_one_sample_whatever_the_batch(dataset):
    plans = [dataset.plan(index) for index in (4, 5)]
    batch = dataset.render(plans)
    alone = dataset[5]
    assert np.array_equal(batch.depth[1], alone.depths)
    assert np.array_equal(batch.T_world_camera[1], alone.T_world_camera)
    assert np.abs(batch.images[1].numpy().astype(int) - alone.images).max() <= 1
    again = dataset[5]
    assert np.array_equal(again.images, alone.images)
    assert not np.array_equal(dataset[4].T_world_camera, alone.T_world_camera)


def test_samples_are_complete(dataset):
    sample = dataset[7]
    assert sample.images.shape == (2, 48, 64, 3)
    assert sample.images.std() > 5
    assert sample.source.startswith("synthetic/train/7/")
    assert min(sample.covisibility[0, 1], sample.covisibility[1, 0]) > 0.05
    half_fov = np.arctan(32 / sample.K[0, 0, 0])
    assert np.radians(22.5) <= half_fov <= np.radians(50)
    assert sample.K[0, :2, 2].tolist() == [31.5, 23.5]
    assert (sample.depths > 0).mean() > 0.3


def test_held_out_scenes_are_others(dataset):
    config = SyntheticConfig(size=(48, 64), held_out=True)
    other = SyntheticScenes(config, dataset.renderer)
    assert not np.array_equal(other.plan(3).T_world_camera, dataset.plan(3).T_world_camera)
    assert other[3].source.startswith("synthetic/test/3/")


def test_portrait(dataset):
    plans = [dataset.plan(index, (64, 48)) for index in range(2)]
    batch = dataset.render(plans, (64, 48))
    assert batch.images.shape == (2, 2, 64, 48, 3)
    assert batch.K[0, 0, :2, 2].tolist() == [23.5, 31.5]


def test_index_and_configuration_are_checked(dataset):
    with pytest.raises(IndexError, match="not in 0"):
        dataset.plan(2**40)
    with pytest.raises(ConfigError, match="at least 16 x 16"):
        SyntheticConfig(size=(8, 64))
    with pytest.raises(ConfigError, match="at least 1"):
        SyntheticConfig(views=0)
    with pytest.raises(ConfigError, match="field_of_view"):
        SyntheticConfig(field_of_view=(2.0, 1.0))


def test_workers_make_plans(dataset):
    loader = torch.utils.data.DataLoader(
        Plans(dataset), batch_size=2, sampler=[8, 9], num_workers=1, collate_fn=list
    )
    (plans,) = loader
    batch = dataset.render(plans)
    assert np.array_equal(batch.depth[1], dataset[9].depths)


def test_it_feeds_a_data_loader(dataset):
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, sampler=[8, 9], num_workers=0)
    assert [sample.source.split("/")[2] for sample in loader] == ["8", "9"]


def test_statistics_by_hand(dataset):
    sample = dataset[2]
    statistics = pair_statistics([sample])
    T_a_b = sample.T_a_b(0, 1)
    angle = np.degrees(geometry.rotation_angle(T_a_b[:3, :3]))
    assert statistics["rotation, degrees"] == pytest.approx([angle])
    depth = np.median(sample.depths[0][sample.depths[0] > 0])
    baseline = np.linalg.norm(T_a_b[:3, 3]) / depth
    assert statistics["baseline / depth"] == pytest.approx([baseline])
    assert contact_sheet([sample, sample], columns=2).shape == (52, 2 * (64 * 3 + 8), 3)


def test_the_command_writes_samples_and_a_sheet(tmp_path):
    output = tmp_path / "out"
    arguments = [str(output), "--scenes", "3", "--height", "32", "--width", "48"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "overlap" in result.output
    assert (output / "contact_sheet.png").exists()
    samples = [read_sample(path) for path in sorted(output.glob("*.npz"))]
    assert [sample.source.split("/")[2] for sample in samples] == ["0", "1", "2"]
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 1
    assert "exists" in again.output
