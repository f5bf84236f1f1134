# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cutting views to the sizes the network takes, with the K and depth of what remains."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.inference.preprocess import Framing
from geloc3r_training.data.datasets.base import View
from geloc3r_training.data.sample import DataError

__all__ = ["benchmark_size", "crop", "is_portrait"]

PORTRAIT = 1.1
"""Height over width above which an image is portrait; near-square ones are landscape."""


def is_portrait(width: int, height: int) -> bool:
    """Whether an image is cut to a portrait size, by the benchmarks' rule."""
    return height > PORTRAIT * width


def benchmark_size(width: int, height: int) -> tuple[int, int]:
    """Height and width that the benchmarks cut an image to."""
    return (512, 384) if is_portrait(width, height) else (384, 512)


def crop(view: View, size: tuple[int, int], zoom: float = 1.0) -> View:
    """Cut the largest part that is centred on the principal point, and resize it.

    Args:
        view: any size.
        size: height and width to return.
        zoom: at least 1; cuts a part that is smaller by this factor.

    Raises:
        DataError: if the principal point is not inside the image.
    """
    height, width = view.image.shape[:2]
    out = size[1], size[0]
    centre = view.K[:2, 2] + 0.5  # counted from the corner of the image
    reach = np.minimum(centre, np.subtract((width, height), centre))
    if reach.min() < 1:
        raise DataError(
            f"the principal point {tuple(view.K[:2, 2])} is not inside {width}x{height} pixels"
        )
    extent = np.array(out) * np.min(2 * reach / out) / zoom
    part = np.clip(np.rint(extent), 1, (width, height)).astype(int)
    corner = np.clip(np.rint(centre - part / 2), 0, np.subtract((width, height), part)).astype(int)
    left, top, wide, high = (int(x) for x in (*corner, *part))
    framing = Framing((left, top, wide, high), out, (0, 0, *out))
    depth = None
    if view.depth is not None:
        depth = _nearest(view.depth[top : top + high, left : left + wide], out)
    return View(framing.pixels(view.image), depth, framing.intrinsics(view.K), view.T_world_camera)


def _nearest(depth: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Resize without mixing near and far, pixel centre to nearest pixel centre."""
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT), np.float32)
