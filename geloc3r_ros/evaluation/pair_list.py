# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A list of image pairs with their true poses: ``pairs.json``.

The file is an object::

    {"name": "my benchmark",
     "pairs": [{"images": ["a.jpg", "b.jpg"],     paths, from the folder of the file
                "K": [[[fx, 0, cx], [0, fy, cy], [0, 0, 1]], ...],   of both; leave out if unknown
                "T_a_b": [[...], [...], [...], [0, 0, 0, 1]],        pose of camera b in camera a
                "overlap": 0.4,                   share of a seen in b; may be left out
                "name": "kitchen 1-7"}]}          may be left out: the images' paths then

Optical axes, pixels with integer centres, metres (or a translation of length 1).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.geometry import Array, is_transform

__all__ = ["ImagePair", "PairList", "read_pairs"]

KEYS = {"images", "K", "T_a_b", "overlap", "name"}
RIGID = 1e-3
"""How far a rotation of the file may be from orthonormal; files carry few digits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImagePair:
    """Two images: paths, intrinsics (3, 3) or None, ``T_a_b`` (4, 4), overlap (NaN if unknown)."""

    name: str
    images: tuple[Path, Path]
    K: tuple[Array, Array] | None
    T_a_b: Array
    overlap: float


@dataclass(frozen=True)
class PairList:
    """A benchmark: its name and its pairs."""

    name: str
    pairs: list[ImagePair]


def read_pairs(path: Path) -> PairList:
    """Read and check a ``pairs.json``; images are looked for, not opened.

    Raises:
        ConfigError: naming the pair and the key that is wrong, and what it must be.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read the pairs {path}: {error}") from error
    entries = content.get("pairs") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f'{path} must be an object {{"pairs": [...]}} with one pair or more')
    pairs: dict[str, ImagePair] = {}
    for index, entry in enumerate(entries):
        try:
            pair = _pair(entry, path.parent)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}, pairs[{index}]: {error}") from error
        if pair.name in pairs:
            raise ConfigError(f"{path}, pairs[{index}]: the name {pair.name!r} is taken already")
        pairs[pair.name] = pair
    return PairList(str(content.get("name", path.stem)), list(pairs.values()))


def _pair(entry: Any, folder: Path) -> ImagePair:
    if not isinstance(entry, dict):
        raise ValueError(f"{entry!r} is not an object with images and T_a_b")
    if unknown := sorted(set(entry) - KEYS):
        raise ValueError(f"unknown keys {unknown}; known are {sorted(KEYS)}")
    if missing := sorted({"images", "T_a_b"} - set(entry)):
        raise ValueError(f"{' and '.join(missing)} missing")
    images = entry["images"]
    if not (isinstance(images, list) and len(images) == 2 and all(map(_is_text, images))):
        raise ValueError(f"images is {images!r}; it must be two paths")
    paths = (folder / images[0], folder / images[1])
    for image in paths:
        if not image.is_file():
            raise ValueError(f"images: there is no file {image}")
    T_a_b = _matrix(entry["T_a_b"], (4, 4), "T_a_b")
    if not is_transform(T_a_b, RIGID):
        raise ValueError(f"T_a_b is no rigid transform (rotation and 0 0 0 1): {T_a_b.tolist()}")
    Ks = entry.get("K")
    if Ks is not None and (not isinstance(Ks, list) or len(Ks) != 2):
        raise ValueError("K must be two matrices (3, 3), or left out")
    overlap = entry.get("overlap")
    if overlap is not None and not (isinstance(overlap, (int, float)) and 0 <= overlap <= 1):
        raise ValueError(f"overlap is {overlap!r}; it must be a number from 0 to 1")
    return ImagePair(
        name=str(entry.get("name", f"{images[0]} {images[1]}")),
        images=paths,
        K=None if Ks is None else (_intrinsics(Ks[0], "K[0]"), _intrinsics(Ks[1], "K[1]")),
        T_a_b=T_a_b,
        overlap=float("nan") if overlap is None else float(overlap),
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _matrix(value: Any, shape: tuple[int, int], name: str) -> Array:
    try:
        matrix = np.array(value, float)
    except (OverflowError, TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != shape or not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be {shape[0]} rows of {shape[1]} finite numbers: {value!r}")
    return matrix


def _intrinsics(value: Any, name: str) -> Array:
    K = _matrix(value, (3, 3), name)
    if K[0, 0] <= 0 or K[1, 1] <= 0 or K[2].tolist() != [0, 0, 1]:
        raise ValueError(f"{name} has focal lengths of 0 or less, or no last row 0 0 1: {value!r}")
    return K
