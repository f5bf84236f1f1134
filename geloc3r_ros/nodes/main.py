# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The process of the node: `ros2 run geloc3r_ros geloc3r_node`."""

from __future__ import annotations

import contextlib
import signal
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; both end it in good order, with exit code 0."""
    with contextlib.suppress(KeyboardInterrupt):
        _run(arguments)
    _ignore_signals()
    return 0


def _run(arguments: list[str] | None) -> None:
    try:
        import rclpy
        from rclpy.exceptions import ParameterException
        from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
        from rclpy.lifecycle import TransitionCallbackReturn

        from geloc3r_ros.nodes.node import GeLoc3rNode
    except ModuleNotFoundError as error:
        sys.exit(
            f"geloc3r_node needs the module '{error.name}', which this Python lacks: "
            f"{sys.executable}. Activate the environment that has it, then start the node"
        )
    try:
        rclpy.init(args=arguments)
        node = GeLoc3rNode()
    except (RuntimeError, ParameterException) as error:  # rclpy's RCLError has no public name
        sys.exit(
            f"geloc3r_node cannot start: {error}. Mend the arguments after --ros-args or the "
            "parameter file; if it is the log directory, set ROS_LOG_DIR to a writable one"
        )
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if node.autostart and node.trigger_configure() is TransitionCallbackReturn.SUCCESS:
            node.trigger_activate()
        while rclpy.ok():
            try:
                executor.spin()
            except ExternalShutdownException:
                break
            except Exception as error:
                # A signal that comes while the executor prepares to wait raises here too.
                if rclpy.ok():
                    node.report_lost_message(error)
    finally:
        _ignore_signals()
        node.close()
        rclpy.try_shutdown()


def _ignore_signals() -> None:
    """Let no second signal break the end: launch and the terminal may both send one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
