# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The configurations of the live view name topics, fields and panels that exist."""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
LAYOUT = json.loads((ROOT / "config" / "geloc3r.foxglove.json").read_text())
OF_THE_NODE = re.compile(
    r"/geloc3r/(debug_image|right/(pose|pose_with_covariance|relative_pose))|/diagnostics"
)
NOT_OF_THE_NODE = re.compile(r"/(left|right)/(image|camera_info)|/ground_truth/right/pose")


def panels(part):
    if isinstance(part, str):
        return [part]
    return [*panels(part["first"]), *panels(part["second"])]


def strings(part):
    if isinstance(part, dict):
        return [text for key, value in part.items() for text in (key, *strings(value))]
    if isinstance(part, list):
        return [text for value in part for text in strings(value)]
    return [part] if isinstance(part, str) else []


def test_each_panel_has_its_place():
    assert sorted(panels(LAYOUT["layout"])) == sorted(LAYOUT["configById"])


def test_topics_and_fields_are_those_of_the_node():
    fields = re.findall(r"^\w+ +(\w+)", (ROOT / "msg" / "RelativePose.msg").read_text(), re.M)
    topics = [text for text in strings(LAYOUT["configById"]) if text.startswith("/")]
    assert len(topics) > 8
    for topic in topics:
        name, _, field = topic.partition(".")
        assert OF_THE_NODE.fullmatch(name) or NOT_OF_THE_NODE.fullmatch(name), topic
        assert not field or field in fields, topic


def test_rviz_shows_topics_of_the_node():
    config = yaml.safe_load((ROOT / "config" / "geloc3r.rviz").read_text())
    topics = [text for text in strings(config) if text.startswith("/")]
    assert len(topics) >= 3
    assert all(OF_THE_NODE.fullmatch(topic) for topic in topics)
