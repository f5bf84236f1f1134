# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses at given stamps, out of poses that were told at others.

Stamps are nanoseconds, so differences are exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array, interpolate

__all__ = ["PosesAt", "Stamps"]

Stamps = npt.NDArray[np.int64]

BEFORE, AFTER = 0, 1
NEVER = np.iinfo(np.int64).max // 4


class PosesAt:
    """Keeps, for each stamp asked for, the poses that stream by next to it, before and after.

    Memory grows with the stamps asked for, not with the poses; these may come in any order.

    Args:
        stamps: asked for (N,), in order, each once.
        tolerance: a single pose further away than this is none, nanoseconds.
        gap: two poses further apart than this are not interpolated between, nanoseconds.
    """

    def __init__(self, stamps: Stamps, tolerance: int, gap: int) -> None:
        if (np.diff(stamps) <= 0).any():
            raise ValueError("the stamps asked for must increase")
        self._stamps, self._tolerance, self._gap = stamps, tolerance, gap
        self._poses = np.full((2, len(stamps), 4, 4), np.nan)
        self._offsets = np.full((2, len(stamps)), NEVER)

    def add(self, stamp: int, T: Array) -> None:
        """Take in a pose (4, 4); of two at one stamp, the first stays."""
        reach = max(self._tolerance, self._gap)
        first = int(np.searchsorted(self._stamps, stamp - reach))
        middle = int(np.searchsorted(self._stamps, stamp))
        last = int(np.searchsorted(self._stamps, stamp + reach, "right"))
        for side, begin, end in ((AFTER, first, middle), (BEFORE, middle, last)):
            offsets = np.abs(self._stamps[begin:end] - stamp)
            nearer = begin + np.flatnonzero(offsets < self._offsets[side, begin:end])
            self._poses[side, nearer] = T
            self._offsets[side, nearer] = offsets[nearer - begin]

    def poses(self) -> Array:
        """Poses (N, 4, 4) at the stamps; NaN where there is none.

        Where one came at that very stamp, it is that one. Between two that are no further apart
        than the gap it is interpolated: the translation on a line, the rotation on the shortest
        arc. Elsewhere it is the nearest within the tolerance.
        """
        before, after = self._offsets
        poses = np.where((before <= after)[:, None, None], *self._poses)
        poses[np.minimum(before, after) > self._tolerance] = np.nan
        for i in np.flatnonzero((before > 0) & (before + after <= self._gap)):
            share = before[i] / (before[i] + after[i])
            poses[i] = interpolate(self._poses[BEFORE, i], self._poses[AFTER, i], share)
        return poses
