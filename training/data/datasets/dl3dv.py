# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DL3DV-10K: walks through public places."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import image_size, intrinsics, opengl_to_optical
from geloc3r_training.data.datasets.lenses import BrownLens
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["Dl3dv"]

FOLDERS = ("images_8", "images_4", "images_2", "images")
"""Where the images may be: 480P, 960P, 2K and 4K; the first that exists is read."""


class Dl3dv(PosedDataset):
    """DL3DV-10K (Ling et al., CVPR 2024), for training.

    Download: huggingface.co/datasets/DL3DV/DL3DV-ALL-480P (or 960P, 2K), after its conditions.
    Licence: DL3DV-10K terms of use and CC BY-NC 4.0.
    Folder: ``<1K ... 11K>/<hash>/{transforms.json, images_8/frame_00001.png}``.
    Poses: ``transform_matrix`` is T_world_camera with x right, y up, z backwards (nerfstudio).
    Intrinsics: of the full images (w, h, fl_x, ...), scaled to those at hand; pixel centres at
    0.5 (COLMAP); k1, k2, p1, p2 are removed. Depth: none. Scale: up to scale.
    Format: README of github.com/DL3DV-10K/Dataset ("follows the NeRFStudio convention");
    docs.nerf.studio, "Data conventions"; github.com/cvg/depthsplat, convert_dl3dv_train.py.
    """

    name = "dl3dv"
    scale = Scale.UP_TO_SCALE

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(
            (path.parent / folder).is_dir()
            for path in root.glob("*K/*/transforms.json")
            for folder in FOLDERS
        )

    def scenes(self) -> list[str]:
        """``1K/hash``: every scene."""
        return sorted(
            str(path.parent.relative_to(self.root))
            for path in self.root.glob("*K/*/transforms.json")
        )

    def _entries(self, scene: str) -> Iterable[Entry]:
        folder = self.root / scene
        shot = json.loads((folder / "transforms.json").read_text(encoding="utf-8"))
        images = next((folder / name for name in FOLDERS if (folder / name).is_dir()), None)
        if images is None:
            raise DataError(f"{folder} has no images in {', '.join(FOLDERS)}")
        for entry in sorted(shot["frames"], key=lambda entry: entry["file_path"]):
            path = images / Path(entry["file_path"]).name
            yield path.stem, partial(_frame, path, {**shot, **entry})


def _frame(path: Path, entry: dict[str, Any]) -> Frame:
    """A frame of its entry, which repeats what holds for the whole scene."""
    width, height = image_size(path)
    x, y = width / entry["w"], height / entry["h"]
    if not np.isclose(x, y, rtol=0.02):
        raise DataError(
            f"{path} of {width}x{height} pixels is no {entry['w']}x{entry['h']} resized"
        )
    return Frame(
        name=path.stem,
        image=path,
        K=intrinsics(
            entry["fl_x"] * x, entry["fl_y"] * y, entry["cx"] * x, entry["cy"] * y, corner=0.5
        ),
        T_world_camera=opengl_to_optical(entry["transform_matrix"]),
        size=(width, height),
        lens=BrownLens(*(float(entry.get(name, 0.0)) for name in ("k1", "k2", "p1", "p2"))),
    )
