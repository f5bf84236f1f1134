# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A batch is a function of seed and step, however it is made and shared."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from geloc3r_ros.errors import ConfigError
from geloc3r_training.data.covisibility import covisibility
from geloc3r_training.gcr.pairs import median_depth
from geloc3r_training.gcr.se3 import inverse, rotation_angle
from geloc3r_training.pairs import Pairs, Share

CPU = torch.device("cpu")
FIELDS = ("images", "depth", "K", "T_world_camera", "T_2_1", "covisibility")


@pytest.fixture(scope="module")
def config(toy):
    return toy("data.views=3", "data.pairs_per_scene=2", "data.sizes=[[48, 64], [64, 48]]")


@pytest.fixture(scope="module")
def pairs(config):
    return Pairs(config.data, config.seed, CPU)


def equal(a, b):
    return a.ids == b.ids and all(torch.equal(getattr(a, f), getattr(b, f)) for f in FIELDS)


def test_a_later_start_gives_the_same_batches(pairs, config):
    stream = pairs.of_stage(0, config.stages[0], 0, Share())
    next(stream)
    second = next(stream)
    assert equal(second, next(pairs.of_stage(0, config.stages[0], 1, Share())))
    assert not equal(second, next(pairs.of_stage(1, config.stages[0], 1, Share())))


def test_processes_share_a_batch(pairs, config):
    whole = next(pairs.of_stage(0, config.stages[0], 3, Share()))
    halves = [next(pairs.of_stage(0, config.stages[0], 3, Share(rank, 2))) for rank in (0, 1)]
    assert whole.ids == halves[0].ids + halves[1].ids
    assert len(whole) == config.stages[0].batch_size
    assert torch.equal(whole.T_2_1, torch.cat([half.T_2_1 for half in halves]))
    # A batch of noise and JPEG is computed together: bytes may differ by one.
    images = torch.cat([half.images for half in halves]).int()
    assert (whole.images.int() - images).abs().max() <= 1


def test_workers_change_nothing(config, toy, pairs):
    others = Pairs(
        toy(
            "data.workers=2",
            "data.views=3",
            "data.pairs_per_scene=2",
            "data.sizes=[[48, 64], [64, 48]]",
        ).data,
        config.seed,
        CPU,
    )
    alone = pairs.of_stage(0, config.stages[0], 0, Share())
    helped = others.of_stage(0, config.stages[0], 0, Share())
    assert all(equal(next(alone), next(helped)) for _ in range(3))


def test_pairs_are_covisible_and_their_poses_true(pairs, config):
    batch = next(pairs.of_stage(0, config.stages[0], 5, Share()))
    T_2_1 = inverse(batch.T_world_camera[:, 1]) @ batch.T_world_camera[:, 0]
    assert torch.allclose(batch.T_2_1.double(), T_2_1, atol=1e-6)
    both = covisibility(batch.depth, batch.K, batch.T_world_camera)
    lesser = torch.minimum(both[:, 0, 1], both[:, 1, 0])
    assert torch.allclose(batch.covisibility, lesser, atol=1e-6)
    assert batch.covisibility.min() > 0.1
    assert batch.images.dtype == torch.uint8
    low, high = (view.aminmax() for view in batch.views())
    assert min(low.min, high.min) >= -1
    assert max(low.max, high.max) <= 1


def test_poses_of_recordings_are_off_by_so_much(toy, pairs, config):
    same = "data.views=3", "data.pairs_per_scene=2", "data.sizes=[[48, 64], [64, 48]]"
    training = toy(*same, "data.pose_error=[2.0, 0.01]", "stages.0.batch_size=400")
    recorded = Pairs(training.data, config.seed, CPU)
    batch = next(recorded.of_stage(0, training.stages[0], 0, Share()))
    true = next(pairs.of_stage(0, training.stages[0], 0, Share()))
    assert torch.equal(batch.images, true.images)
    off = inverse(true.T_world_camera) @ batch.T_world_camera
    turns = rotation_angle(off[..., :3, :3]).rad2deg()
    assert turns.square().mean().sqrt() == pytest.approx(2.0 * 3**0.5, rel=0.1)
    shift = off[:, 0, :3, 3] / median_depth(true.depth[:, 0]).double()[:, None]
    assert shift.std(0).tolist() == pytest.approx([0.01] * 3, rel=0.2)
    T_2_1 = inverse(batch.T_world_camera[:, 1]) @ batch.T_world_camera[:, 0]
    assert torch.allclose(batch.T_2_1.double(), T_2_1, atol=1e-6)


def test_held_out_pairs_keep_their_true_poses(toy, pairs):
    recorded = toy("data.pose_error=[2.0, 0.01]").data
    given, true = (
        next(Pairs(data, 0, CPU, held_out=True).fixed(4, 4, Share()))
        for data in (recorded, toy().data)
    )
    assert equal(given, true)


def test_held_out_pairs_are_fixed_and_shared(config):
    held_out = Pairs(config.data, 0, CPU, held_out=True)
    batches = list(held_out.fixed(6, 4, Share()))
    assert [len(batch) for batch in batches] == [4, 2]
    parts = [batch for rank in (0, 1) for batch in held_out.fixed(6, 4, Share(rank, 2))]
    assert [batch.ids for batch in parts] == [batch.ids for batch in batches]
    training = next(Pairs(config.data, 0, CPU).fixed(6, 4, Share()))
    assert not torch.equal(training.T_2_1, batches[0].T_2_1)


def test_a_wall_aside_has_moved(wall):
    assert wall.moved(0.25).tolist() == [True]  # 0.5 m over a depth of 2 m
    assert wall.moved(0.26).tolist() == [False]


def test_without_depth_whatever_is_not_still_has_moved(wall):
    unmeasured = replace(wall, depth=torch.zeros_like(wall.depth))
    assert unmeasured.moved(100.0).tolist() == [True]
    for rounding in (0.0, 3e-16, 1e-7):  # what is left of two poses that are the same
        T_2_1 = torch.eye(4)[None].clone()
        T_2_1[0, :3, 3] = rounding
        assert replace(unmeasured, T_2_1=T_2_1).moved(0.02).tolist() == [False]


def test_each_view_of_a_batch_once(wall):
    images, focals, places = wall.distinct()
    assert focals.tolist() == [64, 64]
    assert places.tolist() == [[0, 1]]
    for i, view in enumerate(wall.views()):
        assert torch.equal(images[i : i + 1], view)


def test_a_stage_may_ask_for_reliefs(toy, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), cv2.resize(noise, (400, 300)))
    config = toy(f"data.photographs={tmp_path}", "data.sizes=[[48, 64]]", "stages.0.reliefs=1.0")
    pairs = Pairs(config.data, config.seed, CPU)
    batch = next(pairs.of_stage(0, config.stages[0], 0, Share()))
    assert len(batch) == config.stages[0].batch_size
    T_2_1 = inverse(batch.T_world_camera[:, 1]) @ batch.T_world_camera[:, 0]
    assert torch.allclose(batch.T_2_1.double(), T_2_1, atol=1e-6)
    assert (batch.depth > 0).float().mean() > 0.5
    scenes = [number // config.data.pairs_per_scene for number in batch.ids]
    reliefs = pairs.reliefs.make(scenes, (48, 64)).depth.flatten(0, 1)
    assert all((reliefs == depth).all((1, 2)).any() for depth in batch.depth.flatten(0, 1))
    other = next(pairs.of_stage(1, config.stages[1], 0, Share()))  # which asks for none
    scenes = [number // config.data.pairs_per_scene for number in other.ids]
    reliefs = pairs.reliefs.make(scenes, (48, 64)).depth.flatten(0, 1)
    assert not any((reliefs == depth).all((1, 2)).any() for depth in other.depth.flatten(0, 1))
    assert not equal(batch, next(pairs.of_stage(0, config.stages[0], 1, Share())))
    # Held-out pairs are always places.
    held_out = next(Pairs(config.data, 0, CPU, held_out=True).fixed(2, 2, Share()))
    assert (held_out.depth == 0).float().mean() < 0.5


def test_reliefs_of_no_photographs_are_refused(toy):
    with pytest.raises(ConfigError, match=r"reliefs is 0.5, of no photographs"):
        toy("stages.0.reliefs=0.5")


def test_reliefs_beside_a_mixture_are_refused(toy, tmp_path):
    mixture = "mixture={parts: [{dataset: recording, root: a, pairs: 1}], cache: b}"
    with pytest.raises(ConfigError, match=r"reliefs is 0.5, but pairs are those of mixture"):
        toy("stages.0.reliefs=0.5", f"data.photographs={tmp_path}", mixture)
