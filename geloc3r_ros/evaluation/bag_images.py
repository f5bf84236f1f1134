# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of one camera or two out of a bag, matched by their stamps; without ROS."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from geloc3r_ros.errors import BagError, ConfigError, ImageError
from geloc3r_ros.evaluation.bags import BagReader, Topic
from geloc3r_ros.evaluation.figures import missing, percentiles
from geloc3r_ros.evaluation.messages import stamp_of
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.images import Image, undistort
from geloc3r_ros.inference.intrinsics import Intrinsics
from geloc3r_ros.inference.messages import decode_compressed, decode_image, image_fault

__all__ = [
    "ImageSource",
    "Shot",
    "Streams",
    "cameras_of_frames",
    "find_cameras",
    "what_is_distorted",
    "what_is_missing",
]

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
MOST_WAITING = 30
"""Images of a camera that wait for a partner; bounds the memory where the other is silent."""


class ImageSource(NamedTuple):
    """Topics of a camera; ``info`` is "" where the bag has none."""

    image: str
    info: str

    @property
    def rectified(self) -> bool:
        """Whether the images are rectified already: image_proc calls them ``image_rect*``."""
        return self.image.removesuffix("/compressed").rpartition("/")[2].startswith("image_rect")


@dataclass
class Shot:
    """An image message, decoded when asked for, and the intrinsics in force at its time.

    With ``rectify`` the lens distortion is removed.
    """

    message: Any
    stamp: int
    intrinsics: Intrinsics | None
    compressed: bool
    rectify: bool

    @property
    def frame(self) -> str:
        """The optical frame that the message names."""
        return str(self.message.header.frame_id).lstrip("/")

    @cached_property
    def decoded(self) -> tuple[Image, Array | None]:
        """RGB (H, W, 3) and K (3, 3), None where camera_info has none.

        Raises:
            ImageError: if the message is no image.
            ConfigError: if camera_info is of another size, or its distortion model is unknown.
        """
        if self.compressed:
            rgb = decode_compressed(self.message)
        elif fault := image_fault(self.message):
            raise ImageError(fault)
        else:
            rgb = decode_image(self.message)
        if self.intrinsics is None:
            return rgb, None
        known = self.intrinsics
        known.check_size(rgb.shape[1], rgb.shape[0])
        if self.rectify:
            rgb = undistort(rgb, known.K, known.D, known.distortion_model)
        return rgb, known.K


def find_cameras(bag: BagReader, images: Sequence[str]) -> list[ImageSource]:
    """Topics of the cameras: of the images named, or of the bag's only one or two.

    camera_info is the sibling of the image's topic, as image_transport has it. Its K and D hold
    for raw images, its P for rectified ones.

    Raises:
        BagError: if a topic is missing or no image, or it is not clear which are meant.
        ConfigError: if a topic is named twice.
    """
    if repeated := sorted({name for name in images if list(images).count(name) > 1}):
        raise ConfigError(
            f"--images names {', '.join(repeated)} twice; name it once for one camera, or the "
            "topics of two"
        )
    topics = {name: t for name, t in bag.topics.items() if t.count}
    known = sorted(n for n, t in topics.items() if t.type in (IMAGE, COMPRESSED))
    chosen = list(images) or known
    if wrong := sorted(set(chosen) - set(known)):
        raise BagError(
            f"{', '.join(wrong)}: no images in {bag.path}; images are on "
            f"{', '.join(known) or 'no topic'}"
        )
    if len(chosen) not in (1, 2):
        raise BagError(
            f"{bag.path} has images on {', '.join(known) or 'no topic'}; name one or two of them "
            "with --images"
        )
    return [ImageSource(name, _sibling_info(name, topics)) for name in chosen]


def cameras_of_frames(bag: BagReader, frames: tuple[str, str]) -> list[ImageSource]:
    """The cameras whose images name these frames: two, or one where both are the same.

    Raises:
        BagError: if the bag has no images of one of them.
    """
    topics = {name: t for name, t in bag.topics.items() if t.count}
    images = sorted(n for n, t in topics.items() if t.type in (IMAGE, COMPRESSED))
    named: dict[str, str] = {}
    for image in images:
        for _, message in bag.objects([image]):
            named.setdefault(str(message.header.frame_id).lstrip("/"), image)
            break  # the first that is whole
    if absent := [frame for frame in frames if frame.lstrip("/") not in named]:
        raise BagError(f"{bag.path} has no images of {' or '.join(absent)}")
    found = dict.fromkeys(named[frame.lstrip("/")] for frame in frames)
    return [ImageSource(name, _sibling_info(name, topics)) for name in found]


def what_is_missing(bag: BagReader, cameras: Sequence[ImageSource], named: bool) -> list[str]:
    """Topics that the bag has, yet that are empty or of a wrong type, in words.

    Args:
        bag: an open bag.
        cameras: found in it.
        named: whether the user named them; else other topics of images should have images.
    """
    said = [
        f"{name} has no messages"
        for name, topic in bag.topics.items()
        if topic.type in (IMAGE, COMPRESSED) and not topic.count and not named
    ]
    for camera in cameras:
        info = bag.topics.get(_info_beside(camera.image))
        if info and not camera.info:
            wrong = "has no messages" if info.type == CAMERA_INFO else f"is of type {info.type}"
            said.append(f"{info.name} {wrong}, so that {camera.image} has no intrinsics")
    return said


def what_is_distorted(bag: BagReader, cameras: Sequence[ImageSource]) -> list[str]:
    """What to say of cameras whose lens distortion camera_info tells, where it is not removed."""
    known = {camera.image: _first_intrinsics(bag, camera) for camera in cameras}
    return [
        f"{image}: its images are distorted, which turns poses by degrees; give --rectify"
        for image, intrinsics in known.items()
        if intrinsics is not None and intrinsics.D.any()
    ]


def _sibling_info(image: str, topics: dict[str, Topic]) -> str:
    name = _info_beside(image)
    return name if name in topics and topics[name].type == CAMERA_INFO else ""


def _info_beside(image: str) -> str:
    return image.removesuffix("/compressed").rpartition("/")[0] + "/camera_info"


@dataclass
class Streams:
    """Reads the cameras' images and counts what happens to them.

    Attributes:
        cameras: one or two.
        slop: images of a set are no further apart than this, nanoseconds.
        rectify: remove the lens distortion that camera_info tells.
        counts: events by camera topic: ``received``, ``out of order``, ``unmatched``.
        sets: images or pairs of images found.
        offsets: stamp of b minus that of a of each set, nanoseconds.
        delays: when the image of camera a was recorded after its stamp, nanoseconds.
        periods: time from each set to the next, nanoseconds.
    """

    cameras: Sequence[ImageSource]
    slop: int
    rectify: bool = False
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    sets: int = 0
    offsets: array[int] = field(default_factory=lambda: array("q"))
    delays: array[int] = field(default_factory=lambda: array("q"))
    periods: array[int] = field(default_factory=lambda: array("q"))
    _last: int = 0

    def read(self, bag: BagReader) -> Iterator[tuple[Shot, ...]]:
        """Yield the sets in order; images older than the one before are left out.

        Raises:
            BagError: if the bag is damaged, after what could be read was yielded.
        """
        waiting: dict[str, deque[Shot]] = {camera.image: deque() for camera in self.cameras}
        self._last, failure = 0, None
        try:
            for _ in self._queued(bag, waiting):
                yield from self._matched(waiting)
        except BagError as error:
            failure = error
        yield from self._matched(waiting, at_end=True)
        for topic, shots_left in waiting.items():
            self.counts[topic]["unmatched"] += len(shots_left)
        if failure:
            raise failure

    def _queued(self, bag: BagReader, waiting: dict[str, deque[Shot]]) -> Iterator[None]:
        """Put the images of a bag into their queues, one at a time."""
        self.counts = {camera.image: Counter() for camera in self.cameras}
        known = {c.image: _first_intrinsics(bag, c) for c in self.cameras}
        infos = {c.info for c in self.cameras if c.info}
        newest = dict.fromkeys(waiting, 0)
        for raw, message in bag.objects([*waiting, *infos]):
            if raw.topic in infos:
                for camera in self.cameras:
                    if camera.info == raw.topic:
                        known[camera.image] = _intrinsics(message, camera) or known[camera.image]
                continue
            counts, stamp = self.counts[raw.topic], stamp_of(message)
            counts["received"] += 1
            if stamp <= newest[raw.topic]:
                counts["out of order"] += 1
                continue
            newest[raw.topic] = stamp
            shot = Shot(message, stamp, known[raw.topic], raw.type == COMPRESSED, self.rectify)
            waiting[raw.topic].append(shot)
            if raw.topic == self.cameras[0].image:
                self.delays.append(raw.stamp - stamp)
            yield

    def _matched(
        self, waiting: dict[str, deque[Shot]], at_end: bool = False
    ) -> Iterator[tuple[Shot, ...]]:
        """Take sets off the queues.

        Of two heads, the older is given up where they are too far apart, or where the next of its
        queue is nearer to the other: so that of one lost image not all later ones are one off.
        """
        queues = list(waiting.items())
        while all(queue for _, queue in queues):
            (topic, older), (_, newer) = sorted(
                (queues[0], queues[-1]), key=lambda item: item[1][0].stamp
            )
            head = newer[0].stamp
            apart = head - older[0].stamp
            if apart and len(older) == 1 and not at_end:
                break  # until the next has come
            if apart > self.slop or (len(older) > 1 and abs(older[1].stamp - head) < apart):
                self._give_up(topic, older)
            else:
                yield self._noted(tuple(queue.popleft() for _, queue in queues))
        for topic, queue in queues:
            if len(queue) > MOST_WAITING:
                self._give_up(topic, queue)

    def _noted(self, shots: tuple[Shot, ...]) -> tuple[Shot, ...]:
        self.sets += 1
        self.offsets.append(shots[-1].stamp - shots[0].stamp)
        if self._last:
            self.periods.append(shots[0].stamp - self._last)
        self._last = shots[0].stamp
        return shots

    def _give_up(self, topic: str, queue: deque[Shot]) -> None:
        queue.popleft()
        self.counts[topic]["unmatched"] += 1

    def troubles(self, bag: BagReader) -> list[str]:
        """What was wrong with the images that were read from a bag, in words."""
        said = []
        for topic, counts in self.counts.items():
            promised = bag.topics[topic].count
            found = counts["received"] + len(bag.damaged.get(topic, ()))
            if found < promised:
                said.append(f"{topic}: only {found} of {promised} images could be read")
            if backwards := counts["out of order"]:
                said.append(
                    f"{topic}: {backwards} of {promised} images were left out; they have no "
                    "stamp, or one that is not newer than that of the one before"
                )
        return said

    def figures(self) -> dict[str, Any]:
        """Counts, and milliseconds; ``missing`` are gaps of 1.5 median periods or more."""
        periods = np.array(self.periods, float)
        said: dict[str, Any] = {
            "sets": self.sets,
            "missing": missing(periods),
            "period_ms": percentiles(periods / 1e6),
            "recorded_after_stamp_ms": percentiles(np.array(self.delays, float) / 1e6),
        }
        if len(self.cameras) == 2:
            said["stamp_offset_ms"] = percentiles(np.abs(np.array(self.offsets, float)) / 1e6)
            said["slop_ms"] = self.slop / 1e6
        return {**said, **{topic: dict(counts) for topic, counts in self.counts.items()}}


def _first_intrinsics(bag: BagReader, camera: ImageSource) -> Intrinsics | None:
    """Of the first camera_info, also for the images that were recorded before it."""
    for _, message in bag.objects([camera.info]) if camera.info else ():
        return _intrinsics(message, camera)
    return None


def _intrinsics(message: Any, camera: ImageSource) -> Intrinsics | None:
    try:
        return Intrinsics.from_message(message, rectified=camera.rectified)
    except ConfigError:
        return None
