# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay from a process of its own, over real DDS."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.interfaces import QosReliability
from rosbags.rosbag2 import Writer
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import LATCHED, RELIABLE, BagWriter
from geloc3r_ros.evaluation.messages import STANDARD_TYPES

START = 1_700_000_000 * 10**9
PERIOD = 10**8
COUNT = 10
SCRIPT = """
import sys
from pathlib import Path
from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.nodes.replay import replay
try:
    replay(Path(sys.argv[1]), **eval(sys.argv[2]))
except GeLoc3rError as error:
    sys.exit(str(error))
"""


def write_bag(path, storage="mcap"):
    """Ten 640x480 images at 10 Hz, each filled with its number, and two latched poses."""
    best_effort = RELIABLE._replace(reliability=QosReliability.BEST_EFFORT)
    with BagWriter(path, storage) as bag:
        bag.add_topic("/left/image", "sensor_msgs/msg/Image")
        bag.add_topic("/right/image", "sensor_msgs/msg/Image", best_effort)
        bag.add_topic("/mount", "geometry_msgs/msg/PoseStamped", LATCHED)
        for offset in (0, 1):
            pose = messages.pose_stamped(START + offset, "base", np.eye(4))
            bag.write("/mount", START + offset, pose)
        for i in range(COUNT):
            stamp = START + i * PERIOD
            for side in ("left", "right"):
                image = messages.grey_image(stamp, side, np.full((480, 640), i, np.uint8))
                bag.write(f"/{side}/image", stamp, image)
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write_bag(tmp_path_factory.mktemp("replay") / "bag")


started = []


@pytest.fixture(autouse=True)
def end():
    """Leave no replay behind, whatever became of the test."""
    yield
    while started:
        process = started.pop()
        process.kill()
        process.wait()


def start(bag, **options):
    command = [sys.executable, "-c", SCRIPT, str(bag), repr(options)]
    started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    return started[-1]


class Listener:
    """A node in this process that keeps what it receives, and when the images came."""

    def __init__(self):
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received = {"/left/image": [], "/right/image": [], "/clock": [], "/mount": []}
        self.arrivals = []
        self._listen(Image, "/left/image", 10)
        self._listen(Image, "/right/image", rclpy.qos.qos_profile_sensor_data)
        self._listen(Clock, "/clock", 100)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._listen(PoseStamped, "/mount", latched)

    def _listen(self, kind, topic, qos):
        def keep(message):
            self.received[topic].append(message)
            if topic == "/left/image":
                self.arrivals.append(time.monotonic())

        self.node.create_subscription(kind, topic, keep, qos)

    def spin_until(self, condition, seconds=60.0):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, {k: len(v) for k, v in self.received.items()}
            self.executor.spin_once(timeout_sec=0.05)

    def hear(self, bag, **options):
        """Replay in another process; return its exit code and what it said."""
        process = start(bag, **options)
        self.spin_until(lambda: process.poll() is not None)
        for _ in range(20):
            self.executor.spin_once(timeout_sec=0.01)
        return process.returncode, process.communicate()[1]

    def stamps(self, topic="/left/image"):
        return [(messages.stamp_of(m) - START) // PERIOD for m in self.received[topic]]

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.close()


def test_what_cannot_be_a_topic_is_skipped(listener, tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        for topic in ("/mount", "/no name"):
            bag.add_topic(topic, "geometry_msgs/msg/PoseStamped", LATCHED._replace(depth=10**9))
            bag.write(topic, START, messages.pose_stamped(START, "base", np.eye(4)))
    code, said = listener.hear(tmp_path / "bag")
    assert code == 0
    assert "Skipped '/no name'" in said
    assert len(listener.received["/mount"]) == 1


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_every_message_arrives_as_it_was_stored(listener, tmp_path, storage):
    code, said = listener.hear(write_bag(tmp_path / "bag", storage))
    assert code == 0, said
    for topic in ("/left/image", "/right/image"):
        assert listener.stamps(topic) == list(range(COUNT))
        for i, image in enumerate(listener.received[topic]):
            assert (image.encoding, image.width, image.height) == ("mono8", 640, 480)
            assert set(image.data) == {i}
    assert len(listener.received["/mount"]) == 2
    assert not listener.received["/clock"]
    assert "/left/image" in said
    assert "10" in said


def test_rate_start_duration_and_topics(listener, bag):
    options = {"rate": 0.5, "start": 0.2, "duration": 0.5, "topics": ["left/image"]}
    code, said = listener.hear(bag, **options)
    assert code == 0, said
    assert listener.stamps() == [2, 3, 4, 5, 6]
    assert not listener.received["/right/image"]
    assert not listener.received["/mount"]
    # Five images 0.1 s apart at half speed; what arrives can be late, but was not sent early.
    assert listener.arrivals[-1] - listener.arrivals[0] > 0.6


def test_what_was_latched_before_the_start_still_arrives(listener, bag):
    code, said = listener.hear(bag, start=0.5)
    assert code == 0, said
    assert len(listener.received["/mount"]) == 2


def test_the_clock_runs_with_the_bag(listener, bag):
    code, said = listener.hear(bag, rate=0.5, clock=True)
    assert code == 0, said
    clocks = [m.clock.sec * 10**9 + m.clock.nanosec - START for m in listener.received["/clock"]]
    assert clocks == sorted(clocks)
    assert clocks[0] >= 0
    assert clocks[-1] <= (COUNT - 1) * PERIOD
    assert len(clocks) > COUNT  # 40 Hz: more often than the messages


def test_there_is_one_clock_also_where_the_bag_has_one(listener, tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/clock", "rosgraph_msgs/msg/Clock")
        bag.add_topic("/left/image", "sensor_msgs/msg/Image")
        for i in range(COUNT):
            simulated = STANDARD_TYPES.types["builtin_interfaces/msg/Time"](10 + i, 0)
            clock = STANDARD_TYPES.types["rosgraph_msgs/msg/Clock"](simulated)
            bag.write("/clock", START + i * PERIOD, clock)
            image = messages.grey_image(START + i * PERIOD, "a", np.zeros((4, 4), np.uint8))
            bag.write("/left/image", START + i * PERIOD, image)
    code, said = listener.hear(tmp_path / "bag", clock=True)
    assert code == 0, said
    assert "Skipped /clock" in said
    assert listener.received["/clock"]
    assert min(m.clock.sec for m in listener.received["/clock"]) >= START // 10**9


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_loop_goes_back_to_the_first_set_until_it_is_stopped(listener, bag, signal_number):
    process = start(bag, rate=4.0, loop=True)
    listener.spin_until(lambda: len(listener.received["/right/image"]) > 2 * COUNT)
    process.send_signal(signal_number)
    listener.spin_until(lambda: process.poll() is not None)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "Stopped at" in said
    expected = [i % COUNT for i in range(2 * COUNT + 1)]
    assert listener.stamps()[: 2 * COUNT + 1] == expected
    assert listener.stamps("/right/image")[: 2 * COUNT + 1] == expected


def test_a_type_that_is_not_installed_is_skipped_and_named(listener, tmp_path):
    mixed = tmp_path / "mixed"
    types = messages.STANDARD_TYPES
    image = messages.grey_image(START, "left", np.eye(2, dtype=np.uint8))
    with Writer(mixed, version=8) as writer:
        known = writer.add_connection("/left/image", "sensor_msgs/msg/Image", typestore=types)
        foreign = writer.add_connection(
            "/goal", "foreign_msgs/msg/Goal", msgdef="float64 x", rihs01="RIHS01_0"
        )
        writer.write(known, START, types.serialize_cdr(image, "sensor_msgs/msg/Image"))
        writer.write(foreign, START, bytes(12))
    code, said = listener.hear(mixed)
    assert code == 0
    assert "Skipped /goal: foreign_msgs/msg/Goal is not installed here." in said
    assert listener.stamps() == [0]
    code, said = listener.hear(mixed, topics=["/goal"])
    assert code == 1
    assert "nothing to play" in said


def test_without_a_subscriber_it_plays_all_the_same(bag):
    process = start(bag, wait=0.2, rate=20.0)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "No subscriber came within 0.2 s" in said


def test_an_unknown_topic_is_named(bag):
    process = start(bag, topics=["/top"])
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "no messages on /top; it has some on /left/image, /mount, /right/image" in said
