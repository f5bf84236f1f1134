# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms as a unit quaternion and a translation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Transform
from transforms3d.quaternions import qconjugate, qmult, qpow, rotate_vector

__all__ = ["IDENTITY", "Rigid", "interpolate"]

Array = npt.NDArray[np.float64]

UNIT_TOLERANCE = 0.01
"""How far from 1 the square of a quaternion's length may be; tf2's."""


class Rigid(NamedTuple):
    """Pose of frame b in frame a: ``X_a = R(quat_wxyz) X_b + translation``."""

    quat_wxyz: Array
    translation: Array

    def __matmul__(self, T_b_c: Rigid) -> Rigid:
        """Chain T_a_b, this one, with T_b_c."""
        return Rigid(
            qmult(self.quat_wxyz, T_b_c.quat_wxyz),
            rotate_vector(T_b_c.translation, self.quat_wxyz) + self.translation,
        )

    def inverse(self) -> Rigid:
        """Pose of frame a in frame b."""
        quat_wxyz = qconjugate(self.quat_wxyz)
        return Rigid(quat_wxyz, rotate_vector(-self.translation, quat_wxyz))

    @classmethod
    def from_msg(cls, msg: Transform) -> Rigid:
        """Read a message.

        Raises:
            ValueError: if it is not finite, or its quaternion is not of unit length, to the
                tolerance that tf2 has.
        """
        r, t = msg.rotation, msg.translation
        quat_wxyz, translation = np.array([r.w, r.x, r.y, r.z]), np.array([t.x, t.y, t.z])
        square = quat_wxyz @ quat_wxyz
        if not (abs(square - 1.0) < UNIT_TOLERANCE and np.isfinite(translation).all()):
            raise ValueError(f"it is not a rigid transform: {msg}")
        return cls(quat_wxyz / np.sqrt(square), translation)

    def to_msg(self) -> Transform:
        """Write a message."""
        msg = Transform()
        msg.translation.x, msg.translation.y, msg.translation.z = map(float, self.translation)
        r = msg.rotation
        r.w, r.x, r.y, r.z = map(float, self.quat_wxyz / np.linalg.norm(self.quat_wxyz))
        return msg


IDENTITY = Rigid(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3))


def interpolate(first: Rigid, second: Rigid, ratio: float) -> Rigid:
    """Pose at ``ratio`` in [0, 1] of the way: slerp the short way round, and linear."""
    turn = qmult(qconjugate(first.quat_wxyz), second.quat_wxyz)
    if turn[0] < 0.0:
        turn = -turn
    return Rigid(
        qmult(first.quat_wxyz, qpow(turn, ratio)),
        (1.0 - ratio) * first.translation + ratio * second.translation,
    )
