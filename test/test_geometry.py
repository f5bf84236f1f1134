# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conventions by hand-computed numbers, then the laws of the algebra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geloc3r_ros import geometry as g

finite = st.floats(-3, 3, allow_subnormal=False)
transforms = st.builds(
    lambda v, t: g.make_transform(g.rotation_about(v / np.linalg.norm(v), np.linalg.norm(v)), t),
    arrays(float, 3, elements=finite).filter(lambda v: np.linalg.norm(v) > 1e-3),
    arrays(float, 3, elements=finite),
)


def test_T_a_b_maps_points_of_b_into_a():
    # Camera b stands 2 m to the right of camera a (optical x) and looks left (towards -x of a).
    R_a_b = np.array([[0, 0, -1], [0, 1, 0], [1, 0, 0]], float)
    T_a_b = g.make_transform(R_a_b, [2, 0, 0])
    ahead_of_b = np.array([0, 0, 1, 1])
    assert T_a_b @ ahead_of_b == pytest.approx([1, 0, 0, 1])
    assert g.inverse(T_a_b) @ [1, 0, 0, 1] == pytest.approx(ahead_of_b)
    assert g.inverse(T_a_b)[:3, 3] == pytest.approx([0, 0, 2])  # a stands 2 m ahead of b


def test_rotation_about_is_right_handed():
    assert g.rotation_about([0, 0, 1], np.pi / 2) @ [1, 0, 0] == pytest.approx([0, 1, 0])


def test_quaternion_order_is_xyzw():
    quarter_turn_about_z = [0, 0, np.sqrt(0.5), np.sqrt(0.5)]
    R = g.rotation_about([0, 0, 1], np.pi / 2)
    assert g.quat_xyzw_from_rotation(R) == pytest.approx(quarter_turn_about_z)
    assert g.rotation_from_quat_xyzw(quarter_turn_about_z) == pytest.approx(R)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, np.pi - 1e-6, np.pi])
def test_rotation_angle_is_exact_at_both_ends(angle):
    axis = np.array([1, 2, -2]) / 3
    assert g.rotation_angle(g.rotation_about(axis, angle)) == pytest.approx(angle, abs=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1.0, np.pi])
def test_angle_between(angle):
    assert g.angle_between([2, 0, 0], [3 * np.cos(angle), 3 * np.sin(angle), 0]) == pytest.approx(
        angle, abs=1e-12
    )
    assert np.isnan(g.angle_between([0, 0, 0], [1, 0, 0]))


def test_pose_errors_do_not_fold_the_sign_of_the_translation():
    T_true = g.make_transform(np.eye(3), [1, 0, 0])
    T_wrong = g.make_transform(g.rotation_about([0, 1, 0], 0.3), [-2, 0, 0])
    assert g.pose_errors(T_wrong, T_true) == pytest.approx((0.3, np.pi))


def test_nearest_rotation_is_never_a_reflection():
    R = g.nearest_rotation(np.diag([1.0, 1.0, -0.1]))
    assert np.linalg.det(R) == pytest.approx(1)
    with pytest.raises(ValueError, match="not finite"):
        g.nearest_rotation(np.full((3, 3), np.nan))


@pytest.mark.parametrize("quat", [[0, 0, 0, 0], [np.nan, 0, 0, 1]])
def test_a_quaternion_that_is_no_rotation_is_refused(quat):
    with pytest.raises(ValueError, match="not a rotation"):
        g.rotation_from_quat_xyzw(quat)


@given(transforms)
def test_inverse_undoes(T):
    assert g.inverse(T) @ T == pytest.approx(np.eye(4), abs=1e-9)
    assert g.is_transform(T)


@given(transforms)
def test_quaternion_round_trip(T):
    R = T[:3, :3]
    quat = g.quat_xyzw_from_rotation(R)
    assert g.rotation_from_quat_xyzw(quat) == pytest.approx(R, abs=1e-7)
    assert quat[3] >= 0


@given(transforms, transforms)
def test_interpolation_begins_at_one_pose_and_ends_at_the_other(T_a_b, T_a_c):
    assert g.interpolate(T_a_b, T_a_c, 0.0) == pytest.approx(T_a_b, abs=1e-9)
    assert g.interpolate(T_a_b, T_a_c, 1.0) == pytest.approx(T_a_c, abs=1e-7)


def test_half_of_a_quarter_turn_is_an_eighth():
    T_a_c = g.make_transform(g.rotation_about([0, 0, 1], np.pi / 2), [4, 0, -2])
    half = g.interpolate(np.eye(4), T_a_c, 0.5)
    assert half == pytest.approx(
        g.make_transform(g.rotation_about([0, 0, 1], np.pi / 4), [2, 0, -1])
    )


def test_is_transform_refuses_what_is_not_rigid():
    scaled = np.diag([2.0, 2.0, 2.0, 1.0])
    mirrored = np.diag([1.0, 1.0, -1.0, 1.0])
    assert not g.is_transform(scaled)
    assert not g.is_transform(mirrored)
    assert not g.is_transform(np.full((4, 4), np.nan))
