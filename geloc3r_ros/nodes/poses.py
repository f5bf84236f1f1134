# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses and their covariances between numpy and geometry_msgs.

A covariance (6, 6) is of the pose's position and of a rotation about the fixed axes of its
header's frame, in the order x y z rotX rotY rotZ.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Pose, Transform

from geloc3r_ros.geometry import (
    make_transform,
    quat_xyzw_from_rotation,
    rotation_from_quat_xyzw,
    skew,
)

__all__ = [
    "move_covariance",
    "pose_message",
    "scale_covariance",
    "transform_from_message",
    "transform_message",
]

Array = npt.NDArray[np.float64]


def pose_message(T_a_b: Array) -> Pose:
    """Pose of b in a, from ``T_a_b`` (4, 4)."""
    message = Pose()
    message.position.x, message.position.y, message.position.z = map(float, T_a_b[:3, 3])
    q, quat_xyzw = message.orientation, quat_xyzw_from_rotation(T_a_b[:3, :3])
    q.x, q.y, q.z, q.w = map(float, quat_xyzw)
    return message


def transform_message(T_a_b: Array) -> Transform:
    """Transform with parent a and child b, from ``T_a_b`` (4, 4)."""
    pose, message = pose_message(T_a_b), Transform()
    message.rotation = pose.orientation
    p = pose.position
    message.translation.x, message.translation.y, message.translation.z = p.x, p.y, p.z
    return message


def transform_from_message(message: Transform) -> Array:
    """``T_parent_child`` (4, 4) of a geometry_msgs/Transform."""
    t, q = message.translation, message.rotation
    return make_transform(rotation_from_quat_xyzw([q.x, q.y, q.z, q.w]), [t.x, t.y, t.z])


def scale_covariance(covariance: Array, length: float) -> Array:
    """Covariance of a pose whose translation is stretched from unit length to ``length``."""
    stretch = np.diag([length] * 3 + [1.0] * 3)
    return stretch @ covariance @ stretch


def move_covariance(covariance: Array, T_A_a: Array, T_a_b: Array, T_b_B: Array) -> Array:
    """Covariance of ``T_A_B = T_A_a @ T_a_b @ T_b_B`` from that of ``T_a_b`` in axes of a.

    The frames A, a and b, B are rigidly joined. A rotation of b also moves B, on its lever arm.
    """
    lever_in_a = T_a_b[:3, :3] @ T_b_B[:3, 3]
    arm = np.eye(6)
    arm[:3, 3:] = -skew(lever_in_a)
    turn = np.kron(np.eye(2), T_A_a[:3, :3])
    J = turn @ arm
    return J @ covariance @ J.T
