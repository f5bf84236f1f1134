# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading TF, and keeping the frames we broadcast ours."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription
from rclpy.time import Time
from tf2_msgs.msg import TFMessage
from tf2_ros import Buffer, TransformBroadcaster, TransformException, TransformListener

from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.inference.messages import stamp_nanoseconds
from geloc3r_ros.nodes.poses import transform_from_message

__all__ = ["Frames", "FramesError"]

POLL_SECONDS = 0.005
OWN_REMEMBERED = 200
LARGEST = 1e9  # metres
KEPT = Duration(seconds=10)
"""For how long transforms are kept; of a child, tf2 takes none that is older than its newest by so
much, and tells nobody."""


class FramesError(GeLoc3rError):
    """A transform that is needed is not in TF."""


class Frames:
    """Broadcasts transforms, reads others, and tells whose child a frame already is.

    tf2 keeps two parents of one frame without a word, and the tree flickers. So every transform on
    /tf and /tf_static that is not one of ours is remembered by its child. Static ones, which are
    sent once, stay remembered.
    """

    def __init__(self, node: Node, *, lookup: bool) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._own: deque[tuple] = deque(maxlen=OWN_REMEMBERED)
        self._foreign: dict[str, str] = {}
        self._foreign_static: dict[str, str] = {}
        self._newest: dict[str, int] = {}
        self._broadcaster = TransformBroadcaster(node)
        self._tf_watch = node.create_subscription(
            TFMessage, "/tf", self._hear, QoSProfile(depth=100)
        )
        self._static_watch = self._watch_static()
        self._buffer = Buffer(KEPT) if lookup else None
        self._listener = TransformListener(self._buffer, node) if lookup else None

    def destroy(self) -> None:
        """Remove the subscriptions and the publisher."""
        for watch in (self._tf_watch, self._static_watch):
            self._node.destroy_subscription(watch)
        if self._listener is not None:
            self._listener.unregister()
        self._node.destroy_publisher(self._broadcaster.pub_tf)

    def reset(self) -> None:
        """Forget who else broadcasts what, and the transforms but for static ones."""
        self._node.destroy_subscription(self._static_watch)
        with self._lock:
            self._foreign.clear()
            self._foreign_static.clear()
        # To a new subscription, those who still broadcast a static transform send it again.
        self._static_watch = self._watch_static()
        self.clear_buffer()

    def clear_buffer(self) -> None:
        """Forget the transforms of the pass before; static ones hold in every pass."""
        with self._lock:
            self._newest.clear()
        if self._buffer is not None:
            self._buffer.clear()

    def broadcast(self, transform: TransformStamped) -> None:
        """Send a transform of ours."""
        with self._lock:
            self._own.append(_key(transform))
        self._broadcaster.sendTransform(transform)

    def foreign_parent(self, child: str) -> str:
        """The parent that someone else gives to ``child``, or ""."""
        with self._lock:
            return self._foreign_static.get(child, self._foreign.get(child, ""))

    def transform(self, target: str, source: str, stamp: int, timeout: float) -> npt.NDArray:
        """``T_target_source`` (4, 4) at a stamp in nanoseconds; waits up to ``timeout`` seconds.

        The wait is by the steady clock: under a simulated time that stands still it ends too.

        Raises:
            FramesError: if TF does not have it by then.
        """
        assert self._buffer is not None, "made without lookup"
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
                return _checked(transform_from_message(found.transform), target, source)
            except (TransformException, ValueError) as error:
                if time.monotonic() >= deadline:
                    raise FramesError(
                        f"no transform {target} <- {source} within {timeout:g} s: {error}"
                    ) from error
            time.sleep(POLL_SECONDS)

    def _watch_static(self) -> Subscription:
        qos = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return self._node.create_subscription(TFMessage, "/tf_static", self._hear_static, qos)

    def _hear(self, message: TFMessage) -> None:
        fell = False
        with self._lock:
            for child, parent, stamp in self._others(message):
                self._foreign[child] = parent
                # A message of the pass before may come after the buffer was cleared for a new
                # one. Then tf2 takes nothing of the new pass, unless it is cleared again.
                fell |= stamp < self._newest.get(child, stamp) - KEPT.nanoseconds
                self._newest[child] = stamp
        if fell:
            self.clear_buffer()

    def _hear_static(self, message: TFMessage) -> None:
        with self._lock:
            self._foreign_static.update({c: parent for c, parent, _ in self._others(message)})

    def _others(self, message: TFMessage) -> Iterator[tuple[str, str, int]]:
        """Child, parent and stamp of each transform that is none of ours."""
        for transform in message.transforms:
            if _key(transform) not in self._own:
                header = transform.header
                child, parent = transform.child_frame_id, header.frame_id
                yield child.lstrip("/"), parent.lstrip("/"), stamp_nanoseconds(header.stamp)


def _checked(T_target_source: npt.NDArray, target: str, source: str) -> npt.NDArray:
    """A transform with which one can compute; tf2 takes infinite translations.

    Raises:
        FramesError: if it is none.
    """
    if not (np.abs(T_target_source) <= LARGEST).all():
        raise FramesError(
            f"the transform {target} <- {source} has numbers beyond {LARGEST:g} or not finite: "
            f"{T_target_source[:3, 3].tolist()}; mend its broadcaster"
        )
    return T_target_source


def _key(transform: TransformStamped) -> tuple:
    t = transform.transform.translation
    stamp = stamp_nanoseconds(transform.header.stamp)
    return (transform.child_frame_id, transform.header.frame_id, stamp, t.x, t.y, t.z)
