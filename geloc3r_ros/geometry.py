# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms on numpy arrays.

Convention: ``T_a_b`` (4, 4) maps points of frame b into frame a, ``X_a = T_a_b @ X_b``. It is the
pose of b in a; in tf2 terms the parent is a and the child is b. ``R_a_b`` (3, 3) and ``t_a_b``
(3,) are its parts. Angles are radians; quaternions are ordered x, y, z, w and say so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from transforms3d import axangles, quaternions

__all__ = [
    "angle_between",
    "interpolate",
    "inverse",
    "is_transform",
    "make_transform",
    "nearest_rotation",
    "pose_errors",
    "quat_xyzw_from_rotation",
    "rotation_about",
    "rotation_angle",
    "rotation_from_quat_xyzw",
    "skew",
]

Array = npt.NDArray[np.float64]


def make_transform(R_a_b: npt.ArrayLike, t_a_b: npt.ArrayLike) -> Array:
    """Build ``T_a_b`` (4, 4) from a rotation (3, 3) and a translation (3,)."""
    T_a_b = np.eye(4)
    T_a_b[:3, :3] = R_a_b
    T_a_b[:3, 3] = t_a_b
    return T_a_b


def inverse(T_a_b: Array) -> Array:
    """Return ``T_b_a`` (4, 4)."""
    R_b_a = T_a_b[:3, :3].T
    return make_transform(R_b_a, -R_b_a @ T_a_b[:3, 3])


def is_transform(T: Array, tolerance: float = 1e-6) -> bool:
    """Whether ``T`` (4, 4) is finite and rigid: R orthonormal, det R = 1, last row 0 0 0 1."""
    if T.shape != (4, 4) or not np.isfinite(T).all():
        return False
    R = T[:3, :3]
    return bool(
        np.abs(R @ R.T - np.eye(3)).max() < tolerance
        and np.linalg.det(R) > 0
        and np.array_equal(T[3], [0.0, 0.0, 0.0, 1.0])
    )


def rotation_about(axis: npt.ArrayLike, angle: float) -> Array:
    """Rotation (3, 3) by ``angle`` radians about ``axis`` (3,), right-handed."""
    return np.asarray(axangles.axangle2mat(np.asarray(axis, float), angle))


def nearest_rotation(M: Array) -> Array:
    """Return the rotation (3, 3) that is nearest to ``M`` (3, 3) in the Frobenius norm.

    Raises:
        ValueError: if ``M`` is not finite.
    """
    if not np.isfinite(M).all():
        raise ValueError(f"no rotation is nearest to a matrix that is not finite: {M.tolist()}")
    U, _, Vt = np.linalg.svd(M)
    return np.asarray(U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt)


def interpolate(T_a_b: Array, T_a_c: Array, share: float) -> Array:
    """Pose (4, 4) at a share, 0 to 1, of the way from b to c.

    The translation moves on a line, the rotation on the shortest arc at a steady rate (SLERP).
    """
    R_b_c = T_a_b[:3, :3].T @ T_a_c[:3, :3]
    angle = rotation_angle(R_b_c)
    axis = quat_xyzw_from_rotation(R_b_c)[:3]
    turn = rotation_about(axis, share * angle) if axis.any() else np.eye(3)
    t = (1.0 - share) * T_a_b[:3, 3] + share * T_a_c[:3, 3]
    return make_transform(T_a_b[:3, :3] @ turn, t)


def rotation_angle(R: Array) -> float:
    """Angle of a rotation (3, 3), in [0, pi]; exact near 0 and pi, where arccos is not."""
    sine = np.linalg.norm([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2.0
    return float(np.arctan2(sine, (np.trace(R) - 1.0) / 2.0))


def angle_between(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Angle between two vectors (3,), in [0, pi]; NaN where one has no length."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if not (np.any(a) and np.any(b)):
        return float("nan")
    return float(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b))


def pose_errors(T_estimated: Array, T_true: Array) -> tuple[float, float]:
    """Rotation error and translation-direction error between two poses, in radians.

    The sign of the translation is not folded: the opposite direction is an error of pi.
    """
    return (
        rotation_angle(T_estimated[:3, :3] @ T_true[:3, :3].T),
        angle_between(T_estimated[:3, 3], T_true[:3, 3]),
    )


def quat_xyzw_from_rotation(R: Array) -> Array:
    """Unit quaternion (x, y, z, w) with w >= 0 of a rotation (3, 3)."""
    w, x, y, z = quaternions.mat2quat(R)
    return np.array([x, y, z, w])


def rotation_from_quat_xyzw(quat_xyzw: npt.ArrayLike) -> Array:
    """Rotation (3, 3) of a quaternion (x, y, z, w), which need not have unit length.

    Raises:
        ValueError: if the quaternion has no length or is not finite.
    """
    x, y, z, w = np.asarray(quat_xyzw, float)
    length = float(np.linalg.norm([x, y, z, w]))
    if not np.isfinite(length) or length < 1e-6:
        raise ValueError(f"quaternion (x, y, z, w) = ({x}, {y}, {z}, {w}) is not a rotation")
    return np.asarray(quaternions.quat2mat([w, x, y, z]))


def skew(v: npt.ArrayLike) -> Array:
    """Return the matrix (3, 3) with ``skew(v) @ u == cross(v, u)``."""
    x, y, z = np.asarray(v, float)
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
