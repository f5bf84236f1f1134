# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every test process has a DDS domain of its own on this machine, with the shipped profile."""

import os
import signal
from importlib.util import find_spec

from hypothesis import settings

# A busy machine is no failure, and each run tries the same; `make fuzz` looks for something new.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=10_000)
settings.load_profile("repeatable")

os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if find_spec("rclpy") is not None:
    from geloc3r_ros.nodes import transport

    os.environ.update(transport.environment())

# A shell's background jobs ignore SIGINT, and so would every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
