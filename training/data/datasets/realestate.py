# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""RealEstate10K and ACID: videos of houses from inside and of coasts from the air."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from geloc3r_ros.geometry import Array, inverse
from geloc3r_training.data.datasets.base import Entry, Frame, Pair, PosedDataset
from geloc3r_training.data.datasets.files import image_size, intrinsics
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["Acid", "RealEstate10K"]


class RealEstate10K(PosedDataset):
    """RealEstate10K (Zhou et al., SIGGRAPH 2018), for training and testing.

    Download: the camera files of google.github.io/realestate10k; cut the frames out of the videos
    they name at their timestamps. For testing, assets/evaluation_index_re10k.json of
    github.com/dcharatan/pixelsplat: 7194 clips, 6474 of them with a pair.
    Licence: camera files CC BY 4.0 (Google); the videos are their uploaders'.
    Folder: ``{train,test}/<clip>.txt``, ``frames/{train,test}/<clip>/<timestamp>.{png,jpg}`` and
    ``evaluation_index_re10k.json``.
    Poses: a line is timestamp fx fy cx cy 0 0, then the 12 numbers of [R | t] of T_camera_world,
    optical axes. Intrinsics: shares of the image's width and height, 0 to 1 edge to edge.
    Depth: none. Scale: up to scale, another one for each clip.
    Test pairs: the two ``context`` frames of each clip in the index; they count the lines of the
    camera file. Clips whose entry is null, or whose frames are missing, have no pair.
    Format: the page's "Overview"; pixelSplat's src/dataset/dataset_re10k.py, and src/convert.py of
    github.com/dcharatan/real_estate_10k_tools, which takes the frames in the order of the lines.
    """

    name = "realestate10k"
    scale = Scale.UP_TO_SCALE
    splits = ("train", "test")
    index_name = "evaluation_index_re10k.json"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        is_acid = (root / Acid.index_name).exists()
        return is_acid == (cls is Acid) and any(root.glob("t*/*.txt")) and _has_frames(root)

    def scenes(self) -> list[str]:
        """Clips whose frames are there."""
        frames = self.root / "frames" / self.split
        files = sorted((self.root / self.split).glob("*.txt"))
        return [path.stem for path in files if (frames / path.stem).is_dir()]

    def pairs(self) -> list[Pair] | None:
        """The context pairs of the index; None for training."""
        if self.split != "test":
            return None
        path = self.root / self.index_name
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read ({error}); copy it from pixelSplat") from error
        pairs = []
        for scene in self.scenes():
            if index.get(scene) is not None:
                stamps = [line.split()[0] for line in self._lines(scene)]
                a, b = index[scene]["context"]
                pairs.append(Pair(scene, stamps[a], stamps[b]))
        return pairs

    def _lines(self, scene: str) -> list[str]:
        """Camera lines of a clip; the first line of its file is the video's address."""
        text = (self.root / self.split / f"{scene}.txt").read_text(encoding="utf-8")
        return [line for line in text.splitlines()[1:] if line.strip()]

    def _entries(self, scene: str) -> Iterable[Entry]:
        for line in self._lines(scene):
            yield line.split()[0], partial(self._frame, scene, line)

    def _frame(self, scene: str, line: str) -> Frame:
        stamp, *numbers = line.split()
        folder = self.root / "frames" / self.split / scene
        found = sorted(folder.glob(f"{stamp}.*"))
        if not found:
            raise DataError(f"{folder}/{stamp}.png or .jpg: there is no such file")
        values = np.array(numbers, float)
        if values.shape != (18,):
            raise DataError(f"a camera has 18 numbers, not {values.size}")
        width, height = image_size(found[0])
        scale = np.array([width, height, width, height])
        return Frame(
            name=stamp,
            image=found[0],
            K=intrinsics(*(values[:4] * scale), corner=0.5),
            T_world_camera=inverse(_homogeneous(values[6:])),
            size=(width, height),
        )


class Acid(RealEstate10K):
    """ACID, Aerial Coastline Imagery (Liu et al., ICCV 2021), for testing.

    Download: the camera files of infinite-nature.github.io, and frames as for RealEstate10K;
    assets/evaluation_index_acid.json of pixelSplat: 1848 clips, 1595 of them with a pair.
    Licence: camera files CC BY 4.0 (Google); the videos are their uploaders'.
    Folder, poses, intrinsics, scale and pairs: as :class:`RealEstate10K`, with
    ``evaluation_index_acid.json``, which tells the two apart and must be there.
    """

    name = "acid"
    splits = ("test", "train")
    index_name = "evaluation_index_acid.json"


def _has_frames(root: Path) -> bool:
    return any(root.glob("frames/t*/*"))


def _homogeneous(rows: Array) -> Array:
    return np.vstack([rows.reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])
