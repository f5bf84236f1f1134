# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of one camera, with their stamps, out of a video, a folder of images or a bag."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from geloc3r_ros.errors import BagError, ConfigError, ImageError
from geloc3r_ros.evaluation.bag_images import Streams, find_cameras, what_is_distorted
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.images import Image, read_image

__all__ = ["Frame", "Frames", "open_frames", "read_ahead"]

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
BAG_SUFFIXES = {".bag", ".db3", ".mcap"}
TEXT = cv2.VideoWriter.fourcc(*"ansi")
"""As what FFmpeg plays any text file: pictures of a terminal."""


class Frame(NamedTuple):
    """An image RGB (H, W, 3), its stamp in nanoseconds, and its intrinsics (3, 3) if known."""

    stamp: int
    rgb: Image
    K: Array | None


class Frames(NamedTuple):
    """Frames in order, about how many they are, and what to know of them, or ""."""

    total: int
    frames: Iterator[Frame]
    note: str = ""


@contextmanager
def open_frames(
    path: Path,
    *,
    topic: str = "",
    rate: float = 30.0,
    K: Array | None = None,
    rectify: bool = False,
) -> Iterator[Frames]:
    """Open a video, a folder of images or a bag.

    A file of a folder whose name is a time (1305031102.175304.png in seconds,
    1403636579763555584.png in nanoseconds) has this stamp.

    Args:
        path: the file or folder.
        topic: image topic of a bag; its only one by default.
        rate: images a second of a folder whose names are no times.
        K: intrinsics (3, 3) of all frames, in place of a bag's own.
        rectify: remove the lens distortion that a bag's camera_info tells.

    Raises:
        ConfigError: if there is nothing at ``path``, ``rate`` is not positive, or ``rectify``
            lacks a camera_info.
        ImageError: if an image or the video cannot be read.
        BagError: if the bag is damaged or has no such topic, or several and none is named.
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file or folder")
    is_bag = path.suffix in BAG_SUFFIXES or (path / "metadata.yaml").exists()
    if rectify and (not is_bag or K is not None):
        raise ConfigError(
            "the lens distortion is told by camera_info alone: --rectify is for bags, without -K"
        )
    if is_bag:
        with BagReader(path) as bag:
            yield _with(K, _of_bag(bag, topic, camera_info=K is None, rectify=rectify))
    elif topic:
        raise ConfigError(f"{path} is no bag: it has no topic {topic}")
    elif path.is_dir():
        yield _with(K, _of_folder(path, rate))
    else:
        yield _with(K, _of_video(path))


def _with(K: Array | None, found: Frames) -> Frames:
    if K is None:
        return found
    return found._replace(frames=(frame._replace(K=K) for frame in found.frames))


def _of_bag(bag: BagReader, topic: str, camera_info: bool, rectify: bool) -> Frames:
    cameras = find_cameras(bag, [topic] if topic else [])
    if not camera_info:
        cameras = [camera._replace(info="") for camera in cameras]
    if len(cameras) > 1:
        names = " and ".join(camera.image for camera in cameras)
        raise BagError(f"{bag.path} has images on {names}; name one with --images")
    shots = Streams(cameras, slop=0, rectify=rectify).read(bag)
    frames = (Frame(shot.stamp, *shot.decoded) for (shot,) in shots)
    note = "" if rectify else "".join(what_is_distorted(bag, cameras))
    return Frames(bag.topics[cameras[0].image].count, frames, note)


def _of_folder(folder: Path, rate: float) -> Frames:
    if not rate > 0:
        raise ConfigError(f"the rate is {rate:g} images a second; it must be positive")
    paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise ImageError(f"{folder} has no images; known are {', '.join(sorted(IMAGE_SUFFIXES))}")
    stamps = {path: _time_named(path.stem) for path in paths}
    if None in stamps.values():
        in_order = sorted(paths, key=_numbers_as_numbers)
        stamps = {path: round(i * 1e9 / rate) for i, path in enumerate(in_order)}
    by_time = sorted((stamp, path) for path, stamp in stamps.items() if stamp is not None)
    return Frames(len(paths), (Frame(stamp, read_image(path), None) for stamp, path in by_time))


def _time_named(name: str) -> int | None:
    """Nanoseconds of a name such as 1305031102.175304 or 1403636579763555584."""
    if re.fullmatch(r"\d{18,19}", name):
        return int(name)
    return int(Decimal(name) * 10**9) if re.fullmatch(r"\d{9,10}\.\d+", name) else None


def _numbers_as_numbers(path: Path) -> list[tuple[int, str]]:
    """Key that sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _of_video(path: Path) -> Frames:
    video = cv2.VideoCapture(str(path))
    if not video.isOpened() or video.get(cv2.CAP_PROP_FOURCC) == TEXT:
        raise ImageError(f"{path}: is no video that OpenCV can read, or it is damaged")
    return Frames(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), _frames_of_video(video))


def _frames_of_video(video: cv2.VideoCapture) -> Iterator[Frame]:
    while True:
        found, bgr = video.read()
        if not found:
            return
        stamp = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        yield Frame(stamp, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8), None)


Item = TypeVar("Item")


def read_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items while a thread gets the next one ready: decoding beside inference."""
    with ThreadPoolExecutor(1, thread_name_prefix="geloc3r-read-ahead") as executor:
        ahead = executor.submit(next, items, None)
        while (item := ahead.result()) is not None:
            ahead = executor.submit(next, items, None)
            yield item
