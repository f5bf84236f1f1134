# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets on disk, one file each; docs/datasets.md has the table."""

from __future__ import annotations

from pathlib import Path

from geloc3r_ros.errors import ConfigError
from geloc3r_training.data.datasets.arkitscenes import ArkitScenes
from geloc3r_training.data.datasets.base import Pair, PosedDataset, Problem
from geloc3r_training.data.datasets.blendedmvs import BlendedMvs
from geloc3r_training.data.datasets.cambridge import Cambridge
from geloc3r_training.data.datasets.co3d import Co3d
from geloc3r_training.data.datasets.dl3dv import Dl3dv
from geloc3r_training.data.datasets.megadepth import MegaDepth, MegaDepth1500
from geloc3r_training.data.datasets.realestate import Acid, RealEstate10K
from geloc3r_training.data.datasets.recording import Recording
from geloc3r_training.data.datasets.scannet1500 import ScanNet1500
from geloc3r_training.data.datasets.scannetpp import ScanNetPP
from geloc3r_training.data.datasets.seven_scenes import SevenScenes
from geloc3r_training.data.datasets.tum import TumRgbd
from geloc3r_training.data.sample import DataError

__all__ = ["DATASETS", "Pair", "PosedDataset", "Problem", "open_dataset"]

DATASETS: dict[str, type[PosedDataset]] = {
    kind.name: kind
    for kind in (
        Co3d, MegaDepth, BlendedMvs, ScanNetPP, ArkitScenes, Dl3dv, RealEstate10K,
        MegaDepth1500, ScanNet1500, Acid, SevenScenes, Cambridge, TumRgbd, Recording,
    )
}  # fmt: skip


def open_dataset(root: Path, name: str | None = None, split: str | None = None) -> PosedDataset:
    """Open a dataset by its name, or by what its folder looks like.

    Raises:
        ConfigError: if the name or the split is unknown.
        DataError: if the folder is not of that dataset, or of none.
    """
    if name is not None:
        if name not in DATASETS:
            raise ConfigError(f"dataset {name!r} is not one of {', '.join(DATASETS)}")
        return DATASETS[name](root, split)
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    for kind in DATASETS.values():
        if kind.recognises(root):
            return kind(root, split)
    raise DataError(
        f"{root} looks like no dataset of {', '.join(DATASETS)}; "
        "docs/datasets.md shows the folder each one expects"
    )
