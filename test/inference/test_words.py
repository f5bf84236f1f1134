# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses in words: the signs of optical axes, spelt out."""

import numpy as np
import pytest

from geloc3r_ros.geometry import make_transform, rotation_about
from geloc3r_ros.inference.words import in_words, yaw_pitch_roll

X, Y, Z = np.eye(3)


@pytest.mark.parametrize(
    ("t", "where"),
    [
        (X, "to the right of A"),
        (-X, "to the left of A"),
        (Y, "below A"),
        (-Y, "above A"),
        (Z, "ahead of A"),
        (-Z, "behind A"),
        (0.8 * X - 0.6 * Z, "to the right of and behind A"),
        (0.3 * X + 0.95 * Z, "ahead of A"),
    ],
)
def test_where(t, where):
    assert in_words(make_transform(np.eye(3), t)) == f"Camera B is {where} and looks the same way."


@pytest.mark.parametrize(
    ("R", "looks"),
    [
        (rotation_about(Y, np.radians(10)), "looks 10.0° to the right."),
        (rotation_about(Y, np.radians(-3.21)), "looks 3.2° to the left."),
        (rotation_about(X, np.radians(5)), "looks 5.0° up."),
        (rotation_about(X, np.radians(-5)), "looks 5.0° down."),
        (rotation_about(Z, np.radians(8)), "looks the same way, rolled 8.0° clockwise."),
        (rotation_about(Y, 0.2) @ rotation_about(X, 0.1), "looks 11.5° to the right and 5.7° up."),
    ],
)
def test_looks(R, looks):
    assert in_words(make_transform(R, Z)) == f"Camera B is ahead of A and {looks}"


def test_a_camera_that_looks_right_sees_what_is_to_the_right():
    # Positive yaw: the axis of camera 2 points to +x of camera 1.
    R_1_2 = rotation_about(Y, 0.3)
    assert (R_1_2 @ Z)[0] > 0
    assert yaw_pitch_roll(R_1_2) == pytest.approx((0.3, 0, 0))


def test_no_direction():
    words = in_words(np.eye(4))
    assert words == "Camera B stands in an unknown direction from A and looks the same way."
