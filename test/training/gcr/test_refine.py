# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import torch
from scipy.optimize import least_squares
from torch.autograd.functional import jacobian

from geloc3r_training.gcr.refine import linearise, refine, robust_score, squared_errors
from geloc3r_training.gcr.se3 import relative_twist, retract

K = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]], dtype=torch.float64)


def test_errors_and_score_of_hand_computed_points():
    points = torch.tensor([[0.0, 0, 2], [0.5, 0, 2], [0, 0, -2]], dtype=torch.float64)
    pixels = torch.tensor([[50.0, 40], [75, 41], [50, 40]], dtype=torch.float64)
    T = torch.eye(4, dtype=torch.float64)
    assert squared_errors(T, points, pixels, K).tolist() == [0.0, 1.0, float("inf")]
    weights = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    assert robust_score(T, points, pixels, weights, K, 2.0).item() == 1.0 + 2.0 * 0.75


def test_the_jacobian_is_that_of_the_errors(simulate):
    scene = simulate(batch=1, count=6, noise=3.0)
    T, points, pixels, K_2 = (
        x[0] for x in (scene.T_2_1, scene.points_1, scene.pixels_2, scene.K_2)
    )

    def errors(twist):
        return linearise(retract(T, twist), points, pixels, K_2)[0]

    expected = jacobian(errors, torch.zeros(6, dtype=torch.float64)).movedim(-1, 0)
    torch.testing.assert_close(linearise(T, points, pixels, K_2)[1], expected)


def test_without_robustness_it_is_least_squares(simulate):
    scene = simulate(batch=1, count=60, noise=1.0)
    wide = [1e6] * 8
    start = retract(scene.T_2_1, torch.full((1, 6), 0.02, dtype=torch.float64))
    ours, _ = refine(start, *scene.solver_input(), wide)

    def residuals(twist):
        T = retract(scene.T_2_1, torch.from_numpy(twist)[None])
        return linearise(T, scene.points_1, scene.pixels_2, scene.K_2)[0].flatten().numpy()

    theirs = least_squares(residuals, np.zeros(6), xtol=1e-14, ftol=1e-14)
    twist = relative_twist(scene.T_2_1, ours)[0].numpy()
    np.testing.assert_allclose(twist, theirs.x, atol=1e-7)


def test_outliers_beyond_the_kernel_do_not_move_the_pose(simulate):
    scene = simulate(batch=2, count=200, outliers=0.3)
    start = retract(scene.T_2_1, torch.full((2, 6), 1e-3, dtype=torch.float64))
    far = scene.inliers | (squared_errors(start, scene.points_1, scene.pixels_2, scene.K_2) > 400)
    refined, _ = refine(start, *scene.solver_input(far.double()), [6.0] * 6)
    torch.testing.assert_close(refined, scene.T_2_1, atol=1e-9, rtol=0)


def test_no_step_raises_the_robust_cost(simulate):
    scene = simulate(batch=16, count=64, outliers=0.5, noise=2.0)
    generator = torch.Generator().manual_seed(0)
    off = 0.1 * torch.randn(16, 6, dtype=torch.float64, generator=generator)
    T, costs = retract(scene.T_2_1, off), []
    for _ in range(6):
        squared = squared_errors(T, scene.points_1, scene.pixels_2, scene.K_2)
        costs.append((1 - (1 - squared / 20**2).clamp_min(0) ** 3).sum(-1))
        T, _ = refine(T, *scene.solver_input(), [20.0])
    for before, after in pairwise(costs):
        assert (after <= before).all()
    assert (costs[-1] < 0.95 * costs[0]).any()
