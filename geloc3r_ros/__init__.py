# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Relative camera pose from two images, for ROS 2."""

__version__ = "0.1.0"
