# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images between two processes over DDS, with and without the shipped transport profile.

    python test/benchmark/benchmark_transport.py

Best effort, one camera, rgb8 at 30 Hz. Latency is from the stamp to the subscriber's callback.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

HELPER = Path(__file__).parents[1] / "helpers" / "camera_process.py"
SIZES = ("320x240", "640x480", "1280x720")


def listen(count: int) -> None:
    """Receive images until the camera falls silent; print the loss and the latency."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image

    rclpy.init()
    node = rclpy.create_node("listener")
    latencies = []

    def received(message: Image) -> None:
        stamp = message.header.stamp
        now = node.get_clock().now().nanoseconds
        latencies.append((now - stamp.sec * 10**9 - stamp.nanosec) / 1e6)

    node.create_subscription(Image, "/camera/image", received, qos_profile_sensor_data)
    while node.count_publishers("/camera/image") == 0:
        rclpy.spin_once(node, timeout_sec=0.1)
    while node.count_publishers("/camera/image") > 0:
        rclpy.spin_once(node, timeout_sec=0.1)
    p50, p99 = np.percentile(latencies, [50, 99]) if latencies else (np.nan, np.nan)
    print(f"{100 * (1 - len(latencies) / count):.1f} | {p50:.1f} | {p99:.1f}")
    rclpy.shutdown()


def measure(size: str, with_profile: bool, count: int) -> str:
    """Run one camera and one listener; return the listener's line."""
    from geloc3r_ros.nodes import transport

    environment = {k: v for k, v in os.environ.items() if k not in transport.VARIABLES}
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    environment["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
    if with_profile:
        environment |= transport.environment()
    listener = subprocess.Popen(
        [sys.executable, __file__, "--count", str(count), "--listen"],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    camera = [sys.executable, str(HELPER), "--topics", "/camera/image", "--size", size]
    camera += ["--rate", "30", "--count", str(count)]
    subprocess.run(camera, env=environment, check=True)
    return listener.communicate(timeout=60)[0].strip()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="images a run")
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.listen:
        listen(arguments.count)
    else:
        print("| image | profile | lost % | latency p50 ms | p99 ms |\n|---|---|---|---|---|")
        for size in SIZES:
            for with_profile in (False, True):
                line = measure(size, with_profile, arguments.count)
                print(
                    f"| {size} rgb8 | {'shipped' if with_profile else 'none'} | {line} |",
                    flush=True,
                )
