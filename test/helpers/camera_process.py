# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras in a process of their own: best-effort rgb8 images at a steady rate.

python test/helpers/camera_process.py --topics /left/image /right/image --rate 10 --count 100
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

SLIDE = 10_000
"""Pixels; after so many images they repeat."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--topics", nargs="+", required=True)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))

    rclpy.init()
    node = rclpy.create_node("cameras")
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    cameras = [node.create_publisher(Image, topic, qos) for topic in arguments.topics]
    while any(camera.get_subscription_count() == 0 for camera in cameras):
        time.sleep(0.05)
    time.sleep(1.0)  # the subscribers find the publishers a little later

    rng = np.random.default_rng(0)
    message = Image(width=width, height=height, step=3 * width, encoding="rgb8")
    # A window that slides over noise: every image is new, or the node would remember it.
    noise = rng.integers(0, 256, 3 * (width * height + SLIDE), np.uint8).tobytes()
    start = time.monotonic()
    for k in range(arguments.count):
        time.sleep(max(start + k / arguments.rate - time.monotonic(), 0))
        stamp = node.get_clock().now().to_msg()
        for i, camera in enumerate(cameras):
            message.header.stamp = stamp
            message.header.frame_id = f"camera_{i}_optical"
            start_of_image = 3 * ((k * len(cameras) + i) % SLIDE)
            message.data = noise[start_of_image : start_of_image + 3 * width * height]
            camera.publish(message)
    time.sleep(1.0)
    rclpy.shutdown()


if __name__ == "__main__":
    main()
