# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one sample type that every dataset yields."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.geometry import inverse, is_transform

__all__ = ["DataError", "Sample", "Scale", "read_sample", "write_sample"]


class DataError(GeLoc3rError):
    """Data on disk is missing, damaged or not what its format promises."""


class Scale(Enum):
    """What the lengths in a sample's poses and depths mean."""

    METRIC = "metric"
    UP_TO_SCALE = "up to scale"  # poses and depths share one unknown factor


@dataclass(frozen=True, kw_only=True)
class Sample:
    """V views of one static scene.

    Raises:
        DataError: if shapes disagree, a pose is not rigid or a focal length not positive.
    """

    images: npt.NDArray[np.uint8]  # (V, H, W, 3) RGB
    depths: npt.NDArray[np.float32] | None  # (V, H, W) z in the camera, 0 where unknown
    K: npt.NDArray[np.float64]  # (V, 3, 3) pixels, centres at the integers
    T_world_camera: npt.NDArray[np.float64]  # (V, 4, 4) optical frames
    scale: Scale
    source: str  # dataset, scene and frames, for messages and reports
    covisibility: npt.NDArray[np.float32] | None = None  # (V, V) see covisibility.py

    def __post_init__(self) -> None:
        views, shape = len(self.images), self.images.shape
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or shape[3] != 3:
            raise DataError(
                f"{self.source}: images are {self.images.dtype} {shape}, not uint8 (V, H, W, 3)"
            )
        if self.depths is not None and self.depths.shape != shape[:3]:
            raise DataError(f"{self.source}: depths {self.depths.shape} beside images {shape}")
        if self.K.shape != (views, 3, 3) or self.T_world_camera.shape != (views, 4, 4):
            raise DataError(
                f"{self.source}: K {self.K.shape} and poses {self.T_world_camera.shape} "
                f"for {views} views"
            )
        for view, (K, T) in enumerate(zip(self.K, self.T_world_camera, strict=True)):
            if not is_transform(T, tolerance=1e-4):
                raise DataError(f"{self.source}: pose of view {view} is not rigid: {T.tolist()}")
            if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
                raise DataError(f"{self.source}: K of view {view} is no camera: {K.tolist()}")

    def __len__(self) -> int:
        return len(self.images)

    def T_a_b(self, a: int, b: int) -> npt.NDArray[np.float64]:
        """Pose (4, 4) of the camera of view ``b`` in that of view ``a``."""
        return inverse(self.T_world_camera[a]) @ self.T_world_camera[b]


def write_sample(path: Path, sample: Sample) -> None:
    """Write a sample to one ``.npz`` file."""
    arrays: dict[str, Any] = {
        "images": sample.images,
        "depths": sample.depths,
        "K": sample.K,
        "T_world_camera": sample.T_world_camera,
        "covisibility": sample.covisibility,
        "scale": np.array(sample.scale.value),
        "source": np.array(sample.source),
    }
    np.savez_compressed(path, **{k: v for k, v in arrays.items() if v is not None})


def read_sample(path: Path) -> Sample:
    """Read what :func:`write_sample` wrote.

    Raises:
        DataError: if the file cannot be read or is not a sample.
    """
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return Sample(
            images=arrays["images"],
            depths=arrays.get("depths"),
            K=arrays["K"],
            T_world_camera=arrays["T_world_camera"],
            scale=Scale(str(arrays["scale"])),
            source=str(arrays["source"]),
            covisibility=arrays.get("covisibility"),
        )
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a sample ({error}); write it again") from error
