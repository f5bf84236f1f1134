# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that was freed does not stay with the process."""

import psutil
from helpers.robot import wait_until

from geloc3r_ros.nodes import node

MB = 2**20


def resident():
    return psutil.Process().memory_info().rss


def test_freed_memory_is_given_back_while_the_node_runs(robot, monkeypatch):
    monkeypatch.setattr(node, "MEMORY_SECONDS", 0.2)
    robot()
    small = [bytes(100_000) for _ in range(1000)]  # too small to be mapped one by one
    last, full = bytes(100_000), resident()
    del small  # what lies below the last one is free, but glibc keeps it
    assert wait_until(lambda: resident() < full - 60 * MB, 5.0)
    assert len(last) == 100_000
