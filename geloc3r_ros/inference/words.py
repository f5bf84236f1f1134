# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A pose said in words, as someone standing behind camera A would say it."""

from __future__ import annotations

import numpy as np
from transforms3d import euler

from geloc3r_ros.geometry import Array, make_transform, rotation_angle
from geloc3r_ros.inference.pose import PoseEstimate

__all__ = ["claimed", "in_words", "title", "yaw_pitch_roll"]

# A direction counts as "to the right" from about 20 degrees on.
SINE_OF_NOTICEABLE = 0.35
NOTICEABLE_TURN = np.radians(0.5)

PLACES = (("to the right of", "to the left of"), ("below", "above"), ("ahead of", "behind"))
TURNS = (("to the right", "to the left"), ("up", "down"))


def yaw_pitch_roll(R_1_2: Array) -> tuple[float, float, float]:
    """Return the turns that carry camera 1 into camera 2, in radians.

    Positive is: yaw to the right, pitch up, roll clockwise for the one behind the camera;
    ``R_1_2 = R_y(yaw) R_x(pitch) R_z(roll)`` in optical axes.
    """
    yaw, pitch, roll = euler.mat2euler(R_1_2, "ryxz")
    return float(yaw), float(pitch), float(roll)


def claimed(estimate: PoseEstimate) -> Array:
    """``T_1_2`` (4, 4) as far as it is claimed: without translation where no direction is."""
    t = estimate.T_1_2[:3, 3] if estimate.translation_valid else np.zeros(3)
    return make_transform(estimate.T_1_2[:3, :3], t)


def in_words(T_1_2: Array) -> str:
    """Say where camera B (2) stands and looks, seen from camera A (1), in one sentence."""
    t = T_1_2[:3, 3]
    places = [
        PLACES[axis][int(t[axis] < 0)]
        for axis in np.argsort(-np.abs(t))
        if abs(t[axis]) >= SINE_OF_NOTICEABLE * np.linalg.norm(t) > 0
    ]
    yaw, pitch, roll = yaw_pitch_roll(T_1_2[:3, :3])
    turns = [
        f"{np.degrees(abs(angle)):.1f}° {words[int(angle < 0)]}"
        for angle, words in zip((yaw, pitch), TURNS, strict=True)
        if abs(angle) >= NOTICEABLE_TURN
    ]
    where = f"is {' and '.join(places)} A" if places else "stands in an unknown direction from A"
    looks = f"looks {' and '.join(turns)}" if turns else "looks the same way"
    sentence = f"Camera B {where} and {looks}"
    if abs(roll) >= NOTICEABLE_TURN:
        side = "clockwise" if roll > 0 else "counterclockwise"
        sentence += f", rolled {np.degrees(abs(roll)):.1f}° {side}"
    return sentence + "."


def title(estimate: PoseEstimate, weights: str) -> str:
    """Two lines over a picture of the estimate: in words, and in numbers."""
    if not estimate.valid:
        return f"No pose: {estimate.reason}"
    direction = "direction unknown"
    if estimate.translation_valid:
        x, y, z = estimate.T_1_2[:3, 3]
        direction = f"direction ({x:.2f}, {y:.2f}, {z:.2f})"
    rotation, cycle_rotation, cycle_direction = np.degrees(
        [
            rotation_angle(estimate.T_1_2[:3, :3]),
            estimate.cycle_rotation_error,
            estimate.cycle_translation_error,
        ]
    )
    return (
        f"{in_words(claimed(estimate))}\n"
        f"rotation {rotation:.1f}° (cycle error {cycle_rotation:.1f}°), "
        f"{direction} (cycle error {cycle_direction:.1f}°), {weights}"
    )
