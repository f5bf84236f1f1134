# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Photographs as textures, and views of what they cover."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array
from geloc3r_training.data.datasets.files import read_rgb
from geloc3r_training.data.photometric import GAMMA

__all__ = ["Image", "Map", "Picture", "Random", "View", "far_away", "rays", "read_picture", "view"]

Image = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]
Random = np.random.Generator

LARGEST = 1024
"""Longer side of a photograph, pixels; finer detail no view shows."""
SMALLEST = 64
"""Shorter side from which on a picture is not halved any more, pixels."""


class View(NamedTuple):
    """What a camera shows."""

    light: Map
    """Linear, RGB, (H, W, 3)."""
    depth: Map
    """(H, W), 0 where it is unknown."""
    K: Array
    T_world_camera: Array


class Picture:
    """A photograph, RGB (H, W, 3), to be looked up at any scale; it goes on mirrored."""

    def __init__(self, image: Image) -> None:
        self.height, self.width = image.shape[:2]
        self._levels = [image]
        while min(self._levels[-1].shape[:2]) > SMALLEST:
            self._levels.append(np.asarray(cv2.pyrDown(self._levels[-1]), np.uint8))

    def colours(self, u: Map, v: Map, footprint: Map | float) -> Image:
        """Colours (h, w, 3) at columns and rows (h, w), float32.

        Args:
            u: columns of the picture, integer at pixel centres.
            v: its rows.
            footprint: how many of its pixels a pixel of the view is wide.
        """
        level = np.round(np.log2(np.maximum(footprint, 1e-3))).astype(int)
        level = np.broadcast_to(level.clip(0, len(self._levels) - 1), u.shape)
        found = np.zeros((*u.shape, 3), np.uint8)
        for one in np.unique(level):
            shift = np.float32(2.0**-one)
            column, row = ((x + np.float32(0.5)) * shift - np.float32(0.5) for x in (u, v))
            colours = cv2.remap(
                self._levels[one], column, row, cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT
            )
            here = level == one
            found[here] = colours[here]
        return found


def read_picture(file: Path) -> Image:
    """Read a photograph, shrunk to :data:`LARGEST`."""
    image = read_rgb(file)
    scale = LARGEST / max(image.shape[:2])
    if scale >= 1:
        return image
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def rays(K: Array, size: tuple[int, int]) -> Array:
    """Rays (H, W, 3) of depth 1 through the pixels of a view."""
    row, column = np.mgrid[: size[0], : size[1]].astype(float)
    x, y = (column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1]
    return np.stack((x, y, np.ones_like(row)), -1)


def far_away(panorama: Image, turned: Array) -> Image:
    """Colours (H, W, 3) of what is infinitely far, along rays (H, W, 3) of the world."""
    height, width = panorama.shape[:2]
    angle = np.arctan2(turned[..., 0], turned[..., 2])
    rise = np.arctan2(turned[..., 1], np.hypot(turned[..., 0], turned[..., 2]))
    column = ((angle / (2 * np.pi) + 0.5) * (width - 1)).astype(np.float32)
    row = ((rise / np.pi + 0.5) * (height - 1)).astype(np.float32)
    return np.asarray(cv2.remap(panorama, column, row, cv2.INTER_LINEAR), np.uint8)


def view(
    colours: Image, depth: Map, known: npt.NDArray[np.bool_], K: Array, T_world_camera: Array
) -> View:
    """Make a view of stored colours (H, W, 3), with depth (H, W) where it is known."""
    light = (colours.astype(np.float32) / 255) ** np.float32(GAMMA)
    return View(light, np.where(known, depth, 0).astype(np.float32), K, T_world_camera)
