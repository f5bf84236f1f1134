# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The baselines find the pose of exact points, and of real pictures of the demo."""

from pathlib import Path

import numpy as np
import pytest

import geloc3r_ros
from geloc3r_ros.demo.scenes import Scene
from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.classical import solve_magsac, solve_poselib
from geloc3r_ros.evaluation.methods import METHODS, load_method
from geloc3r_ros.geometry import inverse, is_transform, make_transform, pose_errors, rotation_about

MOVING = Path(geloc3r_ros.__file__).parent / "demo" / "moving"
K_A = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])
K_B = np.array([[700.0, 0, 300], [0, 700, 260], [0, 0, 1]])
T_A_B = make_transform(rotation_about([0.1, 1, 0.2], 0.3), [0.6, -0.2, 0.3])


def project(K, X):
    pixels = X @ K.T
    return pixels[:, :2] / pixels[:, 2:]


@pytest.mark.parametrize("solve", [solve_magsac, solve_poselib])
def test_the_pose_of_exact_points_with_outliers(solve):
    rng = np.random.default_rng(0)
    X_a = rng.uniform([-2, -2, 4], [2, 2, 9], (200, 3))
    X_b = (np.column_stack([X_a, np.ones(200)]) @ inverse(T_A_B).T)[:, :3]
    points_a, points_b = project(K_A, X_a), project(K_B, X_b)
    points_b[:40] += rng.uniform(-100, 100, (40, 2))
    T = solve(points_a, points_b, K_A, K_B)
    assert is_transform(T)
    assert np.linalg.norm(T[:3, 3]) == pytest.approx(1)
    assert np.degrees(pose_errors(T, T_A_B)) == pytest.approx([0, 0], abs=0.1)


@pytest.mark.parametrize("name", ["orb", "orb+poselib", "sift"])
def test_the_pose_of_real_pictures(name):
    scene = Scene("moving", MOVING, "compressed")
    stamp, T_true = sorted(scene.truth().items())[18]
    view = scene.view(stamp)
    answer = load_method(name).ask(view.left, view.right, view.K_left, view.K_right)
    assert np.degrees(pose_errors(answer.T_a_b, T_true)) == pytest.approx([0, 0], abs=8)
    assert answer.seconds > 0
    assert answer.trained


def test_nothing_to_match_is_no_pose():
    blank = np.zeros((64, 64, 3), np.uint8)
    answer = load_method("sift").ask(blank, blank, K_A, K_A)
    assert answer.T_a_b is None
    assert answer.reason == "no pose from 0 matches"


def test_features_need_intrinsics():
    blank = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ConfigError, match="features need intrinsics"):
        load_method("orb").ask(blank, blank, None, None)


def test_an_unknown_method_lists_the_known():
    with pytest.raises(ConfigError, match=f"'surf' is not one of {', '.join(METHODS[:2])}"):
        load_method("surf")


def test_the_constant_predictor_does_not_look():
    blank, noise = np.zeros((2, 48, 64, 3), np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, noise.shape, np.uint8)
    constant = load_method("constant")
    ahead = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]
    for pair in ((blank, noise), (noise, noise)):
        answer = constant.ask(*pair, None, None)
        np.testing.assert_array_equal(answer.T_a_b, ahead)
