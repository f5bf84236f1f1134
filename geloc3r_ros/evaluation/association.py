# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which poses belong to which stamps: the nearest in time, within a tolerance.

Stamps are nanoseconds, so differences are exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array

__all__ = ["NearestPoses", "Stamps"]

Stamps = npt.NDArray[np.int64]


class NearestPoses:
    """Keeps, for each stamp asked for, the nearest of all poses that stream by.

    Memory grows with the stamps asked for, not with the poses; these may come in any order.

    Args:
        stamps: asked for (N,), in order, each once.
        tolerance: a pose further away than this is none, nanoseconds.

    Attributes:
        poses: nearest poses (N, 4, 4); NaN where none came within the tolerance.
        offsets: how far away each is (N,), nanoseconds; above the tolerance where there is none.
    """

    def __init__(self, stamps: Stamps, tolerance: int) -> None:
        if (np.diff(stamps) <= 0).any():
            raise ValueError("the stamps asked for must increase")
        self._stamps, self._tolerance = stamps, tolerance
        self.poses = np.full((len(stamps), 4, 4), np.nan)
        self.offsets = np.full(len(stamps), tolerance + 1, np.int64)

    def add(self, stamp: int, T: Array) -> None:
        """Take in a pose (4, 4); of two that are equally near, the first stays."""
        first = int(np.searchsorted(self._stamps, stamp - self._tolerance))
        last = int(np.searchsorted(self._stamps, stamp + self._tolerance, "right"))
        offsets = np.abs(self._stamps[first:last] - stamp)
        nearer = first + np.flatnonzero(offsets < self.offsets[first:last])
        self.poses[nearer] = T
        self.offsets[nearer] = np.abs(self._stamps[nearer] - stamp)
