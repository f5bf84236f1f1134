# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the images of several cameras to synchronized sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer

from geloc3r_ros.inference.messages import stamp_nanoseconds
from geloc3r_ros.nodes.stream_order import Arrival, StreamOrder

__all__ = ["ImageSet", "Intake"]


@dataclass(frozen=True)
class ImageSet:
    """One image message of each camera, of one instant; ``matched`` on the steady clock."""

    messages: tuple[Any, ...]
    matched: float

    @property
    def stamp(self) -> int:
        """Stamp of the reference image, nanoseconds."""
        return stamp_nanoseconds(self.messages[0].header.stamp)


class Intake:
    """Matches checked image messages by stamp; message_filters does the matching.

    message_filters never forgets a stamp from the future of the present one, so the matcher is
    made anew whenever the streams begin a new pass, which ``on_new_pass`` is told. ``on_set`` must
    not raise: it is called under message_filters' lock.
    """

    def __init__(
        self,
        cameras: tuple[str, ...],
        on_set: Callable[[ImageSet], None],
        on_new_pass: Callable[[], None],
        *,
        exact: bool,
        slop: float,
        queue_size: int,
    ) -> None:
        self._cameras = cameras
        self._on_set, self._on_new_pass = on_set, on_new_pass
        self._exact, self._slop, self._queue_size = exact, slop, queue_size
        self._order = StreamOrder()
        self._filters: dict[str, SimpleFilter] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything received."""
        self._order.clear()
        self._renew()

    def clock_fell(self) -> None:
        """Begin a new pass because the node's clock went back."""
        if self._order.clock_fell():
            self._renew()
            self._on_new_pass()

    def add(self, camera: str, message: Any) -> None:
        """Take one checked image message; a match calls ``on_set`` before this returns."""
        arrival = self._order.arrive(camera, stamp_nanoseconds(message.header.stamp))
        if arrival is Arrival.NEW_PASS:
            self._renew()
            self._on_new_pass()
        if arrival is not Arrival.LEFTOVER:
            self._filters[camera].signalMessage(message)

    def _renew(self) -> None:
        self._filters = {camera: SimpleFilter() for camera in self._cameras}
        filters = list(self._filters.values())
        if self._exact:
            matcher = TimeSynchronizer(filters, self._queue_size)
        else:
            matcher = ApproximateTimeSynchronizer(filters, self._queue_size, self._slop)
        matcher.registerCallback(self._matched)

    def _matched(self, *messages: Any) -> None:
        self._on_set(ImageSet(messages, time.monotonic()))
