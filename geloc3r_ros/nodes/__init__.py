# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 side: the lifecycle node, replay and demo. Nothing else in the package needs rclpy."""
