# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robots to test the node with."""

import pytest
import rclpy
from helpers.robot import OPEN, Robot

from geloc3r_ros.inference import RelativePoseEstimator


@pytest.fixture(scope="session")
def estimator():
    """The estimator that the node uses too."""
    return RelativePoseEstimator.load("tiny", device="cpu", precision="fp32")


@pytest.fixture
def robot():
    """Make robots; all are taken apart at the end."""
    rclpy.init()
    robots = []

    def make(parameters=None, cli_args=None):
        defaults = {**OPEN, "device": "cpu", "precision": "fp32"}
        robots.append(Robot({**defaults, **(parameters or {})}, cli_args))
        return robots[-1]

    yield make
    for made in robots:
        made.close()
    rclpy.try_shutdown()
