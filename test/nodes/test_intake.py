# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matching by stamp, with the message_filters at hand, through bags that loop and drop frames."""

import time

import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from geloc3r_ros.nodes.intake import Intake

START_MS = 1_700_000_000_000


class Rig:
    """An intake; collects the names of the images of each set."""

    def __init__(self, cameras=("left", "right"), *, exact=False, slop=0.02, queue_size=10):
        self.sets, self.images, self.passes = [], [], 0
        self.intake = Intake(
            cameras, self._on_set, self._on_pass, exact=exact, slop=slop, queue_size=queue_size
        )

    def _on_set(self, images):
        self.images.append(images)
        self.sets.append(tuple(message.header.frame_id for message in images.messages))

    def _on_pass(self):
        self.passes += 1

    def add(self, camera, stamp_ms, name=None):
        nanoseconds = START_MS * 10**6 + round(stamp_ms * 1e6)
        stamp = Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
        header = Header(stamp=stamp, frame_id=name or f"{camera} {stamp_ms}")
        self.intake.add(camera, Image(header=header))


@pytest.mark.parametrize("exact", [True, False])
def test_a_set_is_in_the_order_of_the_cameras_with_the_stamp_of_the_first(exact):
    rig = Rig(("left", "right", "back"), exact=exact)
    before = time.monotonic()
    for camera in ("back", "right", "left"):
        rig.add(camera, 0.5)
    assert rig.sets == [("left 0.5", "right 0.5", "back 0.5")]
    assert rig.images[0].stamp == START_MS * 10**6 + 500_000
    assert before <= rig.images[0].matched <= time.monotonic()


def test_exact_takes_equal_stamps_only():
    rig = Rig(exact=True)
    rig.add("left", 0)
    rig.add("right", 0.001)
    assert rig.sets == []
    rig.add("right", 0.002)
    rig.add("left", 0.002)
    assert rig.sets == [("left 0.002", "right 0.002")]


@pytest.mark.parametrize(("gap_ms", "matches"), [(0, 1), (19.9, 1), (20.1, 0), (500, 0)])
def test_approximate_takes_stamps_within_the_slop(gap_ms, matches):
    rig = Rig(slop=0.02)
    rig.add("left", 0)
    rig.add("right", gap_ms)
    assert len(rig.sets) == matches


@pytest.mark.parametrize("exact", [True, False])
def test_the_queue_holds_the_newest(exact):
    rig = Rig(exact=exact, queue_size=3)
    for stamp in (0, 100, 200, 300):
        rig.add("left", stamp)
    for stamp in (0, 100, 300):
        rig.add("right", stamp)
    assert rig.sets == [("left 100", "right 100"), ("left 300", "right 300")]


def test_reset_forgets_what_waits_and_the_order_of_the_streams():
    rig = Rig()
    rig.add("left", 5000)
    rig.intake.reset()
    rig.add("right", 5000)
    rig.add("left", 0)
    assert (rig.sets, rig.passes) == ([], 0)


def test_a_clock_that_falls_begins_a_pass_once():
    rig = Rig()
    for camera in ("left", "right"):
        rig.add(camera, 5000)
    rig.intake.clock_fell()
    assert rig.passes == 1
    for camera in ("left", "right"):
        rig.add(camera, 0)
    assert rig.passes == 1
    assert rig.sets == [("left 5000", "right 5000"), ("left 0", "right 0")]


def looped(frames, passes, period_ms, lag_ms, lost):
    """(camera, stamp, name) in order of arrival of a bag played in a loop.

    The right camera's images come ``lag_ms`` late; ``lost`` tells which of its images never come.
    """
    duration = frames * period_ms
    arrivals = []
    for number in range(passes):
        for frame in range(frames):
            stamp = frame * period_ms
            due = number * duration + stamp
            arrivals.append((due, "left", stamp, f"{number}.{frame}"))
            if not lost(number, frame):
                arrivals.append((due + lag_ms, "right", stamp, f"{number}.{frame}"))
    return [arrival[1:] for arrival in sorted(arrivals)]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("lag_ms", [10, 150, 350])
def test_a_looped_bag_with_lost_frames_loses_no_set_of_a_later_pass(lag_ms, exact):
    # The last frame of each pass has no partner: left in the queue, its stamp from the end would
    # crowd out the sets of the next pass.
    rig = Rig(exact=exact)
    frames = 100
    for camera, stamp, name in looped(frames, 3, 100, lag_ms, lambda _, f: f % 5 == 4):
        rig.add(camera, stamp, name)
    assert rig.passes == 2
    matched = set(rig.sets)
    for number in range(3):
        names = [f"{number}.{f}" for f in range(frames) if f % 5 != 4]
        late = lag_ms // 100 + 1 if number < 2 else 0  # still on the way when the pass ends
        whole = [n for n in names if int(n.split(".")[1]) < frames - late]
        assert {(n, n) for n in whole} <= matched
    assert all(left == right for left, right in matched)


@pytest.mark.parametrize("seed_frame", range(5))
def test_either_camera_may_lose_the_first_and_last_frames(seed_frame):
    rig = Rig()
    arrivals = looped(50, 3, 100, 30, lambda number, frame: (frame + number) % 5 == seed_frame)
    swap = {"left": "right", "right": "left"}
    for camera, stamp, name in arrivals:
        rig.add(swap[camera], stamp, name)
    came = {name for camera, _, name in arrivals if camera == "right"}
    late = {"0.49", "1.49"}  # may be on the way when the pass ends
    assert {(n, n) for n in came - late} <= set(rig.sets)
    assert all(left == right for left, right in rig.sets)
