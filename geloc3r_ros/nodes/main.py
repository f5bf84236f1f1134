# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The process of the node: `ros2 run geloc3r_ros geloc3r_node`."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; both end it in good order, with exit code 0."""
    with contextlib.suppress(KeyboardInterrupt):
        import rclpy
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

        from geloc3r_ros.nodes.node import GeLoc3rNode

        rclpy.init(args=arguments)
        node = GeLoc3rNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            if node.autostart:
                node.trigger_configure()
                node.trigger_activate()
            with contextlib.suppress(ExternalShutdownException):
                executor.spin()
        finally:
            node.close()
            rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
