# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the Python side of message_filters where no ROS distribution is installed.

Names, signatures and behaviour are those of the real package, as far as they are here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from threading import Lock
from typing import Any

from rclpy.clock import ROSClock
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time

__all__ = ["ApproximateTimeSynchronizer", "SimpleFilter", "Subscriber", "TimeSynchronizer"]


class SimpleFilter:
    """Hands messages on to the callbacks registered with it."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., None], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:
        """Call ``cb(*messages, *args)`` from now on; return the key in ``callbacks``."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:
        """Hand messages on."""
        for cb, args in self.callbacks.values():
            cb(*msg, *args)


class Subscriber(SimpleFilter):
    """Hands on the messages of a topic; takes the arguments of ``Node.create_subscription``.

    The callback is left out, and ``qos_profile``, a keyword, is 10 unless given.
    """

    def __init__(self, node: Node, msg_type: type, topic: str, **options: Any) -> None:
        super().__init__()
        self.node = node
        self.topic = topic
        options.setdefault("qos_profile", 10)
        self.sub = node.create_subscription(msg_type, topic, self.signalMessage, **options)

    def getTopic(self) -> str:
        """Topic as given, before any remapping."""
        return self.topic


class TimeSynchronizer(SimpleFilter):
    """Hands on one message of each filter in ``fs``, all with the same stamp.

    Up to ``queue_size`` messages of each filter wait for partners; those with the oldest stamps
    make room. The callbacks run under a lock, one set after the other.
    """

    def __init__(self, fs: Sequence[SimpleFilter], queue_size: int) -> None:
        super().__init__()
        self.queue_size = queue_size
        self.lock = Lock()
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:
        """Take messages from these filters."""
        self.queues: list[dict[int, Any]] = [{} for _ in fs]
        self.input_connections = [
            f.registerCallback(self.add, queue, index)
            for index, (f, queue) in enumerate(zip(fs, self.queues, strict=True))
        ]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int) -> None:
        """Queue a message; hand on the sets that it completes."""
        with self.lock:
            self._enqueue(_stamp(msg), msg, my_queue)
            for stamp in sorted(set.intersection(*map(set, self.queues))):
                self._hand_on([stamp] * len(self.queues))

    def _enqueue(self, stamp: int, msg: Any, queue: dict[int, Any]) -> None:
        queue[stamp] = msg
        while len(queue) > self.queue_size:
            del queue[min(queue)]

    def _hand_on(self, stamps: Sequence[int]) -> None:
        """Take the message with the given stamp out of each queue and hand on the set."""
        self.signalMessage(
            *(queue.pop(stamp) for queue, stamp in zip(self.queues, stamps, strict=True))
        )


class ApproximateTimeSynchronizer(TimeSynchronizer):
    """Hands on one message of each filter, with stamps less than ``slop`` seconds apart.

    A message is matched when it comes in, with the nearest that wait in the other queues.
    ``allow_headerless`` gives messages without a stamp the time they come in at; otherwise they
    are dropped with a warning.
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        queue_size: int,
        slop: float,
        allow_headerless: bool = False,
    ) -> None:
        super().__init__(fs, queue_size)
        self.slop = Duration(seconds=slop)
        self.allow_headerless = allow_headerless

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int) -> None:
        """Queue a message; hand on the best set it completes, if it completes one."""
        if hasattr(msg, "header") and hasattr(msg.header, "stamp"):
            stamp = _stamp(msg)
        elif self.allow_headerless:
            stamp = ROSClock().now().nanoseconds
        else:
            get_logger("message_filters").warning(
                f"Dropping a {type(msg).__name__}: it has no stamp to synchronise by, and "
                "allow_headerless is False"
            )
            return
        with self.lock:
            self._enqueue(stamp, msg, my_queue)
            if stamp in my_queue and (stamps := self._best_match(stamp, my_queue_index)):
                self._hand_on(stamps)

    def _best_match(self, stamp: int, index: int) -> tuple[int, ...] | None:
        """Stamps of a set, one a queue, with ``stamp`` that of queue ``index``."""
        slop = self.slop.nanoseconds
        candidates = [
            [stamp]
            if i == index
            else sorted((s for s in queue if abs(s - stamp) < slop), key=lambda s: abs(s - stamp))
            for i, queue in enumerate(self.queues)
        ]
        return next((s for s in product(*candidates) if max(s) - min(s) < slop), None)


def _stamp(msg: Any) -> int:
    """Stamp in the header of a message, in nanoseconds."""
    return Time.from_msg(msg.header.stamp).nanoseconds
