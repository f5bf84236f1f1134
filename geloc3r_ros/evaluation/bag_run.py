# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The first step of an evaluation of a bag: predictions, into a file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from geloc3r_ros.errors import BagError, ImageError
from geloc3r_ros.evaluation.bag_images import Shot, Streams
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.evaluation.messages import stamp_of, transform_of
from geloc3r_ros.evaluation.methods import Method
from geloc3r_ros.evaluation.predictions import Prediction, PredictionFile
from geloc3r_ros.geometry import Array

__all__ = ["POSE_TYPES", "find_poses", "predict_bag", "read_recorded"]

RELATIVE_POSE = "geloc3r_ros/msg/RelativePose"
POSE_STAMPED = "geometry_msgs/msg/PoseStamped"
POSE_WITH_COVARIANCE = "geometry_msgs/msg/PoseWithCovarianceStamped"
POSE_TYPES = (RELATIVE_POSE, POSE_STAMPED, POSE_WITH_COVARIANCE)
UNIT = 1e-6
"""A translation whose length is this near to 1 is a direction, not metres."""


def predict_bag(
    bag: BagReader,
    streams: Streams,
    method: Method,
    file: PredictionFile,
    step: int = 1,
    child_frame: str = "",
) -> Iterator[Prediction]:
    """Ask for every pair of the bag that the file lacks; yield all pairs that were looked at.

    Two cameras give a pair for each set. One camera gives a pair for each image and the one
    ``step`` images before it. ``child_frame`` is that of camera b where its images name another.

    Raises:
        BagError: if the bag is damaged, after what could be read was yielded; or if the images
            of two cameras name the same frame.
    """
    single = len(streams.cameras) == 1
    past: deque[Shot] = deque(maxlen=step)
    for shots in streams.read(bag):
        if not single:
            frames = shots[0].frame, child_frame or shots[1].frame
            if frames[0] == frames[1]:
                raise BagError(
                    f"images of {' and '.join(c.image for c in streams.cameras)} name one frame, "
                    f"{frames[0]!r}, so that the truth cannot tell their cameras apart; name that "
                    "of the second with --child-frame"
                )
            yield _asked(shots[0], shots[1], frames, method, file)
            continue
        if len(past) == step:
            yield _asked(past[0], shots[0], (past[0].frame, shots[0].frame), method, file)
        past.append(shots[0])


def _asked(
    a: Shot, b: Shot, frames: tuple[str, str], method: Method, file: PredictionFile
) -> Prediction:
    """The answer for a pair, added to the file; an empty one where the file has it already."""
    name = f"{a.stamp}-{b.stamp}"
    known: dict[str, Any] = {"name": name, "stamps": (a.stamp, b.stamp), "frames": frames}
    if name in file.done:
        return Prediction(T_a_b=None, **known)
    try:
        (rgb_a, K_a), (rgb_b, K_b) = a.decoded, b.decoded
        both = K_a is not None and K_b is not None
        answer = method.ask(rgb_a, rgb_b, *((K_a, K_b) if both else (None, None)))
    except ImageError as error:
        prediction = Prediction(T_a_b=None, reason=str(error), **known)
    else:
        prediction = Prediction(
            T_a_b=answer.T_a_b,
            reason=answer.reason,
            covariance=answer.covariance,
            seconds=answer.seconds,
            trained=answer.trained,
            **known,
        )
    file.add(prediction)
    return prediction


def find_poses(bag: BagReader, topic: str | None) -> str | None:
    """The topic of recorded poses: the one named, else the bag's only RelativePose, else none.

    Raises:
        BagError: if the topic has no poses, or several are possible.
    """
    topics = {n: t.type for n, t in bag.topics.items() if t.count}
    if topic is None:
        found = sorted(n for n, kind in topics.items() if kind == RELATIVE_POSE)
        if len(found) > 1:
            raise BagError(f"{bag.path} has poses on {', '.join(found)}; name one with --poses")
        return found[0] if found else None
    if topics.get(topic) not in POSE_TYPES:
        said = f"is of type {topics[topic]}" if topic in topics else "has no messages"
        raise BagError(f"{topic} {said}; poses are read from {', '.join(POSE_TYPES)}")
    return topic


def read_recorded(bag: BagReader, topic: str, child_frame: str = "") -> Iterator[Prediction]:
    """The poses that a node published, as it was recorded; the same stamp twice counts once.

    Args:
        bag: an open bag.
        topic: of one of :data:`POSE_TYPES`.
        child_frame: frame b, where the messages do not name it.

    Raises:
        BagError: if the bag is damaged, after what could be read was yielded.
    """
    read: Callable[[Any, str], Prediction] = {
        RELATIVE_POSE: _of_relative_pose,
        POSE_STAMPED: _of_pose,
        POSE_WITH_COVARIANCE: _of_pose_with_covariance,
    }[bag.topics[topic].type]
    seen: set[str] = set()
    for _, message in bag.objects([topic]):
        prediction = read(message, child_frame)
        if prediction.name not in seen:
            seen.add(prediction.name)
            yield prediction


def _of_relative_pose(message: Any, child_frame: str) -> Prediction:
    child = message.child_stamp
    return _recorded(
        message,
        int(child.sec) * 10**9 + int(child.nanosec),
        message.child_frame_id or child_frame,
        message.pose.pose if message.valid else None,
        message.pose.covariance,
        reason=message.reason,
        seconds=float(message.latency),
        trained=bool(message.trained),
        scale_known=bool(message.scale_known),
    )


def _of_pose(message: Any, child_frame: str) -> Prediction:
    return _recorded(message, stamp_of(message), child_frame, message.pose, None)


def _of_pose_with_covariance(message: Any, child_frame: str) -> Prediction:
    pose, covariance = message.pose.pose, message.pose.covariance
    return _recorded(message, stamp_of(message), child_frame, pose, covariance)


def _has_length(T_a_b: Array | None) -> bool:
    return T_a_b is not None and bool(abs(np.linalg.norm(T_a_b[:3, 3]) - 1.0) > UNIT)


def _recorded(
    message: Any,
    child_stamp: int,
    child_frame: str,
    pose: Any,
    covariance: Any,
    reason: str = "",
    scale_known: bool | None = None,
    **more: Any,
) -> Prediction:
    """A prediction; numbers that are not finite are none, and zeros are no covariance.

    Where the message does not say whether the scale is known, it is unless the length is 1.
    """
    stamp, T_a_b = stamp_of(message), None
    if pose is not None:
        try:
            T_a_b = transform_of(pose)
        except ValueError as error:
            reason = f"the recorded pose is none: {error}"
    if T_a_b is not None and not np.isfinite(T_a_b).all():
        T_a_b, reason = None, "the recorded pose is not finite"
    C = None if covariance is None else np.array(covariance, float).reshape(6, 6)
    return Prediction(
        name=f"{stamp}-{child_stamp}",
        stamps=(stamp, child_stamp),
        frames=(message.header.frame_id, child_frame),
        T_a_b=T_a_b,
        covariance=C if C is not None and np.isfinite(C).all() and C.any() else None,
        reason=reason,
        scale_known=_has_length(T_a_b) if scale_known is None else scale_known,
        **more,
    )
