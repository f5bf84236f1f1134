# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node relies on in message_filters, of the real package or of the stand-in."""

import pytest
from geometry_msgs.msg import PointStamped
from message_filters import ApproximateTimeSynchronizer, SimpleFilter, TimeSynchronizer
from rclpy.time import Time
from std_msgs.msg import String


class Rig:
    """Filters into a synchroniser made by ``make``; collects the stamps of each set, in ms."""

    def __init__(self, make, count=2):
        self.filters = [SimpleFilter() for _ in range(count)]
        self.synchronizer = make(self.filters)
        self.sets = []
        self.synchronizer.registerCallback(self.collect)

    def collect(self, *messages):
        self.sets.append(tuple(Time.from_msg(m.header.stamp).nanoseconds / 1e6 for m in messages))

    def send(self, index, *stamps_ms):
        for stamp in stamps_ms:
            msg = PointStamped()
            msg.header.stamp = Time(nanoseconds=round(stamp * 1e6)).to_msg()
            self.filters[index].signalMessage(msg)


def exact(queue_size=10, count=2):
    return Rig(lambda filters: TimeSynchronizer(filters, queue_size), count)


def approximate(slop_ms, queue_size=10, count=2):
    def make(filters):
        return ApproximateTimeSynchronizer(filters, queue_size, slop_ms / 1e3)

    return Rig(make, count)


def test_a_filter_hands_on_to_all_its_callbacks():
    calls = []
    simple = SimpleFilter()
    simple.registerCallback(lambda *args: calls.append(args))
    simple.registerCallback(lambda *args: calls.append(args), "extra", 2)
    simple.signalMessage("message")
    assert calls == [("message",), ("message", "extra", 2)]


def test_equal_stamps_match_whoever_comes_first():
    rig = exact()
    rig.send(0, 1000)
    rig.send(1, 1000, 1033)
    rig.send(0, 1033)
    assert rig.sets == [(1000, 1000), (1033, 1033)]


def test_exact_is_exact():
    rig = exact()
    rig.send(0, 1000)
    rig.send(1, 1000.000001)
    assert rig.sets == []


def test_a_set_has_a_message_of_each_filter():
    rig = exact(count=3)
    rig.send(0, 1000)
    rig.send(2, 1000)
    assert rig.sets == []
    rig.send(1, 1000)
    assert rig.sets == [(1000, 1000, 1000)]


def test_late_partners_match_out_of_order():
    rig = exact()
    rig.send(0, 1, 2, 3)
    rig.send(1, 3, 1, 2)
    assert rig.sets == [(3, 3), (1, 1), (2, 2)]


@pytest.mark.parametrize("make", [exact, lambda queue_size: approximate(0.1, queue_size)])
def test_a_full_queue_drops_its_oldest_stamp(make):
    rig = make(queue_size=2)
    rig.send(0, 2, 3, 1, 4)  # 1 is dropped as it comes, 4 drops 2
    rig.send(1, 1, 2, 3, 4)
    assert rig.sets == [(3, 3), (4, 4)]


def test_what_a_full_queue_drops_as_it_comes_is_not_matched():
    rig = approximate(50, queue_size=2)
    rig.send(1, 10)
    rig.send(0, 100, 110, 20)
    assert rig.sets == []


@pytest.mark.parametrize("make", [exact, lambda: approximate(5)])
def test_a_message_is_used_once(make):
    rig = make()
    rig.send(0, 1000)
    rig.send(1, 1000, 1000)
    assert rig.sets == [(1000, 1000)]


@pytest.mark.parametrize(("gap_ms", "matches"), [(0, 1), (49.999999, 1), (50, 0), (50.000001, 0)])
@pytest.mark.parametrize("first", [0, 1])
def test_slop_is_the_first_gap_that_is_too_wide(gap_ms, matches, first):
    rig = approximate(50)
    rig.send(first, 1000)
    rig.send(1 - first, 1000 + gap_ms)
    assert len(rig.sets) == matches


def test_without_slop_nothing_matches():
    rig = approximate(0)
    rig.send(0, 1000)
    rig.send(1, 1000)
    assert rig.sets == []


def test_slop_bounds_the_whole_set():
    rig = approximate(50, count=3)
    rig.send(0, 1000)
    rig.send(2, 1050)
    rig.send(1, 1030)  # near enough to each of them, but they are 50 ms apart
    assert rig.sets == []
    rig.send(2, 1040)
    assert rig.sets == [(1000, 1030, 1040)]


def test_a_message_takes_the_nearest_that_waits():
    rig = approximate(50)
    rig.send(0, 1000, 1030, 1045)
    rig.send(1, 1032, 1010)
    assert rig.sets == [(1030, 1032), (1000, 1010)]


def test_unsteady_streams_match_frame_by_frame():
    rig = approximate(10)
    for frame in range(100):
        rig.send(0, 33 * frame)
        if frame % 5:  # one in five is lost
            rig.send(1, 33 * frame + frame % 7)
    assert rig.sets == [(33 * f, 33 * f + f % 7) for f in range(100) if f % 5]


def test_messages_without_a_stamp_are_dropped_unless_allowed():
    for allow_headerless, count in ((False, 0), (True, 1)):
        filters = [SimpleFilter(), SimpleFilter()]
        synchronizer = ApproximateTimeSynchronizer(
            filters, 10, 60.0, allow_headerless=allow_headerless
        )
        sets = []
        synchronizer.registerCallback(lambda *messages, sets=sets: sets.append(messages))
        for index, text in enumerate(("left", "right")):
            filters[index].signalMessage(String(data=text))
        assert len(sets) == count
