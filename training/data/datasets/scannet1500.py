# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ScanNet1500: pairs of views of rooms."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_training.data.datasets.base import Entry, Frame, Pair, PosedDataset
from geloc3r_training.data.datasets.files import intrinsics, read_rgb
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["ScanNet1500"]

SIZE = (640, 480)
"""Colour is resized to the depth map's, of which the benchmark takes the intrinsics."""


class ScanNet1500(PosedDataset):
    """ScanNet1500 (Sarlin et al., CVPR 2020, of ScanNet, Dai et al., CVPR 2017), for testing.

    Download: after ScanNet's terms, ``scannet_test_1500.tar`` as github.com/zju3dv/LoFTR says in
    docs/TRAINING.md; the index ``test.npz`` and ``intrinsics.npz`` of its
    assets/scannet_test_1500.
    Licence: ScanNet terms of use, non-commercial, by application.
    Folder: ``scannet_test_1500/scene0707_00/{color/15.jpg, depth/15.png, pose/15.txt}``,
    ``test.npz`` with ``name`` (1500, 4): scene, scan, frame, frame; ``intrinsics.npz``: K of the
    depth camera by scan.
    Poses: T_world_camera, 4x4 text, not finite where tracking was lost. Intrinsics: the depth
    camera's, for colour resized to 640x480. Depth: millimetres. Scale: metric.
    Format: src/datasets/scannet.py and src/utils/dataset.py of LoFTR.
    """

    name = "scannet1500"
    scale = Scale.METRIC
    splits = ("test",)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return (root / "test.npz").exists() and (root / "scannet_test_1500").is_dir()

    def scenes(self) -> list[str]:
        """Scans of the index."""
        return sorted({pair.scene for pair in self.pairs()})

    def pairs(self) -> list[Pair]:
        """The pairs in the order of ``test.npz``."""
        names = _arrays(self.root / "test.npz")["name"]
        return [Pair(f"scene{s:04d}_{n:02d}", str(a), str(b)) for s, n, a, b in names.tolist()]

    def _entries(self, scene: str) -> Iterable[Entry]:
        K = _arrays(self.root / "intrinsics.npz")[scene]
        folder = self.root / "scannet_test_1500" / scene
        numbers = {int(n) for pair in self.pairs() if pair.scene == scene for n in pair[1:]}
        for number in sorted(numbers):
            yield str(number), partial(_frame, folder, str(number), K)

    def _read_image(self, frame: Frame) -> npt.NDArray[np.uint8]:
        image = read_rgb(frame.image)
        if image.shape[1::-1] != SIZE:
            image = np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), np.uint8)
        return image


def _frame(folder: Path, name: str, K: npt.NDArray) -> Frame:
    return Frame(
        name=name,
        image=folder / "color" / f"{name}.jpg",
        K=intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2]),
        T_world_camera=np.loadtxt(folder / "pose" / f"{name}.txt"),
        depth=folder / "depth" / f"{name}.png",
    )


@cache
def _arrays(path: Path) -> dict[str, npt.NDArray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not an index of ScanNet1500 ({error})") from error
