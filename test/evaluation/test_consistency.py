# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Errors drawn from a covariance have the NEES that the theory gives them."""

import numpy as np
import pytest
from scipy import stats

from geloc3r_ros.evaluation.consistency import (
    CHI_SQUARE,
    consistency,
    direction_nees,
    rotation_nees,
)
from geloc3r_ros.geometry import make_transform, rotation_about

SIGMA = 0.04
DRAWS = 4000


def test_the_quantiles_are_those_of_the_chi_square():
    for dimensions, quantiles in CHI_SQUARE.items():
        for share, quantile in quantiles.items():
            assert quantile == pytest.approx(stats.chi2.ppf(share, dimensions), abs=1e-6)


def covariance(t, scale=1.0):
    """As the estimator gives it: across the direction, and in rotation."""
    C = np.zeros((6, 6))
    along = np.outer(t, t) / (t @ t)
    C[:3, :3] = (scale * SIGMA) ** 2 * (t @ t) * (np.eye(3) - along) + 1e-6 * along
    C[3:, 3:] = (scale * SIGMA) ** 2 * np.diag([1.0, 4.0, 9.0])
    return C


def draw(rng, t):
    """An estimate, and a truth that lies off it as the covariance says."""
    turn = rng.normal(size=3) * SIGMA * [1, 2, 3]
    R = rotation_about([1, 2, 3], 0.7)
    R_true = rotation_about(turn, np.linalg.norm(turn)) @ R
    across = np.linalg.svd(t[None])[2][1:].T @ rng.normal(size=2) * SIGMA
    tilt = rotation_about(np.cross(t, across), np.linalg.norm(across))
    return make_transform(R, t), make_transform(R_true, 3 * tilt @ t)


@pytest.mark.parametrize("length", [1.0, 2.5])
def test_right_covariances_are_consistent(length):
    rng = np.random.default_rng(0)
    t = length * np.array([0.6, 0.0, 0.8])
    draws = [draw(rng, t) for _ in range(DRAWS)]
    for nees, dimensions in ((rotation_nees, 3), (direction_nees, 2)):
        found = consistency(np.array([nees(*T, covariance(t)) for T in draws]), dimensions)
        assert found.mean == pytest.approx(dimensions, rel=0.05)
        for share, got in found.coverage.items():
            assert got == pytest.approx(share, abs=0.025)


def test_covariances_that_are_too_small_show():
    rng = np.random.default_rng(0)
    t = np.array([0.6, 0.0, 0.8])
    nees = [rotation_nees(*draw(rng, t), covariance(t, scale=0.5)) for _ in range(DRAWS)]
    assert consistency(np.array(nees), 3).mean == pytest.approx(12, rel=0.05)


def test_no_direction_has_no_nees():
    still = make_transform(np.eye(3), np.zeros(3))
    assert np.isnan(direction_nees(still, np.eye(4), np.eye(6)))
    assert consistency(np.array([np.nan]), 2) is None


def test_the_opposite_direction_is_an_error_of_pi():
    ahead, back = (make_transform(np.eye(3), [0, 0, z]) for z in (1.0, -1.0))
    assert direction_nees(ahead, back, np.eye(6)) == pytest.approx(np.pi**2)
