# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The buffer of transforms."""

from __future__ import annotations

from itertools import chain, takewhile
from threading import Condition
from time import monotonic

from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import TransformStamped
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time

from tf2_ros.exceptions import (
    ConnectivityException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.history import Edge, FixedPose, History
from tf2_ros.rigid import IDENTITY, Rigid

__all__ = ["Buffer"]

DEFAULT_CACHE_TIME = Duration(seconds=10)
NO_WAIT = Duration()


class Buffer:
    """Trees of frames over time. All methods may be called from any thread.

    Args:
        cache_time: for how long transforms are kept, 10 s unless given.
        node: its clock clears the buffer when it jumps back.
    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        self._cache_time = (cache_time or DEFAULT_CACHE_TIME).nanoseconds
        self._frames: set[str] = set()
        self._histories: dict[str, History | FixedPose] = {}
        self._changed = Condition()
        if node is not None:
            self._jump_handle = node.get_clock().create_jump_callback(
                JumpThreshold(
                    min_forward=None, min_backward=Duration(seconds=-1), on_clock_change=True
                ),
                post_callback=self._clear_after_jump,
            )

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform; one that cannot be used is logged under ``authority`` and dropped."""
        if (edge := _edge(transform, authority)) is None:
            return
        child = transform.child_frame_id.removeprefix("/")
        stamp = _nanoseconds(transform.header.stamp)
        with self._changed:
            self._frames |= {child, edge.parent}
            history = self._histories.get(child)
            if not isinstance(history, History):
                history = self._histories[child] = History(self._cache_time)
            if history.insert(stamp, edge):
                self._changed.notify_all()
            else:
                get_logger("tf2").warning(
                    f"TF_OLD_DATA: dropping the transform of {child} at {stamp} ns from "
                    f"{authority}: older than the newest one by more than the cache time"
                )

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform that holds at all times, in the place of all others of its child."""
        if (edge := _edge(transform, authority)) is None:
            return
        child = transform.child_frame_id.removeprefix("/")
        with self._changed:
            self._frames |= {child, edge.parent}
            self._histories[child] = FixedPose(edge)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget all transforms but the static ones."""
        with self._changed:
            self._histories = {
                child: history
                for child, history in self._histories.items()
                if isinstance(history, FixedPose)
            }

    def lookup_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time | TimeMsg,
        timeout: Duration = NO_WAIT,
    ) -> TransformStamped:
        """Return the transform that maps points of the source frame into the target frame.

        Args:
            target_frame: becomes ``header.frame_id``: the parent.
            source_frame: becomes ``child_frame_id``.
            time: when; zero is the latest time that all transforms on the way have in common.
            timeout: how long to wait for the transform, blocking this thread.

        Raises:
            TransformException: one of its subclasses, if there is no such transform by then.
        """
        pose, stamp = self._wait_for(target_frame, source_frame, _nanoseconds(time), timeout)
        found = TransformStamped(child_frame_id=source_frame, transform=pose.to_msg())
        found.header.frame_id = target_frame
        found.header.stamp = Time(nanoseconds=stamp).to_msg()
        return found

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time | TimeMsg,
        timeout: Duration = NO_WAIT,
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Whether ``lookup_transform`` would succeed; with the reason if asked for a tuple."""
        error = ""
        try:
            self._wait_for(target_frame, source_frame, _nanoseconds(time), timeout)
        except TransformException as exception:
            error = str(exception)
        return (not error, error) if return_debug_tuple else not error

    def _wait_for(
        self, target: str, source: str, stamp: int, timeout: Duration
    ) -> tuple[Rigid, int]:
        """Look up once, and again whenever a transform comes in, until ``timeout`` is over."""
        deadline = monotonic() + timeout.nanoseconds / 1e9
        with self._changed:
            while True:
                try:
                    return self._lookup(target, source, stamp)
                except TransformException:
                    remaining = deadline - monotonic()
                    if remaining <= 0.0:
                        raise
                    self._changed.wait(remaining)

    def _lookup(self, target: str, source: str, stamp: int) -> tuple[Rigid, int]:
        """T_target_source and its stamp."""
        if target == source:
            return IDENTITY, stamp or self._newest_stamp(target)
        for frame in (target, source):
            self._check(frame)
        common, targets, sources = self._meet(target, source, stamp)
        if stamp == 0:
            way = chain(*(takewhile(lambda f: f != common, poses) for poses in (targets, sources)))
            stamp = min(filter(None, map(self._newest_stamp, way)), default=0)
            common, targets, sources = self._meet(target, source, stamp)
        return targets[common].inverse() @ sources[common], stamp

    def _meet(
        self, target: str, source: str, stamp: int
    ) -> tuple[str, dict[str, Rigid], dict[str, Rigid]]:
        """Nearest common ancestor, and the poses of the target and the source on the way up."""
        targets, target_error = self._ascend(target, stamp)
        sources, source_error = self._ascend(source, stamp)
        for frame in targets:
            if frame in sources:
                return frame, targets, sources
        if error := target_error or source_error:
            raise type(error)(
                f"{error}, when looking up transform from frame [{source}] to frame [{target}]"
            )
        raise ConnectivityException(
            f"Could not find a connection between '{target}' and '{source}' because they are "
            "not part of the same tree. Tf has two or more unconnected trees."
        )

    def _ascend(
        self, frame: str, stamp: int
    ) -> tuple[dict[str, Rigid], TransformException | None]:
        """Pose of a frame in itself and in its ancestors, and what cut the way up short."""
        poses = {frame: IDENTITY}
        while frame in self._histories:
            try:
                parent, pose = self._histories[frame].at(stamp)
            except TransformException as error:
                return poses, error
            if parent in poses:
                loop = " -> ".join([*poses, parent])
                return poses, LookupException(f"The tf tree contains a loop: {loop}")
            poses[parent] = pose @ poses[frame]
            frame = parent
        return poses, None

    def _newest_stamp(self, frame: str) -> int:
        return self._histories[frame].newest_stamp if frame in self._histories else 0

    def _check(self, frame: str) -> None:
        """Raise unless ``frame`` is the id of a frame seen before."""
        if not frame or frame.startswith("/"):
            raise InvalidArgumentException(
                f"Invalid frame id \"{frame}\": it cannot be empty or start with a '/'"
            )
        if frame not in self._frames:
            raise LookupException(f'Frame "{frame}" does not exist: no transform names it')

    def _clear_after_jump(self, jump: TimeJump) -> None:
        get_logger("tf2").warning("Time jumped back: clearing the tf buffer")
        self.clear()


def _nanoseconds(time: Time | TimeMsg) -> int:
    return time.nanoseconds if isinstance(time, Time) else time.sec * 10**9 + time.nanosec


def _edge(transform: TransformStamped, authority: str) -> Edge | None:
    """Parent and pose of a message, or None, logged, if it is not a usable transform."""
    parent = transform.header.frame_id.removeprefix("/")
    child = transform.child_frame_id.removeprefix("/")
    try:
        if not parent or not child or parent == child:
            raise ValueError("parent and child must be two frames")
        return Edge(parent, Rigid.from_msg(transform.transform))
    except ValueError as error:
        get_logger("tf2").error(
            f'Dropping the transform from "{parent}" to "{child}" by {authority}: {error}'
        )
        return None
