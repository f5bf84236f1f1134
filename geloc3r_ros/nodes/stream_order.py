# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tells a new pass of the streams (a bag that loops, a clock set back) from the pass before."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

__all__ = ["Arrival", "StreamOrder"]

# How long messages of the pass before may trickle in behind the first of the new pass.
LEFTOVER_SECONDS = 1.0
# Streams of one pass are this close to each other.
TOGETHER_NANOSECONDS = 500_000_000


class Arrival(enum.Enum):
    """What a message means for the synchroniser."""

    IN_ORDER = "in order"
    NEW_PASS = "its stamp fell: a new pass begins with it"
    LEFTOVER = "belongs to the pass before"


class StreamOrder:
    """Watches the stamps of several streams.

    Streams fall back one after the other. The first that falls begins the new pass; what the
    others still deliver of the old one is left over, until each of them falls too. So the first
    set of the new pass is complete, whatever the order of arrival.
    """

    def __init__(self, steady_seconds: Callable[[], float] = time.monotonic) -> None:
        self._now = steady_seconds
        self._last: dict[str, int] = {}
        self._previous: dict[str, int] = {}
        self._fell_at = float("-inf")

    def arrive(self, stream: str, stamp: int) -> Arrival:
        """Take the stamp (nanoseconds) of the next message of a stream."""
        last = self._last.get(stream)
        if last is not None and stamp < last:
            self._begin_pass()
            del self._previous[stream]
            self._last[stream] = stamp
            return Arrival.NEW_PASS
        if self._is_leftover(stream, stamp):
            self._previous[stream] = stamp
            return Arrival.LEFTOVER
        self._previous.pop(stream, None)
        self._last[stream] = stamp
        return Arrival.IN_ORDER

    def clock_fell(self) -> bool:
        """Begin a new pass because the clock fell; False where a stream already began it."""
        if self._now() - self._fell_at < LEFTOVER_SECONDS:
            return False
        self._begin_pass()
        return True

    def clear(self) -> None:
        """Forget all stamps."""
        self._last, self._previous = {}, {}

    def _begin_pass(self) -> None:
        self._previous = {**self._previous, **self._last}
        self._last = {}
        self._fell_at = self._now()

    def _is_leftover(self, stream: str, stamp: int) -> bool:
        if stream not in self._previous or self._now() - self._fell_at > LEFTOVER_SECONDS:
            return False
        newest = max(self._last.values(), default=None)
        with_the_new = newest is not None and stamp <= newest + TOGETHER_NANOSECONDS
        return stamp >= self._previous[stream] and not with_the_new
