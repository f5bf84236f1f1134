# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The truth of a bag: poses from its topics or a TUM file, at the stamps of the predictions.

Every source tells poses of child frames in parent frames. What is asked, ``T_a_b``, follows from
the chain of frames between a and b, each link being interpolated to the stamp asked for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation.association import PosesAt, Stamps
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.evaluation.messages import stamp_of, transform_of
from geloc3r_ros.evaluation.predictions import Predictions
from geloc3r_ros.evaluation.trajectories import read_tum
from geloc3r_ros.geometry import Array, inverse, make_transform, rotation_from_quat_xyzw

__all__ = ["TRUTH_TYPES", "TruthOptions", "check_source", "with_truth"]

TF, TF_STATIC = "/tf", "/tf_static"
UNNAMED = "(fixed)"
"""The fixed frame of a source that does not name it."""


@dataclass(frozen=True, kw_only=True)
class TruthOptions:
    """Where the truth is.

    Attributes:
        source: a topic, ``tf``, or a file in the TUM format.
        tolerance: a single pose further than this from a stamp does not count, seconds.
        gap: poses no further apart than this are interpolated between, seconds.
        moving_frame: the frame whose pose the source tells; where it does not say: that of b.
        fixed_frame: the frame in which the truth of both stamps is compared; by default the
            parent frame of the source.
    """

    source: str
    tolerance: float = 0.02
    gap: float = 0.1
    moving_frame: str = ""
    fixed_frame: str = ""


Ends = tuple[str, str]
"""Parent and child of a link."""


class Link(NamedTuple):
    """The pose of a child frame in its parent at a stamp."""

    stamp: int
    parent: str
    child: str
    T_parent_child: Array


def with_truth(
    predictions: Predictions, bag: BagReader, options: TruthOptions
) -> tuple[Predictions, str]:
    """Return the predictions with their truth, and what went wrong in reading it, or "".

    Raises:
        BagError: if the source cannot be read, or does not link the frames of the predictions.
    """
    check_source(bag, options.source)
    if not len(predictions):
        return predictions, ""
    frame_a, frame_b = Counter(predictions.frames).most_common(1)[0][0]
    source = _Source(bag, options, frame_a, frame_b)
    stamps = np.unique(predictions.stamps)
    tree = _Tree(stamps, round(options.tolerance * 1e9), round(options.gap * 1e9))
    _learn(tree, source)
    root = options.fixed_frame or source.root or tree.top_of(frame_a)
    for frame in (frame_a, frame_b):
        tree.keep(root, frame)
    trouble = ""
    try:
        for link in source.links():
            tree.add(link)
    except BagError as error:
        trouble = str(error)
    at_a, at_b = (np.searchsorted(stamps, column) for column in predictions.stamps.T)
    T_root_a, T_root_b = tree.poses(root, frame_a)[at_a], tree.poses(root, frame_b)[at_b]
    T_a_b = np.array([inverse(A) @ B for A, B in zip(T_root_a, T_root_b, strict=True)])
    return replace(predictions, T_a_b_true=T_a_b), source.faults() or trouble


def _learn(tree: _Tree, source: _Source) -> None:
    """Tell a tree which links there are, so that it keeps no more poses than it needs.

    Raises:
        BagError: if there is none.
    """
    try:
        for link in source.links():
            tree.learn(link)
            if link.stamp >= 0 and source.tells_one_link:
                return
    except BagError:
        if not tree.moving:
            raise
    if source.unusable and not tree.moving:
        raise BagError(source.faults())


def check_source(bag: BagReader, source: str) -> None:
    """Check that there is a truth, without reading it.

    Raises:
        BagError: naming what the bag has, if it is not there or of a wrong type.
    """
    topics = {name: t.type for name, t in bag.topics.items() if t.count}
    kind = topics.get(source)
    if kind is not None and kind not in TRUTH_TYPES:
        raise BagError(
            f"{source} is of type {kind}; the truth is read from {', '.join(TRUTH_TYPES)}, "
            "tf, or a TUM file"
        )
    if source == "tf" and not {TF, TF_STATIC} & set(topics):
        raise BagError(f"{bag.path} has no messages on {TF} or {TF_STATIC}")
    if source != "tf" and kind is None and not Path(source).is_file():
        having = sorted(name for name, kind in topics.items() if kind in TRUTH_TYPES)
        raise BagError(
            f"no truth on {source}: it is no topic of {bag.path} and no file; topics with poses "
            f"are {', '.join(having) or 'none'}"
        )


class _Source:
    """Reads the links that a source, and the bag's static TF, tell; counts those it cannot use."""

    def __init__(self, bag: BagReader, options: TruthOptions, frame_a: str, frame_b: str) -> None:
        self._bag, self._options = bag, options
        self._moving = options.moving_frame or frame_b
        self._topics = {name: t.type for name, t in bag.topics.items() if t.count}
        # A file of poses of b alone: in a where these are two cameras, else in a world.
        self._file_frame = options.fixed_frame or (UNNAMED if frame_a == frame_b else frame_a)
        self.root = frame_a if options.source == "tf" and frame_a != frame_b else ""
        self.tells_one_link = options.source != "tf"
        self.unusable, self._first_fault = 0, ""

    def faults(self) -> str:
        """How many poses could not be used when the links were last read, and why; or ""."""
        if not self.unusable:
            return ""
        return (
            f"the truth: {self.unusable} of its poses cannot be used; the first: "
            f"{self._first_fault}"
        )

    def links(self) -> Iterator[Link]:
        """Yield the links; those that hold always have stamp -1."""
        self.unusable, self._first_fault = 0, ""
        source = self._options.source
        kind = self._topics.get(source, "")
        if TF_STATIC in self._topics:
            for link in self._of_tf(TF_STATIC):
                yield link._replace(stamp=-1)
        if source == "tf":
            if TF in self._topics:
                yield from self._of_tf(TF)
        elif kind:
            for _, message in self._bag.objects([source]):
                for link in self._usable(TRUTH_TYPES[kind], message):
                    self.root = self.root or link.parent
                    yield link
        else:
            self.root = self._file_frame
            for stamp, T in read_tum(Path(source)).items():
                yield Link(stamp, self._file_frame, self._moving, T)

    def _of_tf(self, topic: str) -> Iterator[Link]:
        for _, message in self._bag.objects([topic]):
            for stamped in message.transforms:
                yield from self._usable(_transform_stamped, stamped)

    def _usable(self, read: Callable[[Any, str], Link], message: Any) -> Iterator[Link]:
        """The link of a message, if it is one."""
        try:
            link = read(message, self._moving)
            if not np.isfinite(link.T_parent_child).all():
                raise ValueError("a position that is not finite")
            if link.parent == link.child:
                raise ValueError(
                    f"{link.child!r} is told in itself; say whose it is with --moving-frame"
                )
            yield link
        except ValueError as error:
            self.unusable += 1
            self._first_fault = self._first_fault or str(error)


class _Tree:
    """Frames and the links between them at the stamps asked for."""

    def __init__(self, stamps: Stamps, tolerance: int, gap: int) -> None:
        self._stamps, self._tolerance, self._gap = stamps, tolerance, gap
        self._static: dict[Ends, Array] = {}
        self._kept: dict[Ends, PosesAt] = {}
        self.moving: dict[Ends, None] = {}  # a set that keeps its order

    def learn(self, link: Link) -> None:
        """Take in that there is a link, and its pose where that holds always."""
        if link.stamp < 0:
            self._static[link.parent, link.child] = link.T_parent_child
        else:
            self.moving[link.parent, link.child] = None

    def keep(self, root: str, frame: str) -> None:
        """From now on keep the poses of the links that lead from root to frame.

        Raises:
            BagError: if none do.
        """
        for ends, _ in self._path(root, frame):
            if ends not in self._static and ends not in self._kept:
                self._kept[ends] = PosesAt(self._stamps, self._tolerance, self._gap)

    def add(self, link: Link) -> None:
        """Take in a pose, if it is of a link that is kept."""
        if link.stamp >= 0 and (link.parent, link.child) in self._kept:
            self._kept[link.parent, link.child].add(link.stamp, link.T_parent_child)

    def top_of(self, frame: str) -> str:
        """The root of the tree that a frame is in."""
        parents = {child: parent for parent, child in (*self._static, *self.moving)}
        seen = {frame}
        while (parent := parents.get(frame)) and parent not in seen:
            frame = parent
            seen.add(frame)
        return frame

    def poses(self, root: str, frame: str) -> Array:
        """Poses of a frame in another at the stamps (N, 4, 4); NaN where a link is missing."""
        T = np.tile(np.eye(4), (len(self._stamps), 1, 1))
        for ends, forward in self._path(root, frame):
            step = self._static[ends] if ends in self._static else self._kept[ends].poses()
            T = T @ (step if forward else np.linalg.inv(step))
        return T

    def _path(self, root: str, frame: str) -> list[tuple[Ends, bool]]:
        """Links that lead from root to frame, and whether from parent to child."""
        ways: dict[str, list[tuple[Ends, bool]]] = {root: []}
        ahead = deque([root])
        edges = [*self._static, *self.moving]
        while ahead and frame not in ways:
            here = ahead.popleft()
            for parent, child in edges:
                for start, end in ((parent, child), (child, parent)):
                    if here == start and end not in ways:
                        ways[end] = [*ways[here], ((parent, child), start == parent)]
                        ahead.append(end)
        if frame not in ways:
            links = ", ".join(f"{parent} > {child}" for parent, child in edges) or "nothing"
            raise BagError(
                f"the truth does not lead from {root!r} to {frame!r}; it has {links}. "
                "Name the frame it is of with --moving-frame, or record /tf_static"
            )
        return ways[frame]


def _transform(transform: Any) -> Array:
    t, q = transform.translation, transform.rotation
    return make_transform(rotation_from_quat_xyzw([q.x, q.y, q.z, q.w]), [t.x, t.y, t.z])


def _parent(message: Any) -> str:
    return str(message.header.frame_id).lstrip("/") or UNNAMED


def _transform_stamped(message: Any, moving: str) -> Link:
    child = str(message.child_frame_id).lstrip("/") or moving
    return Link(stamp_of(message), _parent(message), child, _transform(message.transform))


def _pose_stamped(message: Any, moving: str) -> Link:
    return Link(stamp_of(message), _parent(message), moving, transform_of(message.pose))


def _pose_with_covariance(message: Any, moving: str) -> Link:
    return Link(stamp_of(message), _parent(message), moving, transform_of(message.pose.pose))


def _odometry(message: Any, moving: str) -> Link:
    child = str(message.child_frame_id).lstrip("/") or moving
    return Link(stamp_of(message), _parent(message), child, transform_of(message.pose.pose))


TRUTH_TYPES: dict[str, Callable[[Any, str], Link]] = {
    "geometry_msgs/msg/PoseStamped": _pose_stamped,
    "geometry_msgs/msg/PoseWithCovarianceStamped": _pose_with_covariance,
    "nav_msgs/msg/Odometry": _odometry,
    "geometry_msgs/msg/TransformStamped": _transform_stamped,
}
