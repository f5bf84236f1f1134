# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When each message of a bag is due, by hand-computed times."""

import itertools

import numpy as np
import pytest

from geloc3r_ros.errors import BagError, ConfigError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import LATCHED, BagReader, BagWriter
from geloc3r_ros.evaluation.playback import Excerpt, schedule

SECOND = 10**9
POSE = messages.pose_stamped(0, "a", np.eye(4))


@pytest.fixture
def bag(tmp_path):
    """Poses at 100.0, 100.5, 101.0, 101.5 s; a latched one at 100.2 s."""
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/pose", "geometry_msgs/msg/PoseStamped")
        bag.add_topic("/fixed", "geometry_msgs/msg/PoseStamped", LATCHED)
        for half in range(4):
            bag.write("/pose", 100 * SECOND + half * SECOND // 2, POSE)
        bag.write("/fixed", 100 * SECOND + SECOND // 5, POSE)
    with BagReader(tmp_path / "bag") as reader:
        yield reader


def times(bag, excerpt, topics=("/pose",), latched=(), most=100):
    messages = itertools.islice(schedule(bag, excerpt, topics, latched), most)
    return [(round(due, 6), m.topic) for due, m in messages]


def test_messages_are_due_as_they_were_recorded(bag):
    assert times(bag, Excerpt()) == [(t, "/pose") for t in (0.0, 0.5, 1.0, 1.5)]


def test_rate_divides_the_times(bag):
    assert times(bag, Excerpt(rate=4)) == [(t, "/pose") for t in (0.0, 0.125, 0.25, 0.375)]


def test_start_and_duration_cut_a_piece_out(bag):
    assert times(bag, Excerpt(start=0.25)) == [(t, "/pose") for t in (0.25, 0.75, 1.25)]
    assert times(bag, Excerpt(start=0.5, duration=1.0)) == [(0.0, "/pose"), (0.5, "/pose")]


def test_a_loop_keeps_the_rhythm(bag):
    looped = times(bag, Excerpt(loop=True), most=7)
    assert [t for t, _ in looped] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


def test_what_was_latched_before_the_start_comes_first(bag):
    topics = ("/pose", "/fixed")
    late = times(bag, Excerpt(start=1.0), topics, latched=["/fixed"])
    assert late == [(0.0, "/fixed"), (0.0, "/pose"), (0.5, "/pose")]
    early = times(bag, Excerpt(duration=0.5), topics, latched=["/fixed"])
    assert early == [(0.0, "/pose"), (0.2, "/fixed")]


def test_nothing_to_play_is_an_error(bag):
    with pytest.raises(BagError, match=r"lasts 1\.5 s; start is 2\.0 s"):
        times(bag, Excerpt(start=2.0))
    with pytest.raises(BagError, match=r"no messages on /fixed from 1\.0 s on"):
        times(bag, Excerpt(start=1.0, loop=True), ["/fixed"])


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"rate": float("nan")}, {"start": -1}, {"duration": 0}]
)
def test_numbers_out_of_range_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Excerpt(**wrong)
