# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robots to test the node with."""

import pytest
import rclpy
from helpers.robot import OPEN, Robot, wait_until
from rclpy.executors import SingleThreadedExecutor

from geloc3r_ros.inference import RelativePoseEstimator


@pytest.fixture(scope="session")
def estimator():
    """The estimator that the node uses too."""
    return RelativePoseEstimator.load("tiny", device="cpu", precision="fp32")


@pytest.fixture
def client():
    """A node that calls services, publishes and listens; ``spin_until`` spins it meanwhile."""
    rclpy.init()
    node = rclpy.create_node("client")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    node.spin_until = lambda condition, seconds=60.0: wait_until(
        lambda: (executor.spin_once(timeout_sec=0.02), condition())[1], seconds
    )
    yield node
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


@pytest.fixture
def robot():
    """Make robots; all are taken apart at the end."""
    rclpy.init()
    robots = []

    def make(parameters=None, cli_args=None):
        defaults = {**OPEN, "device": "cpu", "precision": "fp32", "diagnostics.period": 0.1}
        robots.append(Robot({**defaults, **(parameters or {})}, cli_args))
        return robots[-1]

    yield make
    for made in robots:
        made.close()
    rclpy.try_shutdown()
