# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TUM RGB-D: a handheld or driven Kinect under motion capture."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geloc3r_ros.evaluation.trajectories import read_tum
from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import intrinsics, read_depth_png
from geloc3r_training.data.datasets.pose_track import PoseTrack
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["TumRgbd"]

TOLERANCE = 20_000_000
"""Time between an image and its depth map, ns; as associate.py of the benchmark."""

MAX_GAP = 100_000_000
"""Time between two poses within which one is interpolated, ns."""


class TumRgbd(PosedDataset):
    """TUM RGB-D (Sturm et al., IROS 2012), for training and testing.

    Download: sequences of cvg.cit.tum.de/data/datasets/rgbd-dataset. Licence: CC BY 4.0.
    Folder: ``<sequence>/{rgb.txt, depth.txt, groundtruth.txt, rgb/*.png, depth/*.png}``, 640x480.
    Poses: T_world_camera of the colour camera, ``timestamp tx ty tz qx qy qz qw``, interpolated to
    the time of the image. Intrinsics: the page's ROS default, 525, (319.5, 239.5), without
    undistortion: that is what depth was registered with. Depth: 5000 a metre, of the nearest time.
    Scale: metric.
    Format: the pages "File Formats" and "Intrinsic Camera Calibration of the Kinect".
    """

    name = "tum"
    scale = Scale.METRIC

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any((path.parent / "groundtruth.txt").exists() for path in root.glob("*/rgb.txt"))

    def scenes(self) -> list[str]:
        """Sequences."""
        return sorted(path.parent.name for path in self.root.glob("*/rgb.txt"))

    def _entries(self, scene: str) -> Iterable[Entry]:
        folder = self.root / scene
        track = PoseTrack(read_tum(folder / "groundtruth.txt"))
        depths = _listed(folder / "depth.txt")
        for stamp, image in sorted(_listed(folder / "rgb.txt").items()):
            yield Path(image).stem, partial(_frame, folder, stamp, image, track, depths)

    def _read_depth(self, frame: Frame) -> npt.NDArray[np.float32]:
        assert frame.depth is not None
        return read_depth_png(frame.depth, 5000.0)


def _frame(
    folder: Path, stamp: int, image: str, track: PoseTrack, depths: dict[int, str]
) -> Frame:
    nearest = min(depths, key=lambda other: abs(other - stamp))
    if abs(nearest - stamp) > TOLERANCE:
        raise DataError("there is no depth map of its time")
    return Frame(
        name=Path(image).stem,
        image=folder / image,
        K=intrinsics(525.0, 525.0, 319.5, 239.5),
        T_world_camera=track.at(stamp, MAX_GAP),
        depth=folder / depths[nearest],
        size=(640, 480),
    )


def _listed(path: Path) -> dict[int, str]:
    """Files by stamp in nanoseconds."""
    files = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            stamp, file = line.split()
            seconds, _, fraction = stamp.partition(".")
            files[int(seconds) * 10**9 + int(f"{fraction:0<9.9}")] = file
    return files
