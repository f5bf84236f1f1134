# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Broadcasters, listener and subscriber between two nodes over real DDS."""

import time

import pytest
import rclpy
from geometry_msgs.msg import PointStamped, TransformStamped
from message_filters import Subscriber, TimeSynchronizer
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from tf2_ros import (
    Buffer,
    StaticTransformBroadcaster,
    TransformBroadcaster,
    TransformListener,
)


@pytest.fixture(autouse=True)
def ros():
    rclpy.init()
    yield
    rclpy.shutdown()


@pytest.fixture
def nodes():
    """A node that sends and one that receives."""
    nodes = [rclpy.create_node(name) for name in ("sender", "receiver")]
    yield nodes
    for node in nodes:
        node.destroy_node()


def spin_until(node, condition, seconds=20.0):
    """Spin a node until the condition holds; False if it does not in time."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    executor.remove_node(node)
    return held


def transform(parent, child, seconds, x):
    msg = TransformStamped(child_frame_id=child)
    msg.header.frame_id = parent
    msg.header.stamp = Time(seconds=seconds).to_msg()
    msg.transform.translation.x = x
    return msg


def test_transforms_arrive(nodes):
    sender, receiver = nodes
    static = StaticTransformBroadcaster(sender)
    static.sendTransform(transform("base", "left", 0, 1.0))
    static.sendTransform([transform("base", "right", 0, 2.0)])
    buffer = Buffer()
    listener = TransformListener(buffer, receiver)
    broadcaster = TransformBroadcaster(sender)

    def arrived():
        broadcaster.sendTransform(transform("map", "base", 5, 10.0))
        broadcaster.sendTransform([transform("map", "base", 6, 20.0)])
        return all(
            buffer.can_transform("map", camera, Time(seconds=5, nanoseconds=500_000_000))
            for camera in ("left", "right")
        )

    assert spin_until(receiver, arrived), "static transforms sent before the listener, too"
    found = buffer.lookup_transform("map", "right", Time(seconds=5, nanoseconds=500_000_000))
    assert found.transform.translation.x == pytest.approx(17.0)
    listener.unregister()
    assert not [s for s in receiver.subscriptions if s.topic_name.startswith("/tf")]


def test_a_listener_with_a_thread_fills_the_buffer_by_itself(nodes):
    sender, receiver = nodes
    buffer = Buffer()
    listener = TransformListener(buffer, receiver, spin_thread=True)
    static = StaticTransformBroadcaster(sender)
    static.sendTransform(transform("base", "left", 0, 1.0))
    assert buffer.can_transform("base", "left", Time(), timeout=Duration(seconds=20))
    listener.unregister()


def test_a_backward_jump_of_its_node_clears_the_buffer():
    """Simulated time starts again, as when a bag is looped."""
    use_sim_time = rclpy.Parameter("use_sim_time", value=True)
    node = rclpy.create_node("simulated", parameter_overrides=[use_sim_time])
    clock = node.get_clock()
    clock.set_ros_time_override(Time(seconds=100, clock_type=clock.clock_type))
    buffer = Buffer(node=node)
    buffer.set_transform(transform("map", "base", 100, 1.0), "test")
    clock.set_ros_time_override(Time(seconds=101, clock_type=clock.clock_type))
    assert buffer.can_transform("map", "base", Time())
    clock.set_ros_time_override(Time(seconds=50, clock_type=clock.clock_type))
    assert not buffer.can_transform("map", "base", Time())
    node.destroy_node()


def test_subscribers_feed_a_synchronizer(nodes):
    sender, receiver = nodes
    topics = ["left/point", "right/point"]
    publishers = [
        sender.create_publisher(PointStamped, topics[0], 10),
        sender.create_publisher(PointStamped, topics[1], qos_profile_sensor_data),
    ]
    filters = [
        Subscriber(receiver, PointStamped, topics[0]),
        Subscriber(receiver, PointStamped, topics[1], qos_profile=qos_profile_sensor_data),
    ]
    synchronizer = TimeSynchronizer(filters, 10)
    sets = []
    synchronizer.registerCallback(lambda *messages: sets.append(messages))

    def received():
        for x, publisher in enumerate(publishers):
            msg = PointStamped()
            msg.header.stamp = Time(seconds=3).to_msg()
            msg.point.x = float(x)
            publisher.publish(msg)
        return sets

    assert [f.getTopic() for f in filters] == topics
    assert spin_until(receiver, received)
    assert [msg.point.x for msg in sets[0]] == [0.0, 1.0]
