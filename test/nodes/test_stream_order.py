# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streams that begin anew, in every order in which they can reach the node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geloc3r_ros.nodes.stream_order import Arrival, StreamOrder

IN_ORDER, NEW_PASS, LEFTOVER = Arrival.IN_ORDER, Arrival.NEW_PASS, Arrival.LEFTOVER


class Streams:
    """A StreamOrder with a clock that moves by hand; stamps in milliseconds."""

    def __init__(self):
        self.seconds = 100.0
        self.order = StreamOrder(lambda: self.seconds)

    def arrive(self, stream, *stamps):
        return [self.order.arrive(stream, round(stamp * 1e6)) for stamp in stamps]


@pytest.fixture
def streams():
    """Streams a and b at the end of a pass of ten seconds."""
    streams = Streams()
    for stamp in (0, 5000, 9900):
        assert streams.arrive("a", stamp) == streams.arrive("b", stamp) == [IN_ORDER]
    return streams


@pytest.mark.parametrize(("first", "second"), ["ab", "ba"])
def test_the_first_stream_that_falls_begins_the_pass(streams, first, second):
    assert streams.arrive(first, 0, 100) == [NEW_PASS, IN_ORDER]
    assert streams.arrive(second, 0, 100) == [IN_ORDER, IN_ORDER]


def test_what_the_other_stream_still_delivers_is_left_over(streams):
    assert streams.arrive("a", 0) == [NEW_PASS]
    assert streams.arrive("b", 9900, 9950) == [LEFTOVER, LEFTOVER]
    assert streams.arrive("a", 100) == [IN_ORDER]
    assert streams.arrive("b", 0, 100) == [IN_ORDER, IN_ORDER]


def test_the_stamp_it_fell_from_does_not_matter(streams):
    # The pass was cut short: the new one goes on past where the old one ended.
    assert streams.arrive("a", 9800) == [NEW_PASS]
    assert streams.arrive("b", 9800, 9900, 10000) == [IN_ORDER] * 3


def test_a_stream_that_trembles_does_not_stop_the_other(streams):
    assert streams.arrive("a", 9850, 9950) == [NEW_PASS, IN_ORDER]
    assert streams.arrive("b", 9950, 10000) == [IN_ORDER] * 2


def test_equal_and_skipped_stamps_are_in_order(streams):
    assert streams.arrive("a", 9900, 9900, 60_000) == [IN_ORDER] * 3


def test_the_stream_that_fell_has_nothing_left_over(streams):
    assert streams.arrive("a", 0, 20_000) == [NEW_PASS, IN_ORDER]


def test_a_clock_that_falls_before_the_streams(streams):
    assert streams.order.clock_fell()
    assert streams.arrive("b", 9950) == [LEFTOVER]
    assert streams.arrive("a", 0) == [IN_ORDER]
    assert streams.arrive("b", 10_000, 0, 100) == [LEFTOVER, IN_ORDER, IN_ORDER]


def test_a_clock_that_falls_between_the_streams_changes_nothing(streams):
    assert streams.arrive("a", 0) == [NEW_PASS]
    streams.seconds += 0.9
    assert not streams.order.clock_fell()
    assert streams.arrive("b", 9950, 0) == [LEFTOVER, IN_ORDER]
    assert streams.arrive("a", 100) == [IN_ORDER]


def test_a_clock_that_falls_in_the_middle_of_a_pass_begins_one(streams):
    streams.arrive("a", 0)
    streams.arrive("b", 0)
    streams.seconds += 1.1
    assert streams.order.clock_fell()


def test_left_over_is_a_matter_of_a_second(streams):
    assert streams.arrive("a", 0) == [NEW_PASS]
    streams.seconds += 0.9
    assert streams.arrive("b", 10_000) == [LEFTOVER]
    streams.seconds += 0.2
    assert streams.arrive("b", 10_100) == [IN_ORDER]


def test_after_clear_any_stamp_is_in_order(streams):
    streams.order.clear()
    assert streams.arrive("a", 0) == streams.arrive("b", 9900) == [IN_ORDER]


FRAMES, PASSES, PERIOD_MS, LAG = 20, 3, 100, 4


@st.composite
def interleavings(draw):
    """Orders of arrival (stream, pass, frame) of which one is at most LAG frames ahead."""
    sent = {"a": 0, "b": 0}
    arrivals = []
    while min(sent.values()) < FRAMES * PASSES:
        ahead = sent["a"] - sent["b"]
        free = [s for s, lead in (("a", ahead), ("b", -ahead)) if lead < LAG]
        stream = draw(st.sampled_from([s for s in free if sent[s] < FRAMES * PASSES]))
        arrivals.append((stream, *divmod(sent[stream], FRAMES)))
        sent[stream] += 1
    return arrivals


@given(interleavings(), st.integers(0))
def test_in_any_order_the_first_set_of_each_pass_is_whole(arrivals, draw):
    """As a matcher sees it: emptied by each new pass, never handed what is left over.

    The node's clock falls too, at an arrival at the seam of two passes.
    """
    streams = Streams()
    held = {"a": set(), "b": set()}
    matched = set()
    seams = [i for i, (_, n, f) in enumerate(arrivals) if (n > 0 and f == 0) or f == FRAMES - 1]
    jump = seams[draw % len(seams)]
    for i, (stream, number, frame) in enumerate(arrivals):
        streams.seconds += PERIOD_MS / 1e3 / 2
        renew = i == jump and streams.order.clock_fell()
        (arrival,) = streams.arrive(stream, frame * PERIOD_MS)
        if renew or arrival is NEW_PASS:
            held = {"a": set(), "b": set()}
        if arrival is not LEFTOVER:
            held[stream].add((number, frame))
        matched |= held["a"] & held["b"]
        passes = {n for waiting in held.values() for n, f in waiting if f == frame}
        assert len(passes) <= 1, f"frames {frame} of passes {passes} would match"
    for number in range(PASSES):
        assert (number, 0) in matched
