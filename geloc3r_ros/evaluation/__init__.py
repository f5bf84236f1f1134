# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings and trajectories: reading and writing them without ROS."""

from geloc3r_ros.evaluation.bags import BagReader, BagWriter
from geloc3r_ros.evaluation.trajectories import read_tum, write_tum

__all__ = ["BagReader", "BagWriter", "read_tum", "write_tum"]
