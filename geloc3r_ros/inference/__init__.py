# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From images to relative poses."""

from geloc3r_ros.inference.estimator import RelativePoseEstimator
from geloc3r_ros.inference.images import read_image, undistort
from geloc3r_ros.inference.pose import Latency, PoseEstimate
from geloc3r_ros.inference.stream import PoseStream

__all__ = [
    "Latency",
    "PoseEstimate",
    "PoseStream",
    "RelativePoseEstimator",
    "read_image",
    "undistort",
]
