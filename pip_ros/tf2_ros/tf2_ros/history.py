# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where one frame was in its parent, over time. Stamps are nanoseconds; 0 asks for the newest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from tf2_ros.exceptions import ExtrapolationException
from tf2_ros.rigid import Rigid, interpolate

__all__ = ["Edge", "FixedPose", "History"]


class Edge(NamedTuple):
    """A parent frame, and the pose of the child in it."""

    parent: str
    pose: Rigid


class FixedPose:
    """A static transform: the same at all times."""

    newest_stamp = 0

    def __init__(self, edge: Edge) -> None:
        self.edge = edge

    def at(self, stamp: int) -> Edge:
        """Return the edge, whatever the time."""
        return self.edge


class History:
    """The edges of the last ``duration`` nanoseconds up to the newest; never empty once filled."""

    def __init__(self, duration: int) -> None:
        self._duration = duration
        self._stamps: list[int] = []
        self._edges: list[Edge] = []

    @property
    def newest_stamp(self) -> int:
        """Stamp of the newest edge."""
        return self._stamps[-1]

    def insert(self, stamp: int, edge: Edge) -> bool:
        """Store an edge, in the place of one with the same stamp; False if it is too old.

        As in tf2, edges that have expired go when the next one comes.
        """
        if self._stamps:
            oldest_kept = self.newest_stamp - self._duration
            expired = bisect_left(self._stamps, oldest_kept)
            del self._stamps[:expired], self._edges[:expired]
            if stamp < oldest_kept:
                return False
        place = bisect_left(self._stamps, stamp)
        same = place < len(self._stamps) and self._stamps[place] == stamp
        self._stamps[place : place + same] = [stamp]
        self._edges[place : place + same] = [edge]
        return True

    def at(self, stamp: int) -> Edge:
        """Edge at ``stamp``, interpolated between its neighbours if they have one parent.

        Raises:
            ExtrapolationException: if ``stamp`` is before the oldest or after the newest.
        """
        if stamp == 0:
            return self._edges[-1]
        oldest, newest = self._stamps[0], self._stamps[-1]
        if not oldest <= stamp <= newest:
            raise ExtrapolationException(_out_of_range(stamp, oldest, newest))
        after = bisect_right(self._stamps, stamp)
        before = after - 1
        first = self._edges[before]
        if self._stamps[before] == stamp or self._edges[after].parent != first.parent:
            return first
        ratio = (stamp - self._stamps[before]) / (self._stamps[after] - self._stamps[before])
        return Edge(first.parent, interpolate(first.pose, self._edges[after].pose, ratio))


def _out_of_range(stamp: int, oldest: int, newest: int) -> str:
    """Say how ``stamp`` lies outside the stamps stored."""
    if oldest == newest:
        return (
            f"Lookup would require extrapolation at time {_seconds(stamp)}, "
            f"but only time {_seconds(newest)} is in the buffer"
        )
    where, what, limit = (
        ("past", "earliest", oldest) if stamp < oldest else ("future", "latest", newest)
    )
    return (
        f"Lookup would require extrapolation into the {where}. Requested time "
        f"{_seconds(stamp)} but the {what} data is at time {_seconds(limit)}"
    )


def _seconds(stamp: int) -> str:
    return f"{stamp // 10**9}.{stamp % 10**9:09d}"
