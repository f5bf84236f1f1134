# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A logger for each camera.

rclpy throttles by logger and line of code: with one logger for all, the first camera in trouble
would keep the others silent.
"""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.node import Node

__all__ = ["camera_loggers"]


def camera_loggers(node: Node, cameras: Iterable[str]) -> dict[str, RcutilsLogger]:
    """Children of the node's logger, ``geloc3r.left``, by camera."""
    return {camera: node.get_logger().get_child(camera.replace("/", ".")) for camera in cameras}
