# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A moving frame over time, between whose known poses others are interpolated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import cv2

from geloc3r_ros.geometry import Array, inverse, make_transform
from geloc3r_training.data.sample import DataError

__all__ = ["PoseTrack"]


class PoseTrack:
    """Poses T_a_b (4, 4) by stamp in nanoseconds.

    Raises:
        DataError: if there are none.
    """

    def __init__(self, poses: Mapping[int, Array]) -> None:
        if not poses:
            raise DataError("there is no pose in the source of poses")
        self._stamps = sorted(poses)
        self._poses = [poses[stamp] for stamp in self._stamps]

    def at(self, stamp: int, max_gap: int) -> Array:
        """Pose at a stamp: turning and moving evenly between the two poses next to it.

        Raises:
            DataError: if they are more than ``max_gap`` ns apart, or the stamp is outside.
        """
        after = bisect_left(self._stamps, stamp)
        if after < len(self._stamps) and self._stamps[after] == stamp:
            return self._poses[after]
        if after in (0, len(self._stamps)):
            raise DataError("there is no pose of its time")
        begin, end = self._stamps[after - 1], self._stamps[after]
        if end - begin > max_gap:
            raise DataError(f"the poses around it are {(end - begin) / 1e9:.3g} s apart")
        return between(self._poses[after - 1], self._poses[after], (stamp - begin) / (end - begin))


def between(T_a_b: Array, T_a_c: Array, share: float) -> Array:
    """Pose (4, 4) after a share of the way from b to c."""
    turn = cv2.Rodrigues((inverse(T_a_b) @ T_a_c)[:3, :3])[0]
    R = T_a_b[:3, :3] @ cv2.Rodrigues(turn * share)[0]
    return make_transform(R, T_a_b[:3, 3] + share * (T_a_c[:3, 3] - T_a_b[:3, 3]))
