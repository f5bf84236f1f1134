# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MegaDepth: tourist photographs of landmarks; with the pairs of MegaDepth1500."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import inverse
from geloc3r_training.data.datasets.base import Entry, Frame, Pair, PosedDataset
from geloc3r_training.data.datasets.files import intrinsics, read_npz_objects
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["MegaDepth", "MegaDepth1500"]

BENCHMARK_SCENES = ("0015", "0022")
"""MegaDepth1500 is drawn from them: they are never trained on."""


class MegaDepth(PosedDataset):
    """MegaDepth (Li & Snavely, CVPR 2018), for training; undistorted as D2-Net does.

    Download: MegaDepth_v1 and the SfM models of cs.cornell.edu/projects/megadepth; undistort
    them with github.com/mihaidusmanu/d2-net ("Downloading and preprocessing the MegaDepth
    dataset"), or take its images and the index that github.com/zju3dv/LoFTR links in
    docs/TRAINING.md.
    Licence: CC BY 4.0 (depths and models); the photographs keep their owners' licences.
    Folder: ``Undistorted_SfM/``, ``phoenix/S6/zl548/MegaDepth_v1/`` and the index
    ``scene_info/<scene>.npz`` or LoFTR's ``index/scene_info_0.1_0.7/*.npz``: image_paths,
    depth_paths, intrinsics (N, 3, 3), poses (N, 4, 4); entries without an image are None.
    Poses: T_camera_world, optical axes (COLMAP). Intrinsics: COLMAP, pixel centres at 0.5.
    Depth: HDF5, ``depth``, 0 where unknown; maps that order instead of measure hold negative
    numbers and are refused. Scale: up to scale, another one for each scene.
    Format: D2-Net's megadepth_utils (undistort_reconstructions.py calls COLMAP's
    image_undistorter, preprocess_scene.py writes the index); LoFTR's src/datasets/megadepth.py.
    """

    name = "megadepth"
    scale = Scale.UP_TO_SCALE
    splits: ClassVar[tuple[str, ...]] = ("train",)
    indices: ClassVar[tuple[str, ...]] = ("scene_info/*.npz", "index/scene_info_0.1_0.7/*.npz")
    fields: ClassVar[tuple[str, ...]] = ("image_paths", "depth_paths", "intrinsics", "poses")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(cls._index_files(root))

    @classmethod
    def _index_files(cls, root: Path) -> list[Path]:
        return sorted(path for pattern in cls.indices for path in root.glob(pattern))

    def scenes(self) -> list[str]:
        """Names of the index files, without those of the scenes of MegaDepth1500."""
        names = [path.stem for path in self._index_files(self.root)]
        return [name for name in names if not name.startswith(BENCHMARK_SCENES)]

    def _index(self, scene: str) -> dict[str, Any]:
        for path in self._index_files(self.root):
            if path.stem == scene:
                return _read_index(path, self.fields)
        raise DataError(f"{self.root} has no index of the scene {scene}")

    def _entries(self, scene: str) -> Iterable[Entry]:
        index = self._index(scene)
        for i, image in enumerate(index["image_paths"]):
            if image is not None:
                yield Path(str(image)).stem, partial(self._frame, index, i)

    def _frame(self, index: dict[str, Any], i: int) -> Frame:
        K = np.array(index["intrinsics"][i], float)
        image, depth = index["image_paths"][i], index["depth_paths"][i]
        if depth is None:
            raise DataError("the index has no depth map of it")
        return Frame(
            name=Path(str(image)).stem,
            image=self.root / str(image),
            K=intrinsics(K[0, 0], K[1, 1], K[0, 2], K[1, 2], corner=0.5),
            T_world_camera=inverse(np.array(index["poses"][i], float)),
            depth=self.root / str(depth),
        )

    def _read_depth(self, frame: Frame) -> npt.NDArray[np.float32]:
        try:
            import h5py  # this dataset alone needs it
        except ImportError as error:
            raise DataError("MegaDepth needs h5py: pip install geloc3r_ros[training]") from error
        assert frame.depth is not None
        try:
            with h5py.File(frame.depth, "r") as file:
                depth = np.asarray(file["depth"], np.float32)
        except (OSError, KeyError) as error:
            raise DataError(f"{frame.depth} is no depth map of MegaDepth ({error})") from error
        if depth.min() < 0:
            raise DataError(f"{frame.depth} orders what it sees instead of measuring it")
        return np.where(np.isfinite(depth), depth, 0).astype(np.float32)


class MegaDepth1500(MegaDepth):
    """MegaDepth1500 (Sun et al., CVPR 2021), for testing: 1500 pairs of scenes 0015 and 0022.

    Download: ``megadepth_test_1500.tar`` as github.com/zju3dv/LoFTR says in docs/TRAINING.md, and
    assets/megadepth_test_1500_scene_info of that repository.
    Folder: as :class:`MegaDepth`, the index in ``megadepth_test_1500_scene_info/``: five files
    ``0015_0.1_0.3.npz`` and so on, each a pickled dictionary with 300 ``pair_infos``: ((i, j),
    overlap, matches).
    Licence, poses, intrinsics and scale: as there. Depth is read where its files are there.
    """

    name = "megadepth1500"
    splits = ("test",)
    indices = ("megadepth_test_1500_scene_info/*.npz",)
    fields = (*MegaDepth.fields, "pair_infos")

    def scenes(self) -> list[str]:
        """Names of the index files: one for a scene and a range of overlap."""
        return [path.stem for path in self._index_files(self.root)]

    def pairs(self) -> list[Pair]:
        """The pairs in the order of the index."""
        pairs = []
        for scene in self.scenes():
            index = self._index(scene)
            names = [None if p is None else Path(str(p)).stem for p in index["image_paths"]]
            for (a, b), *_ in index["pair_infos"]:
                if names[a] is None or names[b] is None:
                    raise DataError(f"{scene}: pair {a}, {b} is of an image the index lacks")
                pairs.append(Pair(scene, str(names[a]), str(names[b])))
        return pairs

    def _frame(self, index: dict[str, Any], i: int) -> Frame:
        frame = super()._frame(index, i)
        assert frame.depth is not None
        return frame if frame.depth.is_file() else replace(frame, depth=None)


@cache
def _read_index(path: Path, fields: tuple[str, ...]) -> dict[str, Any]:
    return read_npz_objects(path, fields)
