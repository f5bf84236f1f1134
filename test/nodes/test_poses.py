# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages by hand-computed numbers; covariances against samples and finite differences."""

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion, Transform, Vector3
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from geloc3r_ros import geometry as g
from geloc3r_ros.nodes import poses

finite = st.floats(-3, 3, allow_subnormal=False)
vectors = st.tuples(finite, finite, finite).map(np.array)
transforms = st.builds(
    lambda v, t: g.make_transform(Rotation.from_rotvec(v).as_matrix(), t), vectors, vectors
)
HALF = np.sqrt(0.5)
# b stands 2 m to the right of a and looks back along a's x axis: a quarter turn about -y.
T_A_B = g.make_transform([[0, 0, -1], [0, 1, 0], [1, 0, 0]], [2, 0.5, -1])


def random_covariance(seed):
    A = np.random.default_rng(seed).normal(size=(6, 6))
    return A @ A.T + np.eye(6)


def test_pose_message():
    message = poses.pose_message(T_A_B)
    p, q = message.position, message.orientation
    assert (p.x, p.y, p.z) == (2, 0.5, -1)
    assert (q.x, q.y, q.z, q.w) == pytest.approx((0, -HALF, 0, HALF))


def test_transform_message_has_parent_a():
    message = poses.transform_message(T_A_B)
    t, q = message.translation, message.rotation
    assert (t.x, t.y, t.z) == (2, 0.5, -1)
    assert (q.x, q.y, q.z, q.w) == pytest.approx((0, -HALF, 0, HALF))


def test_transform_from_message_takes_any_length_of_quaternion():
    message = Transform(
        translation=Vector3(x=2.0, y=0.5, z=-1.0),
        rotation=Quaternion(x=0.0, y=-3.0, z=0.0, w=3.0),
    )
    assert poses.transform_from_message(message) == pytest.approx(T_A_B)


def test_a_transform_without_rotation_is_refused():
    message = Transform(rotation=Quaternion(x=0.0, y=0.0, z=0.0, w=0.0))
    with pytest.raises(ValueError, match="not a rotation"):
        poses.transform_from_message(message)


@given(transforms)
def test_a_transform_survives_its_message(T_a_b):
    message = poses.transform_message(T_a_b)
    assert poses.transform_from_message(message) == pytest.approx(T_a_b, abs=1e-7)


def test_scale_covariance_by_hand():
    covariance = np.diag([1.0, 2, 3, 4, 5, 6])
    covariance[0, 3] = covariance[3, 0] = 0.5
    scaled = poses.scale_covariance(covariance, 3.0)
    assert np.diag(scaled).tolist() == [9, 18, 27, 4, 5, 6]
    assert scaled[0, 3] == scaled[3, 0] == 1.5


def test_a_lever_arm_by_hand():
    # B is 2 m ahead of b along z. A turn of b about y moves B along x by 2 m a radian.
    covariance = np.diag([0.0, 0, 0, 0, 0.01, 0])
    moved = poses.move_covariance(
        covariance, np.eye(4), np.eye(4), g.make_transform(np.eye(3), [0, 0, 2])
    )
    expected = np.zeros((6, 6))
    expected[0, 0], expected[4, 4] = 0.04, 0.01
    expected[0, 4] = expected[4, 0] = 0.02
    assert moved == pytest.approx(expected)


def test_axes_are_those_of_the_new_frame_by_hand():
    # A is a body (x forward, y left, z up) with a looking forward: z_a = x_A, x_a = -y_A.
    T_A_a = g.make_transform([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], [5, 5, 5])
    moved = poses.move_covariance(
        np.diag([1.0, 2, 3, 4, 5, 6]), T_A_a, g.make_transform(np.eye(3), [1, 2, 3]), np.eye(4)
    )
    assert moved == pytest.approx(np.diag([3.0, 1, 2, 6, 4, 5]))


def perturbed(T_a_b, d):
    """The pose moved by d[:3] and turned by d[3:] about the fixed axes of its frame."""
    R = Rotation.from_rotvec(d[3:]).as_matrix() @ T_a_b[:3, :3]
    return g.make_transform(R, T_a_b[:3, 3] + d[:3])


def deviation(T, T_mean):
    """The d of :func:`perturbed` that leads from ``T_mean`` to ``T``."""
    turn = Rotation.from_matrix(T[:3, :3] @ T_mean[:3, :3].T).as_rotvec()
    return np.concatenate([T[:3, 3] - T_mean[:3, 3], turn])


@given(transforms, transforms, transforms, st.integers(0, 2**32 - 1))
def test_moved_covariance_by_finite_differences(T_A_a, T_a_b, T_b_B, seed):
    covariance = random_covariance(seed)
    mean, step = T_A_a @ T_a_b @ T_b_B, 1e-5
    J = np.empty((6, 6))
    for i, d in enumerate(step * np.eye(6)):
        ahead, behind = (
            deviation(T_A_a @ perturbed(T_a_b, sign * d) @ T_b_B, mean) for sign in (1, -1)
        )
        J[:, i] = (ahead - behind) / (2 * step)
    moved = poses.move_covariance(covariance, T_A_a, T_a_b, T_b_B)
    assert moved == pytest.approx(J @ covariance @ J.T, rel=1e-5, abs=1e-5)


def test_moved_covariance_by_samples():
    rng = np.random.default_rng(7)
    T_A_a, T_a_b, T_b_B = (
        g.make_transform(Rotation.random(rng=rng).as_matrix(), rng.normal(size=3))
        for _ in range(3)
    )
    covariance = 1e-6 * random_covariance(3)
    mean = T_A_a @ T_a_b @ T_b_B
    samples = [
        deviation(T_A_a @ perturbed(T_a_b, d) @ T_b_B, mean)
        for d in rng.multivariate_normal(np.zeros(6), covariance, 5000)
    ]
    moved = poses.move_covariance(covariance, T_A_a, T_a_b, T_b_B)
    sigma = np.sqrt(np.diag(moved))
    difference = (np.cov(np.array(samples).T) - moved) / np.outer(sigma, sigma)
    assert np.abs(difference).max() < 0.08  # four sigma of a variance from 5000 samples
