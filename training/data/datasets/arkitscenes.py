# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ARKitScenes: homes scanned with an iPad."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array, inverse, make_transform
from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import intrinsics, read_depth_png
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["ArkitScenes"]

TOLERANCE = 2e-3
"""Stamps of one moment differ by rounding to milliseconds; seconds."""

SURE = 2
"""Confidence of a depth that is kept."""


class ArkitScenes(PosedDataset):
    """ARKitScenes (Baruch et al., NeurIPS 2021), raw, low resolution (256x192), for training.

    Download: ``download_data.py raw`` of github.com/apple/ARKitScenes with the assets
    lowres_wide, lowres_depth, confidence, lowres_wide_intrinsics, lowres_wide.traj.
    Licence: Apple's, non-commercial (LICENSE of that repository).
    Folder: ``raw/{Training,Validation}/<video>/{lowres_wide/<video>_<time>.png, lowres_depth/,
    confidence/, lowres_wide_intrinsics/<video>_<time>.pincam, lowres_wide.traj}``.
    Poses: a line of .traj is time, axis-angle and translation of T_camera_world, optical axes
    (tenFpsDataLoader.py inverts it), ten a second; images between them are left out.
    Intrinsics: .pincam: width height fx fy cx cy. Depth: LiDAR, millimetres; only with the
    highest confidence. Scale: metric. Images keep the sensor's orientation, which may lie.
    Format: DATA.md and raw/README.md of that repository.
    """

    name = "arkitscenes"
    scale = Scale.METRIC
    splits = ("train", "val")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(root.glob("raw/*/*/lowres_wide.traj"))

    @property
    def _folder(self) -> Path:
        return self.root / "raw" / {"train": "Training", "val": "Validation"}[self.split]

    def scenes(self) -> list[str]:
        """Videos of the split."""
        return sorted(path.parent.name for path in self._folder.glob("*/lowres_wide.traj"))

    def _entries(self, scene: str) -> Iterable[Entry]:
        folder = self._folder / scene
        trajectory = np.loadtxt(folder / "lowres_wide.traj", ndmin=2)
        pincams = _by_time(folder / "lowres_wide_intrinsics", "*.pincam")
        for time, image in sorted(_by_time(folder / "lowres_wide", "*.png").items()):
            line = trajectory[np.abs(trajectory[:, 0] - time).argmin()]
            if abs(line[0] - time) <= TOLERANCE:
                yield image.stem, partial(_frame, time, image, line, pincams)

    def _read_depth(self, frame: Frame) -> npt.NDArray[np.float32]:
        assert frame.depth is not None
        depth = read_depth_png(frame.depth, 1000.0)
        path = frame.depth.parents[1] / "confidence" / frame.depth.name
        confidence = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if confidence is None or confidence.shape != depth.shape:
            raise DataError(f"{path} is missing, damaged or of another size than its depth map")
        return np.where(confidence >= SURE, depth, 0).astype(np.float32)


def _frame(time: float, image: Path, line: Array, pincams: dict[float, Path]) -> Frame:
    nearest = min(pincams, key=lambda stamp: abs(stamp - time))
    if abs(nearest - time) > TOLERANCE:
        raise DataError("there are no intrinsics of its time")
    width, height, fx, fy, cx, cy = np.loadtxt(pincams[nearest])
    R_camera_world = cv2.Rodrigues(line[1:4])[0]
    return Frame(
        name=image.stem,
        image=image,
        K=intrinsics(fx, fy, cx, cy),
        T_world_camera=inverse(make_transform(R_camera_world, line[4:7])),
        depth=image.parents[1] / "lowres_depth" / image.name,
        size=(int(width), int(height)),
    )


def _by_time(folder: Path, pattern: str) -> dict[float, Path]:
    """Files called ``<video>_<time>.<ending>`` by their time."""
    return {float(path.stem.rpartition("_")[2]): path for path in folder.glob(pattern)}
