# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from geloc3r_ros import geometry
from geloc3r_training.data.covisibility import covisibility
from geloc3r_training.data.places import make_scene
from geloc3r_training.data.renderer import Renderer, pack
from geloc3r_training.data.scene import Light, Material, SceneBuilder
from geloc3r_training.data.textures import procedural_atlas
from geloc3r_training.data.visibility import glance, overlap

LOOKING_ALONG_X = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
TANGENT = np.array([0.8, 0.6])


def camera(x, y, yaw=0.0):
    R = geometry.rotation_about([0, 0, 1], yaw) @ LOOKING_ALONG_X
    return geometry.make_transform(R, [x, y, 1.5])


@pytest.fixture
def wall():
    builder = SceneBuilder()
    builder.box((4.5, 0, 1.5), (1, 100, 100), Material(0))
    return builder


def packed(builder):
    grey = (1.0, 1.0, 1.0)
    sun, standing = Light((0, 0, 1), grey, False), ((0, 0, 0), (1, 1, 1))
    scene = builder.build(np.random.default_rng(0), (sun,), (grey, grey), (grey, grey), standing)
    return pack(scene)


def test_glance_is_depth(wall):
    found = glance(packed(wall), camera(0, 0), TANGENT)
    assert found[..., 0] == pytest.approx(4, abs=1e-5)
    assert (found[..., 1] == 0).all()
    assert (glance(packed(wall), camera(0, 0, np.pi), TANGENT)[..., 1] == -1).all()


def test_overlap_by_hand(wall):
    buffers = packed(wall)
    assert overlap(buffers, camera(0, 0), camera(0, 0), TANGENT) == 1
    assert overlap(buffers, camera(0, 0), camera(0, 0, np.pi), TANGENT) == 0
    # The view is 6.4 m wide at the wall: 1.6 m aside it loses a quarter (of 14 columns: 3 or 4).
    shifted = overlap(buffers, camera(0, 0), camera(0, 1.6), TANGENT)
    assert shifted == pytest.approx(0.75, abs=0.04)


def test_what_is_hidden_does_not_overlap(wall):
    wall.box((1.5, 1.6, 1.5), (0.2, 1.0, 50.0), Material(0))
    hidden = overlap(packed(wall), camera(0, 0), camera(0, 1.6), TANGENT)
    assert hidden < 0.5


def test_a_glance_foretells_the_measured_covisibility():
    atlas = procedural_atlas(24, 16)
    scene = make_scene(11, atlas, "hall")
    poses = np.stack([camera(-2, 0, 0.3), camera(-1.6, 0.3, 0.6)])
    K = np.array([[40 / 0.8, 0, 39.5], [0, 30 / 0.6, 29.5], [0, 0, 1]])
    cameras = np.stack([K, K])
    depth = Renderer(atlas).render([scene], [0, 0], poses, cameras, (60, 80)).depth
    measured = covisibility(depth, torch.from_numpy(cameras), torch.from_numpy(poses), stride=2)
    foretold = overlap(pack(scene), poses[0], poses[1], TANGENT)
    assert foretold == pytest.approx(float(measured[0, 1]), abs=0.12)
