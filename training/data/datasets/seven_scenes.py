# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""7-Scenes: small rooms seen by a handheld Kinect."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import intrinsics, read_depth_png
from geloc3r_training.data.sample import Scale

__all__ = ["SevenScenes"]

INVALID = 65535


class SevenScenes(PosedDataset):
    """7-Scenes (Shotton et al., CVPR 2013), for testing; ``train`` is the map.

    Download: the scenes of "RGB-D Dataset 7-Scenes" at microsoft.com/research; unpack the
    sequences too. Licence: Microsoft's for non-commercial research use (in each archive).
    Folder: ``<scene>/{TrainSplit.txt, TestSplit.txt}`` with lines ``sequence1``, and
    ``<scene>/seq-01/frame-000000.{color.png, depth.png, pose.txt}``, 640x480.
    Poses: T_world_camera, 4x4 text. Intrinsics: one for all, focal length 585, principal point
    (320, 240): what its authors took for the depth camera, which is the one that was tracked.
    They calibrated neither camera, nor are the two aligned: depth is some pixels off the colour
    image, whose focal length others take for 525 (DSAC*).
    Depth: millimetres, 65535 where unknown. Scale: metric.
    Format: the page of the dataset, as github.com/naver/kapture quotes it in
    tools/kapture_import_7scenes.py; github.com/vislearn/dsacstar, datasets/setup_7scenes.py.
    """

    name = "7scenes"
    scale = Scale.METRIC
    splits = ("test", "train")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(root.glob("*/TestSplit.txt"))

    def scenes(self) -> list[str]:
        """``scene/seq-01``: every sequence of the split."""
        scenes = []
        for path in sorted(self.root.glob(f"*/{self.split.title()}Split.txt")):
            for line in path.read_text(encoding="ascii").split():
                number = int(line.removeprefix("sequence"))
                scenes.append(f"{path.parent.name}/seq-{number:02d}")
        return scenes

    def _entries(self, scene: str) -> Iterable[Entry]:
        for path in sorted((self.root / scene).glob("frame-*.pose.txt")):
            name = path.name.removesuffix(".pose.txt")
            yield name, partial(_frame, path, name)

    def _read_depth(self, frame: Frame) -> npt.NDArray[np.float32]:
        assert frame.depth is not None
        return read_depth_png(frame.depth, 1000.0, unknown=INVALID)


def _frame(path: Path, name: str) -> Frame:
    return Frame(
        name=name,
        image=path.with_name(f"{name}.color.png"),
        K=intrinsics(585.0, 585.0, 320.0, 240.0),
        T_world_camera=np.loadtxt(path),
        depth=path.with_name(f"{name}.depth.png"),
        size=(640, 480),
    )
