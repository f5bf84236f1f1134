# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a running node says of itself; the body of ``geloc3r status``."""

from __future__ import annotations

import os
import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.nodes.bare_node import bare_node

__all__ = ["read_status"]


def read_status(name: str, seconds: float) -> DiagnosticStatus:
    """Wait for the status of a node.

    Args:
        name: The node's, with its namespace.
        seconds: How long to wait.

    Raises:
        ConfigError: if none came.
    """
    topic = f"/{name.strip('/')}/status"
    found: list[DiagnosticStatus] = []
    with bare_node("geloc3r_status") as node:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(DiagnosticStatus, topic, found.append, latched)
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        until = time.monotonic() + seconds
        while not found and (left := until - time.monotonic()) > 0:
            executor.spin_once(timeout_sec=left)
        executor.shutdown()
    if not found:
        raise ConfigError(
            f"nothing came on {topic} within {seconds:g} s: is the node running, and in ROS "
            f"domain {os.environ.get('ROS_DOMAIN_ID', '0')}? --node names another"
        )
    return found[-1]
