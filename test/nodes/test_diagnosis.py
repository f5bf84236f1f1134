# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each answer to "why is there no pose?", in words, and which of them comes first."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from geloc3r_ros.nodes import statistics
from geloc3r_ros.nodes.diagnosis import NodeState, diagnose
from geloc3r_ros.nodes.parameters import Settings
from geloc3r_ros.nodes.statistics import Statistics

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
ACTIVE = NodeState(
    lifecycle="active",
    enabled=True,
    trained=True,
    estimator={"weights": "tiny", "device": "cuda:0", "precision": "bf16"},
    topics={"left": "/left/image", "right": "/right/image"},
    publishers={"left": 1, "right": 1},
    other_types={},
)


class Bench:
    """Statistics under a clock moved by hand, and the verdict on them."""

    def __init__(self, clock):
        self.clock, self.counted, self.settings = clock, Statistics(), Settings()

    def run(self, *events, seconds=10.0):
        """Let these events happen ten times a second; the default is a healthy node's."""
        for _ in range(round(10 * seconds)):
            self.clock.now += 0.1
            for event in events:
                answers = "matched" if event in ("processed", "refused") else ""
                self.counted.count(event, answers=answers)
        return self

    def healthy(self, seconds=10.0, without=()):
        events = ("received left", "received right", "matched", "processed", "valid")
        return self.run(*(e for e in events if e not in without), seconds=seconds)

    def status(self, state=ACTIVE):
        return diagnose("geloc3r: relative pose", state, self.settings, self.counted)

    def verdict(self, state=ACTIVE):
        status = self.status(state)
        return status.level, status.message


@pytest.fixture
def bench(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(statistics, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return Bench(clock)


def test_all_is_well(bench):
    assert bench.healthy().verdict() == (OK, "10.0 sets a second")


def test_at_the_start_it_waits(bench):
    assert bench.verdict() == (OK, "waiting for the first pose")


@pytest.mark.parametrize("lifecycle", ["unconfigured", "inactive", "finalized"])
def test_a_node_that_is_not_active_says_so(bench, lifecycle):
    state = replace(ACTIVE, lifecycle=lifecycle, topics={}, publishers={})
    bench.counted.remember("error", "no transform base_link <- left")  # of a set, long ago
    assert bench.verdict(state) == (OK, f"{lifecycle}: no poses are estimated")
    bench.counted.remember("failed transition", "weights nowhere does not exist")
    assert bench.verdict(state) == (
        ERROR,
        f"{lifecycle}: no poses are estimated; last error: weights nowhere does not exist",
    )


def test_disabled(bench):
    assert bench.verdict(replace(ACTIVE, enabled=False)) == (OK, "disabled by ~/enable")


def test_a_conflict_in_tf_is_an_error_until_reset(bench):
    bench.counted.remember("tf conflict", "TF stopped: someone else")
    bench.healthy(seconds=100)
    assert bench.verdict() == (ERROR, "TF stopped: someone else")
    bench.settings = replace(bench.settings, publish_tf=False)
    assert bench.verdict()[0] == OK
    bench.settings = replace(bench.settings, publish_tf=True)
    bench.counted.reset()
    assert bench.healthy().verdict()[0] == OK


def test_a_conflict_in_tf_does_not_hide_a_camera_that_is_gone(bench):
    bench.counted.remember("tf conflict", "TF stopped: someone else")
    bench.healthy(without=("received right", "matched"))
    assert "/right/image has no publisher" in bench.verdict(replace(ACTIVE, publishers={}))[1]


def test_a_camera_without_publisher_is_named(bench):
    bench.healthy(without=("received right", "matched"))
    state = replace(ACTIVE, publishers={"left": 1, "right": 0})
    assert bench.verdict(state) == (
        ERROR,
        "/right/image has no publisher: start the camera, or remap",
    )


def test_all_silent_cameras_are_named(bench):
    bench.run(seconds=6)
    state = replace(ACTIVE, publishers={})
    message = bench.verdict(state)[1]
    assert message == (
        "/left/image has no publisher: start the camera, or remap; "
        "/right/image has no publisher: start the camera, or remap"
    )


def test_a_publisher_from_which_nothing_arrives_points_at_the_transport(bench):
    bench.healthy(seconds=7, without=("received right", "matched"))
    assert bench.verdict() == (
        ERROR,
        "/right/image has a publisher, but nothing arrived for 7 s: the camera stands still, or "
        "the transport loses its images (config/fastdds.xml for both processes)",
    )


def test_silence_shorter_than_the_watchdog_is_none(bench):
    bench.healthy().healthy(seconds=4.9, without=("received right",))
    assert bench.verdict()[0] == OK
    bench.settings = replace(bench.settings, watchdog_timeout=4.0)
    assert bench.verdict()[0] == ERROR


def test_an_incompatible_qos_is_said(bench):
    bench.counted.remember("qos right", "a publisher of /right/image offers another reliability")
    bench.healthy(without=("received right", "matched"))
    assert bench.verdict() == (ERROR, "a publisher of /right/image offers another reliability")


def test_another_type_on_the_topic_is_told(bench):
    bench.run(seconds=6.0)
    state = replace(ACTIVE, other_types={"left": "std_msgs/msg/String, not sensor_msgs/msg/Image"})
    words = "/left/image carries std_msgs/msg/String, not sensor_msgs/msg/Image: remap"
    assert bench.verdict(state)[1].startswith(words)


def test_images_that_are_all_refused_are_told_with_the_reason(bench):
    bench.healthy(without=("received right", "matched"))
    bench.counted.remember("bad right", "encoding '32FC1' is not supported")
    assert bench.verdict() == (ERROR, "/right/image: encoding '32FC1' is not supported")
    bench.healthy(without=("received right", "matched"))
    assert "nothing arrived" in bench.verdict()[1]  # they stopped meanwhile


def test_stamps_that_do_not_match_are_told_with_their_offset_of_late(bench):
    for _ in range(100):
        bench.counted.measure("stamp offset", 0.0)
    bench.healthy(without=("matched",))
    for offset in (0.04, 0.05, 0.06):
        bench.counted.measure("stamp offset", offset)
    assert bench.verdict() == (
        ERROR,
        "images arrive, but no stamps match within sync.slop 0.02 s; they are 0.050 s apart "
        "(synchronise the cameras, or raise sync.slop)",
    )
    bench.settings = replace(bench.settings, sync_exact=True)
    assert "no stamps match exactly; they are 0.050 s apart" in bench.verdict()[1]


def test_an_error_is_a_warning_once_a_later_set_succeeded(bench):
    bench.healthy()
    bench.counted.remember("error", "no transform base_link <- left")
    assert bench.verdict() == (ERROR, "no transform base_link <- left")
    bench.healthy(seconds=0.5, without=("processed", "valid"))
    assert bench.verdict()[0] == ERROR
    assert bench.healthy(seconds=4.3).verdict() == (
        WARN,
        "of late: no transform base_link <- left",
    )
    assert bench.healthy(seconds=0.3).verdict()[0] == OK


def test_sets_that_are_all_too_old_are_told_with_their_age(bench):
    bench.settings = replace(bench.settings, max_age=0.5)
    for _ in range(60):
        bench.counted.measure("input age", 0.9)
        bench.run("received left", "received right", "matched", "too old", seconds=0.1)
    assert bench.verdict() == (
        ERROR,
        "all sets are older than max_age 0.5 s when their turn comes, 0.9 s in the median: "
        "synchronise the clocks, or raise max_age",
    )


def test_a_network_that_hangs_is_told(bench):
    bench.healthy().healthy(seconds=4.9, without=("processed", "valid"))
    assert bench.verdict()[0] == OK
    bench.healthy(seconds=2, without=("processed", "valid"))
    assert bench.verdict() == (
        ERROR,
        "sets are matched, but none was finished for 7 s: the network is slower than "
        "watchdog.timeout, or hangs",
    )


@pytest.mark.parametrize("setting", [{"watchdog_timeout": 200.0}, {"max_update_rate": 0.005}])
def test_a_network_that_hangs_is_told_however_long_the_watchdog(bench, setting):
    bench.settings = replace(bench.settings, **setting)
    bench.healthy().healthy(seconds=199, without=("processed", "valid"))
    assert bench.verdict()[0] == OK
    bench.healthy(seconds=10, without=("processed", "valid"))
    assert "none was finished for 209 s" in bench.verdict()[1]


@pytest.mark.parametrize(
    "setting",
    [{"max_update_rate": 0.1}, {"scale_source": "tf", "tf_timeout": 10.0}],
)
def test_sets_that_are_refused_at_a_low_rate_are_not_blamed_on_the_network(bench, setting):
    bench.settings = replace(bench.settings, **setting)
    for _ in range(5):
        bench.counted.remember("error", "no transform base_link <- left")
        bench.run("received left", "received right", "matched", "refused", seconds=0.1)
        for _ in range(99):
            bench.run("received left", "received right", "matched", seconds=0.1)
            assert bench.verdict() == (ERROR, "no transform base_link <- left")


def test_cameras_that_paused_give_no_alarm_when_they_go_on(bench):
    bench.healthy().run(seconds=60.0)
    assert bench.healthy(seconds=0.2, without=("processed", "valid")).verdict()[0] == OK


def test_a_rate_slower_than_the_watchdog_is_no_fault(bench):
    bench.settings = replace(bench.settings, max_update_rate=0.1)
    bench.healthy().healthy(seconds=14, without=("processed", "valid"))
    assert bench.verdict()[0] == OK


def test_a_node_that_was_just_enabled_has_time_for_its_first_set(bench):
    bench.healthy().healthy(seconds=60, without=("processed", "valid"))
    bench.counted.count("enabled")
    assert bench.healthy(seconds=1, without=("processed", "valid")).verdict()[0] == OK


def test_untrained_weights_are_a_warning(bench):
    bench.healthy()
    assert bench.verdict(replace(ACTIVE, trained=False)) == (
        WARN,
        "the weights are untrained: poses mean nothing",
    )


def test_invalid_poses_of_late_are_a_warning(bench):
    bench.healthy()
    bench.counted.remember("invalid", "the two directions disagree by 1.000 rad")
    assert bench.verdict() == (
        WARN,
        "invalid poses of late: the two directions disagree by 1.000 rad",
    )
    assert bench.healthy(seconds=5.1).verdict()[0] == OK


def test_poses_without_translation_are_told_and_no_warning(bench):
    bench.healthy()
    bench.counted.remember("without translation", "no direction: the camera hardly moved")
    level, message = bench.verdict()
    assert level == OK
    assert message.endswith("; some of late rotation alone, without TF: no direction: the camera "
                            "hardly moved")  # fmt: skip
    assert bench.healthy(seconds=5.1).verdict()[1].endswith("sets a second")


def test_the_figures(bench):
    bench.healthy()
    for seconds in (0.01, 0.02, 0.03):
        bench.counted.measure("latency", seconds)
    for event in ("too old", "over rate", "dropped", "dropped", "passes", "bad left"):
        bench.counted.count(event)
    bench.counted.remember("bad left", "image is 0x0")
    status = bench.status()
    assert (status.name, status.hardware_id) == ("geloc3r: relative pose", "cuda:0")
    values = {entry.key: entry.value for entry in status.values}
    expected = {
        "state": "active",
        "weights": "tiny",
        "precision": "bf16",
        "left topic": "/left/image",
        "left rate": "10.0 Hz",
        "left received": "100",
        "left refused": "1",
        "left last refusal": "image is 0x0",
        "right refused": "0",
        "sets matched": "100",
        "sets valid": "100",
        "sets dropped": "2",
        "sets too old": "1",
        "sets over rate": "1",
        "passes": "1",
        "output rate": "10.0 Hz",
        "latency p50": "20.0 ms",
        "latency p95": "29.0 ms",
        "last error": "",
    }
    assert {key: values.get(key) for key in expected} == expected
    assert "right last refusal" not in values
    assert len(values) == len(status.values)
