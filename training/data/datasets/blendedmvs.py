# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""BlendedMVS: photographs blended with renderings of their own reconstruction."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import inverse
from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import read_pfm
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["BlendedMvs"]


class BlendedMvs(PosedDataset):
    """BlendedMVS, + and ++ (Yao et al., CVPR 2020), for training.

    Download: the low-res sets (768x576) of github.com/YoYo000/BlendedMVS, "Download".
    Licence: CC BY 4.0.
    Folder: ``<PID>/{blended_images/<8 digits>.jpg, cams/<8 digits>_cam.txt,
    rendered_depth_maps/<8 digits>.pfm}``; PID has 24 hexadecimal digits. Split ``train`` is where
    the low 64 bits of the PID, seq_low, are no multiple of 10 (458 of the 502 scenes of its
    project_lists/BlendedMVG.txt); ``test`` the others.
    Poses: ``extrinsic`` of the camera file is T_camera_world, optical axes; ``intrinsic`` is K
    (MVSNet's format, github.com/YoYo000/MVSNet, "File Formats").
    Depth: PFM, 0 where the mesh has a hole. Scale: up to scale, another one for each scene.
    """

    name = "blendedmvs"
    scale = Scale.UP_TO_SCALE
    splits = ("train", "test")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(root.glob("*/rendered_depth_maps")) and any(root.glob("*/blended_images"))

    def scenes(self) -> list[str]:
        """PIDs of the split."""
        names = sorted(path.parent.name for path in self.root.glob("*/blended_images"))
        return [name for name in names if (_seq_low(name) % 10 > 0) == (self.split == "train")]

    def _entries(self, scene: str) -> Iterable[Entry]:
        for path in sorted((self.root / scene / "cams").glob("*_cam.txt")):
            name = path.name.removesuffix("_cam.txt")
            yield name, partial(_frame, path, name)

    def _read_depth(self, frame: Frame) -> npt.NDArray[np.float32]:
        assert frame.depth is not None
        return np.maximum(read_pfm(frame.depth), 0)


def _frame(path: Path, name: str) -> Frame:
    words = path.read_text(encoding="ascii").split()
    if words[0] != "extrinsic" or words[17] != "intrinsic":
        raise DataError(f"{path} is no camera file of MVSNet")
    folder = path.parents[1]
    return Frame(
        name=name,
        image=folder / "blended_images" / f"{name}.jpg",
        K=np.array(words[18:27], float).reshape(3, 3),
        T_world_camera=inverse(np.array(words[1:17], float).reshape(4, 4)),
        depth=folder / "rendered_depth_maps" / f"{name}.pfm",
    )


def _seq_low(pid: str) -> int:
    try:
        return int(pid[-16:], 16)
    except ValueError as error:
        raise DataError(f"{pid} is no PID of BlendedMVS: 24 hexadecimal digits") from error
