# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import pytest
import torch

from geloc3r_training.gcr import GcrConfig, descriptor_step, pose_step
from geloc3r_training.gcr.diagnostics import means
from geloc3r_training.gcr.se3 import inverse, retract


def test_the_pose_step_is_the_mean_over_both_directions_and_the_batch(surface):
    T = surface(batch=2).T_2_1
    off = torch.zeros(2, 6)
    off[0, 5], off[1, 3] = 0.1, 0.3
    step = pose_step(retract(T, off), inverse(T), T, torch.tensor([False, False]), weight=2.0)
    assert step.total.item() == pytest.approx(2.0 * 0.5 * (0.1 + 0.3) / 2, rel=1e-4)
    logged = means(step.tallies)
    assert logged["regressed/rotation"] == pytest.approx(math.degrees(0.1), rel=1e-3)
    assert logged["loss/pose"] == step.total


def test_opposite_translations_differ_by_half_a_turn(surface):
    T = surface(batch=1).T_2_1
    opposite = T.clone()
    opposite[:, :3, 3] *= -1
    assert pose_step(opposite, inverse(T), T).total.item() == pytest.approx(math.pi / 2, rel=1e-5)


def test_the_first_stage_has_its_own_step(surface):
    scene = surface(batch=2)
    options = {"pair_ids": [0, 1], "step": 0}
    good = descriptor_step(scene.view_1, scene.view_2, scene.T_2_1, GcrConfig.tiny(), **options)
    flipped = replace(
        scene.view_2,
        descriptors=scene.view_2.descriptors._replace(
            descriptors=scene.view_2.descriptors.descriptors.flip(-1)
        ),
    )
    bad = descriptor_step(scene.view_1, flipped, scene.T_2_1, GcrConfig.tiny(), **options)
    assert good.total < bad.total
    assert means(good.tallies)["match/median_px"] < 0.5
    assert means(bad.tallies)["match/median_px"] > 5
