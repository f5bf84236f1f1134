# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion of datasets that publish distorted images, and its removal.

Two families: the distortion of OpenCV and COLMAP maps ideal to measured points; that of VisualSFM
maps measured to ideal points.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array

__all__ = ["BrownLens", "Lens", "MeasurementLens"]

Image = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Lens:
    """Base of the families: says where an ideal image point was measured."""

    def measured(self, points: Array) -> Array:
        """Carry ideal normalised image points (N, 2) to measured ones (N, 2)."""
        raise NotImplementedError

    def undistort(self, image: Image, depth: Depth | None, K: Array) -> tuple[Image, Depth | None]:
        """Return image and depth of the ideal camera with the same K; black and 0 at the rim.

        Args:
            image: (H, W, 3).
            depth: (H, W) on the same pixels; taken from the nearest one, never mixed.
            K: (3, 3) intrinsics, integer pixel centres.
        """
        height, width = image.shape[:2]
        v, u = np.mgrid[:height, :width]
        rays = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3) @ np.linalg.inv(K).T
        source = np.pad(self.measured(rays[:, :2]), ((0, 0), (0, 1)), constant_values=1) @ K.T
        x, y = source[:, :2].T.astype(np.float32).reshape(2, height, width)
        ideal = np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR), np.uint8)
        if depth is not None:
            depth = np.asarray(cv2.remap(depth, x, y, cv2.INTER_NEAREST), np.float32)
        return ideal, depth


@dataclass(frozen=True)
class BrownLens(Lens):
    """The model OPENCV of COLMAP, ``plumb_bob`` of ROS."""

    k1: float
    k2: float
    p1: float = 0.0
    p2: float = 0.0

    def measured(self, points: Array) -> Array:
        """See the base class."""
        x, y = points.T
        r2 = x * x + y * y
        radial = 1 + self.k1 * r2 + self.k2 * r2 * r2
        return np.stack(
            [
                x * radial + 2 * self.p1 * x * y + self.p2 * (r2 + 2 * x * x),
                y * radial + self.p1 * (r2 + 2 * y * y) + 2 * self.p2 * x * y,
            ],
            axis=1,
        )


@dataclass(frozen=True)
class MeasurementLens(Lens):
    """VisualSFM's: a measured point m (normalised by the focal length) is m (1 + r |m|^2) ideally.

    Source: the notes on camera models of VisualSFM and Multicore Bundle Adjustment.
    """

    r: float

    def measured(self, points: Array) -> Array:
        """Solve ideal = m (1 + r |m|^2) for the length of m by Newton's method."""
        ideal = np.linalg.norm(points, axis=1)
        m = ideal.copy()
        for _ in range(10):
            m -= (m * (1 + self.r * m * m) - ideal) / (1 + 3 * self.r * m * m)
        return points * (m / np.maximum(ideal, 1e-12))[:, None]
