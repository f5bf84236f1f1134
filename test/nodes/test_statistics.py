# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node counts, under a clock that is moved by hand."""

import math
import threading
from types import SimpleNamespace

import pytest

from geloc3r_ros.nodes import statistics
from geloc3r_ros.nodes.statistics import Statistics


@pytest.fixture
def clock(monkeypatch):
    """The steady clock; ``clock.now`` is set by the test."""
    clock = SimpleNamespace(now=1000.0)
    steady = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr(statistics, "time", steady)
    return clock


def count_every(clock, seconds, times, event="frame"):
    counted = Statistics()
    for _ in range(times):
        clock.now += seconds
        counted.count(event)
    return counted


def test_totals(clock):
    counted = Statistics()
    for event in ("bad left", "bad right", "bad left", "good"):
        counted.count(event)
    assert (counted.total("bad left"), counted.total("good"), counted.total("never")) == (2, 1, 0)


@pytest.mark.parametrize("times", [2, 50, 1000])
def test_the_rate_is_of_intervals(clock, times):
    assert count_every(clock, 0.1, times).rate("frame") == pytest.approx(10.0)


def test_one_event_or_none_has_no_rate(clock):
    counted = count_every(clock, 0.1, 1)
    assert (counted.rate("frame"), counted.rate("never")) == (0.0, 0.0)


def test_the_rate_forgets_after_five_seconds(clock):
    counted = count_every(clock, 0.1, 50)
    clock.now += 5.1
    assert counted.rate("frame") == 0.0


def test_the_total_counts_on_beyond_the_window(clock):
    assert count_every(clock, 0.001, 1000).total("frame") == 1000


def test_silence_is_since_the_event_or_the_start(clock):
    counted = Statistics()
    clock.now += 3.0
    assert counted.silence("frame") == pytest.approx(3.0)
    counted.count("frame")
    clock.now += 2.0
    assert counted.silence("frame") == pytest.approx(2.0)
    assert counted.silence("other") == pytest.approx(5.0)


def test_percentiles_of_the_latest_values(clock):
    counted = Statistics()
    for value in range(101):
        counted.measure("latency", value)
    assert counted.percentile("latency", 50) == 50
    assert counted.percentile("latency", 95) == 95
    for _ in range(statistics.WINDOW):
        counted.measure("latency", 7.0)
    assert counted.percentile("latency", 99) == 7.0


def test_percentiles_of_late_leave_out_what_was_before(clock):
    counted = Statistics()
    for value in (1.0, 2.0, 3.0):
        counted.measure("offset", value)
        clock.now += 10.0
    assert counted.percentile("offset", 50) == 2.0
    assert counted.percentile("offset", 50, 15.0) == 3.0
    assert math.isnan(counted.percentile("offset", 50, 5.0))


def test_without_values_a_percentile_is_nan(clock):
    assert math.isnan(Statistics().percentile("latency", 50))


def test_the_latest_text_with_its_age(clock):
    counted = Statistics()
    assert counted.recall("error") == ("", math.inf)
    counted.remember("error", "first")
    counted.remember("error", "second")
    clock.now += 2.0
    assert counted.recall("error") == ("second", pytest.approx(2.0))


def test_reset_forgets_everything(clock):
    counted = count_every(clock, 0.1, 10)
    counted.measure("latency", 1.0)
    counted.remember("error", "text")
    counted.reset()
    clock.now += 1.0
    assert (counted.total("frame"), counted.rate("frame")) == (0, 0.0)
    assert counted.silence("frame") == pytest.approx(1.0)
    assert math.isnan(counted.percentile("latency", 50))
    assert counted.recall("error")[0] == ""


def test_counts_of_several_threads_add_up():
    counted = Statistics()

    def work():
        for _ in range(1000):
            counted.count("frame")
            counted.measure("latency", 1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted.total("frame") == 4000
