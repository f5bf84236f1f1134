# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intrinsics of the images at hand from sensor_msgs/CameraInfo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError

__all__ = ["Intrinsics"]

Array = npt.NDArray[np.float64]

SHORTEST_FOCAL, LARGEST = 1e-3, 1e9
"""No camera's focal length, in pixels, is below the first, and no number of it beyond the second;
what is computed with numbers like that would not stay finite."""


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """Intrinsics of one camera's images.

    ``K`` (3, 3) in pixels with integer pixel centres; ``D`` (N,) of the model named
    ``distortion_model``; ``baseline`` in metres, 0 where camera_info has none.
    """

    K: Array
    D: Array
    distortion_model: str
    width: int
    height: int
    baseline: float

    @classmethod
    def from_message(cls, message: Any, *, rectified: bool = False) -> Intrinsics:
        """Read a CameraInfo, with its binning and region of interest applied.

        Args:
            message: sensor_msgs/CameraInfo, of rclpy or of rosbags.
            rectified: the images are rectified already: their intrinsics are P, and nothing is
                left to undistort.

        Raises:
            ConfigError: if the camera is not calibrated or the values are impossible.
        """
        P = np.array(message.p, float).reshape(3, 4)
        K = P[:, :3].copy() if rectified else np.array(message.k, float).reshape(3, 3)
        D = np.zeros(0) if rectified else np.array(message.d, float)
        if not all((np.abs(a) <= LARGEST).all() for a in (K, D, P)):
            raise ConfigError(
                f"camera_info has values that are beyond {LARGEST:g} or not finite; "
                "calibrate the camera"
            )
        if min(K[0, 0], K[1, 1]) < SHORTEST_FOCAL:
            matrix = "P" if rectified else "K"
            raise ConfigError(
                f"camera_info has focal lengths {K[0, 0]:g}, {K[1, 1]:g} in {matrix}; "
                "calibrate the camera"
            )
        roi = message.roi
        whole = roi.width == 0 or roi.height == 0
        width, height = (message.width, message.height) if whole else (roi.width, roi.height)
        bins = np.array([max(message.binning_x, 1), max(message.binning_y, 1)])
        corner = np.zeros(2) if whole else np.array([roi.x_offset, roi.y_offset], float)
        K[:2, 2] = (K[:2, 2] - corner + 0.5) / bins - 0.5
        K[:2, :2] /= bins[:, None]
        return cls(
            K=K,
            D=D,
            distortion_model="plumb_bob" if rectified else message.distortion_model,
            width=int(width // bins[0]),
            height=int(height // bins[1]),
            baseline=float(-P[0, 3] / P[0, 0]) if P[0, 0] >= SHORTEST_FOCAL else 0.0,
        )

    def check_size(self, width: int, height: int) -> None:
        """Check that these are intrinsics of an image of this size.

        Raises:
            ConfigError: if they are not.
        """
        if (width, height) != (self.width, self.height):
            raise ConfigError(
                f"camera_info is for {self.width}x{self.height}, the image has {width}x{height}; "
                "calibrate at the size in use"
            )
