# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The textures of a scene: photographs from a folder, or procedural ones.

An atlas keeps every texture at the same square size with all its mip levels, stored as the square
root of linear light, so that the renderer filters by footprint and undoes it with one product.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ImageError
from geloc3r_training.data.procedural_textures import PICTURES, SURFACES, procedural_texture

__all__ = ["TextureAtlas", "is_held_out", "load_atlas", "procedural_atlas"]

HELD_OUT_SEED = 1_000_000
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True)
class TextureAtlas:
    """L textures of one size."""

    texels: npt.NDArray[np.uint8]  # (L, texels of all levels, 3)
    level_start: npt.NDArray[np.int32]  # (levels + 1,)
    names: tuple[str, ...]  # (L,)

    def __len__(self) -> int:
        return len(self.names)

    def named(self, with_any: str, without: str = "^$") -> npt.NDArray[np.int64]:
        """Indices of the textures whose name matches one pattern but not the other.

        If there is none, the indices of all.
        """
        wanted, unwanted = re.compile(with_any), re.compile(without)
        found = [
            i
            for i, name in enumerate(self.names)
            if wanted.search(name) and not unwanted.search(name)
        ]
        return np.array(found or range(len(self.names)))

    @classmethod
    def from_images(
        cls, images: Iterable[npt.NDArray[np.uint8]], names: Iterable[str], size: int
    ) -> TextureAtlas:
        """Build the mip levels of sRGB images (H, W, 3); ``size`` is a power of two."""
        sides = [size >> level for level in range(size.bit_length())]
        level_start = np.cumsum([0] + [side * side for side in sides]).astype(np.int32)
        names = tuple(names)
        texels = np.empty((len(names), level_start[-1], 3), np.uint8)
        for rows, image in zip(texels, images, strict=True):
            light = _linear(image)
            for side, start, end in zip(sides, level_start, level_start[1:], strict=False):
                light = np.asarray(cv2.resize(light, (side, side), interpolation=cv2.INTER_AREA))
                rows[start:end] = np.rint(255 * np.sqrt(light.clip(0, 1))).reshape(-1, 3)
        return cls(texels, level_start, names)


def _linear(srgb: npt.NDArray[np.uint8]) -> npt.NDArray:
    x = srgb.astype(np.float32) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def procedural_atlas(count: int = 96, size: int = 256, held_out: bool = False) -> TextureAtlas:
    """An atlas of ``count`` procedural textures; the held-out ones come of other seeds."""
    kinds = [f"surface/{kind}" for kind in SURFACES] + [f"picture/{kind}" for kind in PICTURES]
    first = HELD_OUT_SEED if held_out else 0
    named = [(kinds[i % len(kinds)], first + i // len(kinds)) for i in range(count)]
    images = (procedural_texture(kind.split("/")[1], seed, size) for kind, seed in named)
    return TextureAtlas.from_images(images, [f"{kind}-{seed}" for kind, seed in named], size)


def load_atlas(
    folder: Path, count: int = 512, size: int = 256, held_out: bool = False
) -> TextureAtlas:
    """An atlas of images of a folder, at most three quarters of it, and procedural ones.

    Images below a folder named ``surface`` cover walls and floors, those below ``picture`` hang in
    frames and stand at the horizon, others do either. A tenth of the files, by the hash of what
    is in them, is for testing only.

    Args:
        folder: searched with all below it for .jpg, .jpeg, .png and .webp files.
        count: textures in the atlas, at most; files are drawn without replacement.
        size: pixels a side, a power of two.
        held_out: take the files for testing instead of those for training.

    Raises:
        ImageError: if the folder holds no image of the wanted part, or one cannot be read.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    files = [file for file in files if is_held_out(file.read_bytes()) == held_out]
    if not files:
        part = "for testing" if held_out else "for training"
        raise ImageError(f"no image {part} below {folder}; a tenth of at least 30 is for testing")
    chosen = np.random.default_rng(len(files)).permutation(len(files))[: max(3 * count // 4, 1)]
    files = [files[i] for i in sorted(chosen)]
    read = TextureAtlas.from_images(map(_read, files), map(_name, files), size)
    made = procedural_atlas(count - len(files), size, held_out)
    return TextureAtlas(
        np.concatenate([read.texels, made.texels]), read.level_start, read.names + made.names
    )


def is_held_out(data: bytes) -> bool:
    """Whether a texture file of this content is for testing only: one in ten, by its hash."""
    return hashlib.sha256(data).digest()[0] * 10 < 256


def _name(file: Path) -> str:
    use = next((p for p in reversed(file.parts[:-1]) if p in ("surface", "picture")), "any")
    return f"{use}/{file.name}"


def _read(file: Path) -> npt.NDArray[np.uint8]:
    image = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ImageError(f"{file} cannot be read as an image; remove it from the folder")
    h, w = image.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return np.asarray(image[top : top + side, left : left + side], np.uint8)
