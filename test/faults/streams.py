# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras that die, return, race, loop, or speak another language; and clocks that jump."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from faults.fault import Answered, Counted, Fault, Logged, Observation, Says, Tells
from faults.rig import PAIR, PERIOD, Rig
from helpers.robot import BASE_STAMP, image_message, wait_until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

__all__ = ["STREAM_FAULTS"]

CAMERAS = Path(__file__).parents[1] / "helpers" / "camera_process.py"
STRICT = {"cameras": ["strict/left", "strict/right"]}


def _gone(*cameras: str) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        for camera in cameras:
            rig.remove_publisher(f"/{camera}/image")

    return inject


def _killed(rig: Rig) -> None:
    """A camera's process that is killed does not say goodbye; its publisher seems to be there."""
    _gone("left", "right")(rig)
    topics = ["/left/image", "/right/image"]
    command = [sys.executable, str(CAMERAS), "--topics", *topics, "--size", "160x120"]
    cameras = subprocess.Popen([*command, "--rate", "20", "--count", "10000"])
    try:
        rig.ledger.checks = False
        assert wait_until(lambda: rig.counted("sets matched") > 3, 60.0), rig.says()
    finally:
        cameras.kill()
        cameras.wait()
        assert wait_until(lambda: "nothing arrived" in rig.says(), 30.0), rig.says()
        time.sleep(1.0)  # the poses underway are through by then
        rig.ledger.checks = True


def _ten_times(rig: Rig) -> None:
    """The left camera at ten times the rate of the right one."""
    for _ in range(6):
        stamp = rig.send_pair()
        for k in range(1, 10):
            between = stamp + k * PERIOD // 10
            rig.ledger.expect(between, PAIR)  # goes with a right image that overtakes its own
            rig.publish("/left/image", image_message(PAIR[0], "left", between))
            time.sleep(0.01)
        wait_until(lambda: stamp in rig.ledger.answered, 1.0)  # noqa: B023


def _apart(rig: Rig) -> None:
    """Stamps of the cameras half a period apart."""
    _send_apart(rig, PERIOD // 2, lambda: "0.050 s apart" in rig.says())


def _send_apart(rig: Rig, offset: int, condition: Callable[[], bool]) -> None:
    for _ in range(200):
        rig.send(PAIR, rig.next_stamp(), offsets=(0, offset))
        if wait_until(condition, 0.1):
            return


def _burst(rig: Rig) -> None:
    """Sets as fast as they can be sent; what the worker cannot do is dropped."""
    for _ in range(3000 if rig.thorough else 200):
        rig.send_pair()


def _shuffled(rig: Rig) -> None:
    """Images of neighbouring sets exchanged in time."""
    for _ in range(5):
        first, second = rig.next_stamp(), rig.next_stamp()
        for stamp in (second, first):
            rig.ledger.expect(stamp, PAIR)
            rig.send(PAIR, stamp)


def _loops(rig: Rig) -> None:
    """A recording of ten sets, looped."""
    begin = rig.stamp
    for _ in range(20 if rig.thorough else 3):
        rig.stamp = begin
        for _ in range(10):
            stamp = rig.send_pair()
            wait_until(lambda: stamp in rig.ledger.answered, 2.0)  # noqa: B023


def _back_to(stamp: int) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.stamp = stamp
        rig.recover()

    return inject


def _another_type(rig: Rig) -> None:
    """From a participant of its own: within one, DDS refuses a second type of a topic."""
    _gone("left")(rig)
    context = rclpy.Context()
    rclpy.init(context=context)
    rig.other = rclpy.create_node("stranger", context=context)
    rig.other.create_publisher(String, "/left/image", 10)


def _end_stranger(rig: Rig) -> None:
    rig.other.destroy_node()
    rclpy.shutdown(context=rig.other.context)


def _end_other(rig: Rig) -> None:
    rig.tester.destroy_publisher(rig.other)


def _best_effort(rig: Rig) -> None:
    """The node was told to ask for reliable images of this camera, which are not offered."""
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    rig.other = rig.tester.create_publisher(Image, "/strict/left/image", qos)


def _ignore(message: Image) -> None:
    """Listen, and do nothing."""


def _joining(rig: Rig) -> None:
    """Publishers and listeners of the node's topics that come and go."""
    for _ in range(100 if rig.thorough else 5):
        made = [rig.tester.create_publisher(Image, "/left/image", 1) for _ in range(4)]
        heard = [
            rig.tester.create_subscription(Image, "/right/image", _ignore, 1) for _ in range(4)
        ]
        rig.ask()
        for publisher in made:
            rig.tester.destroy_publisher(publisher)
        for subscription in heard:
            rig.tester.destroy_subscription(subscription)


def _enable(on: bool) -> Callable[[Rig], None]:
    def call(rig: Rig) -> None:
        assert rig.call(SetBool, "/geloc3r/enable", SetBool.Request(data=on)).success

    return call


def _disabled(rig: Rig) -> None:
    """No set is answered."""
    _enable(False)(rig)
    stamp = rig.send_pair()
    assert not wait_until(lambda: stamp in rig.ledger.answered, 0.5)


def _resets(rig: Rig) -> None:
    """~/reset, while images arrive."""
    for _ in range(1000 if rig.thorough else 50):
        rig.send_pair()
        assert rig.call(Trigger, "/geloc3r/reset", Trigger.Request()).success


def _clock(*seconds: float) -> Callable[[Rig], None]:
    """Sim time that jumps to these, a set after each; the stamps follow the clock.

    In the end the clock is ahead of all stamps to come: it stands still there.
    """

    def inject(rig: Rig) -> None:
        for now in seconds:
            rig.publish("/clock", _time(now))
            time.sleep(0.05)
            rig.stamp = BASE_STAMP + int(now * 1e9)
            rig.recover()
        rig.publish("/clock", _time(LATER))

    return inject


def _time(seconds: float) -> Clock:
    clock = Clock()
    clock.clock.sec, clock.clock.nanosec = divmod(BASE_STAMP + int(seconds * 1e9), 10**9)
    return clock


def _bad_clock(sec: int, nanosec: int) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        message = _time(0)
        message.clock.sec, message.clock.nanosec = sec, nanosec
        rig.publish("/clock", message)
        time.sleep(0.2)
        rig.publish("/clock", _time(LATER))
        rig.recover()

    return inject


def _sim_time(rig: Rig) -> None:
    """Switched on without a /clock, and off again, five times, while sets come."""
    for _ in range(5):
        for on in (True, False):
            assert rig.set(use_sim_time=on) == [""]
            rig.recover()


SIM = {"use_sim_time": True}
LATER = 1e6
ANSWERED = (Answered(),)
SILENT = (Says("/left/image has no publisher"),)
DEAD: tuple[Observation, ...] = (Says("has a publisher, but nothing arrived"),)

STREAM_FAULTS = (
    Fault("one camera leaves", _gone("left"), SILENT),
    Fault("all cameras leave", _gone("left", "right"), (*SILENT, Says("/right/image has no"))),
    Fault("the process of the cameras is killed", _killed, DEAD),
    Fault("one camera at ten times the rate of the other", _ten_times, (Answered(2),)),
    Fault("stamps of the cameras half a period apart", _apart, (Says("they are 0.050 s apart"),)),
    Fault(
        "sets faster than the network",
        _burst,
        (Answered(), Counted("sets dropped")),
    ),
    Fault("sets out of order", _shuffled, (Counted("passes"),)),
    Fault("a recording that loops", _loops, (Counted("passes", 2), Answered(20))),
    Fault("stamps jump an hour ahead", _back_to(BASE_STAMP + 3600 * 10**9), ANSWERED),
    Fault("stamps jump back to 1970", _back_to(10**9), (*ANSWERED, Counted("passes"))),
    Fault("stamps return from 1970", _back_to(BASE_STAMP), ANSWERED),
    Fault(
        "another type of message on the image topic",
        _another_type,
        (Says("/left/image carries std_msgs/msg/String"),),
        _end_stranger,
    ),
    Fault(
        "reliable images wanted, best effort offered",
        _best_effort,
        (Says("offers another reliability than the node asks for"), Logged("/strict/left/image")),
        _end_other,
        parameters=STRICT,
    ),
    Fault("publishers and listeners come and go", _joining, (Answered(5),)),
    Fault("disabled by ~/enable", _disabled, (Says("disabled"),), _enable(True)),
    Fault("~/reset while images arrive", _resets, (Tells("state", "active"),)),
    Fault("sim time switched on and off", _sim_time, ANSWERED),
    Fault("sim time without /clock", lambda rig: rig.recover(), ANSWERED, parameters=SIM),
    Fault(
        "/clock jumps an hour ahead and back",
        _clock(0, 3600, 10, 7200, 0),
        (*ANSWERED, Counted("passes", 2)),
        parameters=SIM,
    ),
    Fault(
        "/clock before 1970",
        _bad_clock(-(2**31), 0),
        (Logged("message lost"),),
        parameters=SIM,
        traceback=True,
    ),
    Fault("/clock with nanosec 2^32 - 1", _bad_clock(1, 2**32 - 1), ANSWERED, parameters=SIM),
)
