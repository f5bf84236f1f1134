# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive recorded with ROS 2 as a scene of a :class:`Recording`, without ROS.

Images and depth are read one at a time, so a bag may be of any length. Poses come from a topic,
/tf or a file in the TUM format, through the bag's static transforms, as in the evaluation. The
world of a drive is the camera at its first known pose.
"""

from __future__ import annotations

import shutil
from bisect import bisect_left
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rosbags.image import message_to_cvimage

from geloc3r_ros.errors import BagError, GeLoc3rError
from geloc3r_ros.evaluation.bag_images import ImageSource, Shot, Streams, find_cameras
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.evaluation.messages import stamp_of
from geloc3r_ros.evaluation.predictions import Prediction, Predictions
from geloc3r_ros.evaluation.truth import TruthOptions, with_truth
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.intrinsics import Intrinsics
from geloc3r_training.data.datasets.base import Frame, Problem
from geloc3r_training.data.datasets.recording import write_index
from geloc3r_training.data.sample import DataError

__all__ = ["BagOptions", "convert"]

JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
IMAGE = "sensor_msgs/msg/Image"
FARTHEST = 65535  # millimetres; what is farther has no depth


@dataclass(frozen=True, kw_only=True)
class BagOptions:
    """What to take out of a bag.

    Attributes:
        image: topic of the images, raw or compressed.
        pose: where the poses are.
        info: topic of camera_info; the image's sibling where empty.
        depth: topic of depth maps on the pixels of the image; none where empty.
        period: seconds between two frames that are kept, on average at least.
        tolerance: seconds between an image and its depth map, at most.
    """

    image: str
    pose: TruthOptions
    info: str = ""
    depth: str = ""
    period: float = 0.1
    tolerance: float = 0.02


def convert(
    path: Path, folder: Path, options: BagOptions, console: Console
) -> tuple[int, list[Problem]]:
    """Write the frames of a bag to a new folder.

    Returns:
        How many frames were written, and why others were not.

    Raises:
        BagError: if the bag cannot be read, or a topic is missing.
        DataError: if the folder exists, no frame is usable, or the camera never moves.
    """
    if folder.exists():
        raise DataError(f"{folder} exists; name a new folder")
    with BagReader(path) as bag:
        (source,) = find_cameras(bag, [options.image])
        source = ImageSource(source.image, options.info or source.info)
        if not source.info:
            raise BagError(f"{path} has no camera_info beside {source.image}; name it with --info")
        if options.depth and options.depth not in bag.topics:
            raise BagError(f"{path} has no messages on {options.depth}")
        if options.depth and (kind := bag.topics[options.depth].type) != IMAGE:
            raise BagError(f"{options.depth} of {path} is a {kind}; depth is read from {IMAGE}")
        try:
            return _written_scene(bag, source, folder, options, console)
        except BaseException:  # Ctrl-C too: half a scene is of no use, and in the way
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _written_scene(
    bag: BagReader, source: ImageSource, folder: Path, options: BagOptions, console: Console
) -> tuple[int, list[Problem]]:
    """What :func:`convert` does, once it is clear what to read."""
    path = bag.path
    frames, lenses, camera, problems = _images(bag, source, folder, options, console)
    poses = _poses(bag, [int(frame.name) for frame in frames], camera, options.pose)
    if options.depth:
        frames = _depths(bag, frames, lenses, options, problems)
    for topic, damaged in bag.damaged.items():
        problems += [Problem(folder.name, topic, fault) for fault in damaged.values()]
    usable = []
    for frame, T in zip(frames, poses, strict=True):
        if np.isfinite(T).all():
            usable.append(replace(frame, T_world_camera=T))
        else:
            problems.append(Problem(folder.name, frame.name, "there is no pose of its time"))
    if not usable:
        raise DataError(
            f"{path}: no image has a pose and, if asked for, depth; {_first(problems)}"
        )
    if len(usable) > 1 and np.ptp([frame.T_world_camera for frame in usable], axis=0).max() == 0:
        raise DataError(
            f"{path}: the camera never moves in the frame that {options.pose.source!r} is told "
            "in; name one that stands still with --fixed-frame, such as odom"
        )
    write_index(folder, usable, {"bag": path.name, "image": options.image, "depth": options.depth})
    return len(usable), problems


def _images(
    bag: BagReader, source: ImageSource, folder: Path, options: BagOptions, console: Console
) -> tuple[list[Frame], list[Intrinsics], str, list[Problem]]:
    """Write images without distortion; their frames (without pose), lenses, and camera's name."""
    (folder / "images").mkdir(parents=True)
    frames: list[Frame] = []
    lenses: list[Intrinsics] = []
    problems: list[Problem] = []
    camera, due, period = "", 0, round(options.period * 1e9)
    shots = Streams([source], slop=0, rectify=True).read(bag)
    for (shot,) in track(shots, "reading images", console=console):
        if shot.stamp < due - period // 10:  # stamps waver: a 10 Hz camera's at 0.1 s all count
            continue
        try:
            frames.append(_written(shot, folder))
        except GeLoc3rError as error:
            problems.append(Problem(folder.name, str(shot.stamp), str(error)))
            continue
        assert shot.intrinsics is not None
        lenses.append(shot.intrinsics)
        camera = shot.frame
        due = period + (due if shot.stamp < due + period else shot.stamp)
    if not frames:
        raise DataError(f"{source.image} has no usable image; {_first(problems)}")
    return frames, lenses, camera, problems


def _written(shot: Shot, folder: Path) -> Frame:
    rgb, K = shot.decoded
    if K is None:
        raise DataError("there is no camera_info of its camera, or it is not calibrated")
    path = folder / "images" / f"{shot.stamp}.jpg"
    cv2.imwrite(str(path), rgb[..., ::-1], JPEG)
    height, width = rgb.shape[:2]
    return Frame(
        name=str(shot.stamp), image=path, K=K, T_world_camera=np.eye(4), size=(width, height)
    )


def _poses(bag: BagReader, stamps: list[int], camera: str, options: TruthOptions) -> Array:
    """Poses (N, 4, 4) of the camera in that at the first stamp that has one; NaN where unknown."""

    def relative(first: list[int]) -> Array:
        pairs = [
            Prediction(name=str(b), T_a_b=None, stamps=(a, b), frames=(camera, camera))
            for a, b in zip(first, stamps, strict=True)
        ]
        return with_truth(Predictions.of({}, pairs), bag, options)[0].T_a_b_true

    known = np.isfinite(relative(stamps)).all(axis=(1, 2))
    anchor = stamps[int(known.argmax())]
    return relative([anchor] * len(stamps))


def _depths(
    bag: BagReader,
    frames: list[Frame],
    lenses: list[Intrinsics],
    options: BagOptions,
    problems: list[Problem],
) -> list[Frame]:
    """Write the depth map of the nearest time for each frame that has one."""
    stamps = [int(frame.name) for frame in frames]
    folder = frames[0].image.parents[1] / "depths"
    folder.mkdir()
    nearest = dict.fromkeys(stamps, round(options.tolerance * 1e9) + 1)
    for _, message in bag.objects([options.depth]):
        stamp = stamp_of(message)
        place = bisect_left(stamps, stamp)
        for i in range(max(place - 1, 0), min(place + 1, len(stamps))):
            if abs(stamps[i] - stamp) < nearest[stamps[i]]:
                try:
                    depth = _depth(message, lenses[i], frames[i])
                except (DataError, ValueError) as error:
                    problems.append(Problem(folder.parent.name, frames[i].name, str(error)))
                    continue
                cv2.imwrite(str(folder / f"{stamps[i]}.png"), depth)
                nearest[stamps[i]] = abs(stamps[i] - stamp)
    return [
        replace(frame, depth=path) if path.exists() else frame
        for frame in frames
        for path in [folder / f"{frame.name}.png"]
    ]


def _depth(message: Any, lens: Intrinsics, frame: Frame) -> npt.NDArray[np.uint16]:
    """Millimetres (H, W) on the pixels of the image without distortion."""
    stored = message_to_cvimage(message)
    if message.encoding not in ("16UC1", "mono16", "32FC1"):
        raise DataError(f"depth is encoded as {message.encoding}; 16UC1 (mm) or 32FC1 (m) is read")
    if frame.size != (message.width, message.height):
        raise DataError(
            f"depth has {message.width}x{message.height} pixels and the image "
            f"{frame.size}: record depth that is aligned to the image"
        )
    metres = stored if message.encoding == "32FC1" else stored / 1000.0
    metres = np.where(np.isfinite(metres) & (metres > 0), metres, 0).astype(np.float32)
    if lens.D.any() or lens.distortion_model == "equidistant":
        maps = cv2.fisheye if lens.distortion_model == "equidistant" else cv2
        x, y = maps.initUndistortRectifyMap(
            lens.K, lens.D, np.eye(3), lens.K, frame.size, cv2.CV_32FC1
        )
        metres = cv2.remap(metres, x, y, cv2.INTER_NEAREST)
    millimetres = np.rint(metres * 1000)
    return np.where(millimetres <= FARTHEST, millimetres, 0).astype(np.uint16)


def _first(problems: list[Problem]) -> str:
    return f"the first problem: {problems[0].message}" if problems else "it is empty"
