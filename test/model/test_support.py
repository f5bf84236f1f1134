# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What matches say of a pose, by numbers computed by hand and by matches of a known scene."""

import numpy as np
import pytest
import torch

from geloc3r_ros.model.epipolar import epipolar
from geloc3r_ros.model.rotation import rotation_of_vector
from geloc3r_ros.model.support import SUPPORT, support

X = torch.tensor([[1.0, 0, 0]])
SURE = torch.ones(1, 2, 2)
"""Matches of probability 1."""


def test_matches_in_epipolar_planes_by_hand():
    # Two planes through the x axis, y = 0 and z = 0; sines of the angles between the rays are 0.6.
    rays1 = torch.tensor([[[0.0, 0, 1], [0, 1, 0]]])
    rays2 = torch.tensor([[[0.6, 0, 0.8], [0.6, 0.8, 0]]])
    found = support(rays1, rays2, X, SURE)
    assert found[0, :7].tolist() == pytest.approx([1.0, 0, 0, 0, 0.18, 0, 0.18], abs=1e-6)
    assert found[0, 7] == pytest.approx(0, abs=1e-9)  # both lie in their planes: no noise


def test_certainty_is_the_mean_probability():
    rays1 = torch.tensor([[[0.0, 0, 1], [0, 1, 0]]])
    features = torch.zeros(1, 2, 2)
    both_ways = torch.tensor([0.01, 0.25])
    features[0, :, 0] = 1 + both_ways.log() / 4
    assert support(rays1, rays1, X, features)[0, 0] == pytest.approx((0.1 + 0.5) / 2)


def test_matches_that_speak_against_the_pose_lend_no_certainty():
    # The second ray is lifted out of the plane of the x axis by a sine of 0.01, the tolerance.
    rays1 = torch.tensor([[[0.0, 0, 1], [0, 0, 1]]])
    lifted = [0.0, 0.01, (1 - 0.01**2) ** 0.5]
    rays2 = torch.tensor([[[0.6, 0, 0.8], lifted]])
    assert support(rays1, rays2, X, SURE)[0, 0] == pytest.approx((1 + 0.5) / 2, rel=1e-3)


def moments(rays1, rays2, direction):
    found = support(
        *(torch.tensor(np.array(x), dtype=torch.float32)[None] for x in (rays1, rays2)),
        torch.tensor(direction, dtype=torch.float32)[None],
        torch.ones(1, len(rays1), 2),
    )[0].double()
    xx, xy, xz, yy, yz, zz = found[1:7].tolist()
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def scene(t, noise, seed=0):
    """Unit rays of 200 points in camera 1, and in a camera at t, turned alike."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-2, -2, 2], [2, 2, 6], (200, 3))
    rays = [points, points - t]
    rays = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in rays]
    return [x + rng.normal(0, noise, x.shape) for x in rays]


def ambiguity(M):
    least, following, _ = np.linalg.eigvalsh(M)
    return np.sqrt(max(least, 0) / following)


def test_a_wide_baseline_leaves_one_direction():
    t = np.array([0.6, 0.0, 0.8])
    M = moments(*scene(t, 0.003), t)
    assert ambiguity(M) < 0.1
    assert abs(np.linalg.eigh(M)[1][:, 0] @ t) == pytest.approx(1, abs=1e-2)


def test_no_baseline_leaves_the_direction_open():
    assert ambiguity(moments(*scene(np.zeros(3), 0.003), [1.0, 0, 0])) > 0.4


def test_matches_that_are_far_off_count_little():
    t = np.array([1.0, 0, 0])
    rays1, rays2 = scene(t, 0.001)
    rays2[:60] = rays2[:60][::-1]
    assert ambiguity(moments(rays1, rays2, t)) < 0.15


def test_noise_is_the_variance_of_the_mean_distance():
    t = np.array([0.6, 0.0, 0.8])
    # Along any axis a ray is off by 0.002; so are both rays, and TOLERANCE hardly cuts that off.
    rays1, rays2 = scene(t, 0.002)
    found = support(
        *(torch.tensor(np.array(x), dtype=torch.float32)[None] for x in (rays1, rays2)),
        torch.tensor(t, dtype=torch.float32)[None],
        torch.ones(1, 200, 2),
    )[0]
    assert found[7].item() == pytest.approx(0.002**2 / 200, rel=0.3)


def test_the_information_is_that_of_how_distances_change():
    t = np.array([0.6, 0.0, 0.8])
    rays1, rays2 = (torch.tensor(x, dtype=torch.float64)[None] for x in scene(t, 0.0))
    direction = torch.tensor(t)[None]

    def distances(turn, shift):
        turned = rays2 @ rotation_of_vector(turn[None])[0]
        found = epipolar(rays1, turned, direction + shift)
        return found.off[0, :, 0] / epipolar(rays1, rays2, direction).room[0, :, 0]

    steps, zero = 1e-5 * torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    rows = [distances(step, zero) - distances(-step, zero) for step in steps]
    rows += [distances(zero, step) - distances(zero, -step) for step in steps]
    J = torch.stack(rows, -1) / 2e-5
    row, column = torch.triu_indices(6, 6)
    expected = (J.mT @ J / 200)[row, column]
    found = support(rays1.float(), rays2.float(), direction.float(), torch.ones(1, 200, 2))
    assert found.shape == (1, SUPPORT)
    torch.testing.assert_close(found[0, 8:], expected.float(), atol=1e-4, rtol=1e-3)
