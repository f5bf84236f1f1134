# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of one's own robot, as ``geloc3r-data from-bag`` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["Recording", "write_index"]

FORMAT = "geloc3r recording 1"


class Recording(PosedDataset):
    """Drives recorded with ROS 2, for training and testing.

    Make: ``geloc3r-data from-bag BAG FOLDER/<drive> --image ... --pose ...``; see
    docs/own_robot.md. Licence: yours.
    Folder: ``<drive>/{recording.json, images/<stamp>.jpg, depths/<stamp>.png}``.
    Poses: T_world_camera, optical axes. Intrinsics: K of the images, without distortion.
    Depth: 16-bit PNG in millimetres, 0 where unknown; may be missing. Scale: metric.
    """

    name = "recording"
    scale = Scale.METRIC

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(root.glob("*/recording.json"))

    def scenes(self) -> list[str]:
        """Drives."""
        return sorted(path.parent.name for path in self.root.glob("*/recording.json"))

    def _entries(self, scene: str) -> Iterable[Entry]:
        folder = self.root / scene
        index = json.loads((folder / "recording.json").read_text(encoding="utf-8"))
        if index.get("format") != FORMAT:
            raise DataError(f"{folder}/recording.json is not of the format {FORMAT!r}")
        for entry in index["frames"]:
            yield entry["stamp"], partial(_frame, folder, entry)


def write_index(folder: Path, frames: Sequence[Frame], source: dict[str, Any]) -> None:
    """Write the index of a drive whose images and depth maps lie in ``folder``."""
    entries = [
        {
            "stamp": frame.name,
            "image": str(frame.image.relative_to(folder)),
            "depth": str(frame.depth.relative_to(folder)) if frame.depth else None,
            "size": frame.size,
            "K": frame.K.tolist(),
            "T_world_camera": frame.T_world_camera.tolist(),
        }
        for frame in frames
    ]
    index = {"format": FORMAT, "source": source, "frames": entries}
    (folder / "recording.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _frame(folder: Path, entry: dict[str, Any]) -> Frame:
    width, height = entry["size"]
    return Frame(
        name=entry["stamp"],
        image=folder / entry["image"],
        K=np.array(entry["K"], float),
        T_world_camera=np.array(entry["T_world_camera"], float),
        depth=folder / entry["depth"] if entry["depth"] else None,
        size=(width, height),
    )
