# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion of datasets that publish distorted images, and its removal.

Two families: the distortion of OpenCV and COLMAP maps ideal to measured points; that of VisualSFM
maps measured to ideal points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array

__all__ = ["BrownLens", "Lens", "MeasurementLens"]

Image = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]

TABLE = 4096
"""Lengths of which a distortion that has to be solved for is tabulated."""


class Lens(ABC):
    """Base of the families."""

    @abstractmethod
    def sources(self, K: Array, size: tuple[int, int]) -> tuple[Map, Map]:
        """Columns and rows (H, W) where the pixels of the ideal image were measured.

        Args:
            K: (3, 3) intrinsics of both, integer pixel centres.
            size: width and height of both.
        """

    def undistort(self, image: Image, depth: Map | None, K: Array) -> tuple[Image, Map | None]:
        """Return image and depth of the ideal camera with the same K; black and 0 at the rim.

        Args:
            image: (H, W, 3).
            depth: (H, W) on the same pixels; taken from the nearest one, never mixed.
            K: (3, 3) intrinsics, integer pixel centres.
        """
        x, y = self.sources(K, (image.shape[1], image.shape[0]))
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

    def sources(self, K: Array, size: tuple[int, int]) -> tuple[Map, Map]:
        """See the base class."""
        D = np.array([self.k1, self.k2, self.p1, self.p2])
        x, y = cv2.initUndistortRectifyMap(K, D, np.eye(3), K, size, cv2.CV_32FC1)
        return np.asarray(x, np.float32), np.asarray(y, np.float32)


@dataclass(frozen=True)
class MeasurementLens(Lens):
    """VisualSFM's: a measured point m (normalised by the focal length) is m (1 + r |m|^2) ideally.

    Source: the notes on camera models of VisualSFM and Multicore Bundle Adjustment.
    """

    r: float

    def sources(self, K: Array, size: tuple[int, int]) -> tuple[Map, Map]:
        """Solve ideal = m (1 + r |m|^2) for the length of m by Newton's method, in a table."""
        v, u = np.mgrid[: size[1], : size[0]]
        x, y = (u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]
        length = np.hypot(x, y)
        ideal = np.linspace(0, length.max(), TABLE)
        m = ideal.copy()
        for _ in range(10):
            m -= (m * (1 + self.r * m * m) - ideal) / (1 + 3 * self.r * m * m)
        shrunk = np.interp(length, ideal[1:], m[1:] / ideal[1:])
        columns, rows = x * shrunk * K[0, 0] + K[0, 2], y * shrunk * K[1, 1] + K[1, 2]
        return columns.astype(np.float32), rows.astype(np.float32)
