# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag to evaluate: some sets of the demo's moving scene."""

from pathlib import Path

import pytest

import geloc3r_ros
from geloc3r_ros.evaluation.bags import BagReader, BagWriter

MOVING = Path(geloc3r_ros.__file__).parent / "demo" / "moving"
FIRST, LAST = 16, 23
PERIOD = 2 * 10**8


@pytest.fixture(scope="session")
def moving_bag(tmp_path_factory):
    """Eight sets of the moving scene, while the robot drives."""
    path = tmp_path_factory.mktemp("bags") / "moving"
    with BagReader(MOVING) as source, BagWriter(path) as target:
        for topic in source.topics.values():
            target.add_topic(topic.name, topic.type)
        first, last = (source.start + i * PERIOD for i in (FIRST, LAST))
        for message in source.messages(start=first, stop=last + 1):
            target.write(message.topic, message.stamp, source.deserialize(message))
    return path
