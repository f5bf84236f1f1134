# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The path of the moving scene, and the bag that ships with it."""

import itertools

import numpy as np
import pytest

from geloc3r_ros.demo.scenes import scenes
from geloc3r_ros.geometry import inverse, is_transform
from geloc3r_training.data.moving_scene import dock, drive, upright


def test_an_upright_camera_looks_along_its_yaw_with_y_down():
    T = upright(1.0, 2.0, 3.0, yaw=np.pi / 2)
    ahead, right, below = (T @ [0, 0, 5, 1]), (T @ [1, 0, 0, 1]), (T @ [0, 1, 0, 1])
    assert ahead[:3] == pytest.approx([1, 7, 3])
    assert right[:3] == pytest.approx([2, 2, 3])
    assert below[:3] == pytest.approx([1, 2, 2])
    pitched = upright(0, 0, 0, yaw=0.0, pitch=0.1)
    assert pitched[2, 2] == pytest.approx(-np.sin(0.1))


def test_the_robot_moves_where_it_looks():
    path = drive()
    assert all(is_transform(T) for T in path)
    for T, T_next in itertools.pairwise(path):
        step = T_next[:3, 3] - T[:3, 3]
        ahead = T_next[:3, 2] * np.linalg.norm(step)
        assert step == pytest.approx(ahead, abs=1e-9)


def test_the_bag_that_ships_is_of_this_path(tmp_path):
    moving = scenes(tmp_path)[1]
    for T_a_b, T_world_b in zip(moving.truth().values(), drive(), strict=True):
        assert T_a_b == pytest.approx(inverse(dock()) @ T_world_b, abs=1e-9)
