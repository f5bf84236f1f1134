# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from geloc3r_training.data.scene import Light, Material, SceneBuilder


def built(builder):
    sun = Light((0, 0, 1), (1, 1, 1), False)
    grey = (1.0, 1.0, 1.0)
    standing = (0, 0, 0), (1, 1, 1)
    return builder.build(np.random.default_rng(0), (sun,), (grey, grey), (grey, grey), standing)


def test_frames_nest_and_turn():
    builder = SceneBuilder()
    # 2 m along x, a quarter turn to the left, then 1 m along the new x: that is +y.
    builder.at(2, 0, 0, np.pi / 2).at(1, 0, 0.5).box((0, 0, 0), (1, 1, 1), Material(0))
    scene = built(builder)
    assert scene.T_world_local[0, :3, 3] == pytest.approx([2, 1, 0.5])
    assert scene.T_world_local[0, :3, 0] == pytest.approx([0, 1, 0])


def test_pitch_lays_a_cylinder_along_x():
    builder = SceneBuilder()
    builder.cylinder((0, 0, 0), 0.1, 2.0, Material(0), pitch=np.pi / 2)
    assert built(builder).T_world_local[0, :3, 2] == pytest.approx([1, 0, 0])


def test_clearance_by_hand():
    builder = SceneBuilder()
    builder.box((0, 0, 0), (2, 2, 2), Material(0))
    builder.ellipsoid((10, 0, 0), (2, 2, 2), Material(0))
    builder.cylinder((0, 10, 0), 1.0, 4.0, Material(0))
    scene = built(builder)
    points = np.array([[4.0, 5, 0], [0.5, 0, 0], [7, 0, 0], [0, 10, 5], [3, 10, 0], [4, 10, 6]])
    assert scene.clearance(points) == pytest.approx([5, -0.5, 2, 3, 2, 5])


def test_clearance_of_a_flat_ellipsoid_is_right_near_its_surface():
    builder = SceneBuilder()
    builder.ellipsoid((0, 0, 0), (4, 4, 0.4), Material(0))
    points = np.array([[0.0, 0, 0.25], [2.05, 0, 0], [0, 0, 0.15]])
    assert built(builder).clearance(points) == pytest.approx([0.05, 0.05, -0.05], abs=1e-6)


def test_a_picture_is_stretched_once_over_each_face():
    builder = SceneBuilder()
    builder.box((0, 0, 0), (2, 4, 8), Material(0, metres=0.0))
    builder.box((0, 0, 0), (2, 4, 8), Material(0, metres=0.5))
    scene = built(builder)
    assert scene.tiling[0] == pytest.approx([1 / 2, 1 / 4, 1 / 8])
    assert scene.offset[0] == pytest.approx([0.5, 0.5, 0.5])
    assert scene.tiling[1] == pytest.approx([2, 2, 2])
