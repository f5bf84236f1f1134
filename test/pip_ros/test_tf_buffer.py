# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node relies on in tf2_ros.Buffer, of the real package or of the stand-in."""

import threading

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_ros import (
    Buffer,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)

from geloc3r_ros.geometry import (
    inverse,
    make_transform,
    quat_xyzw_from_rotation,
    rotation_about,
    rotation_from_quat_xyzw,
)

NO_TURN = (0.0, 0.0, 0.0, 1.0)
LATEST = Time()


def at(seconds):
    return Time(nanoseconds=round(seconds * 1e9))


def yaw(degrees):
    return (0.0, 0.0, np.sin(np.radians(degrees) / 2), np.cos(np.radians(degrees) / 2))


def transform(parent, child, seconds=0.0, translation=(0.0, 0.0, 0.0), quat_xyzw=NO_TURN):
    msg = TransformStamped(child_frame_id=child)
    msg.header.frame_id = parent
    msg.header.stamp = at(seconds).to_msg()
    t, r = msg.transform.translation, msg.transform.rotation
    t.x, t.y, t.z = map(float, translation)
    r.x, r.y, r.z, r.w = map(float, quat_xyzw)
    return msg


def matrix(msg):
    """T_target_source (4, 4)."""
    t, r = msg.transform.translation, msg.transform.rotation
    return make_transform(rotation_from_quat_xyzw([r.x, r.y, r.z, r.w]), [t.x, t.y, t.z])


def assert_pose(msg, translation, quat_xyzw):
    expected = make_transform(rotation_from_quat_xyzw(quat_xyzw), translation)
    np.testing.assert_allclose(matrix(msg), expected, atol=1e-7)


@pytest.fixture
def buffer():
    """A robot that turned left at (1, 2), with a camera ahead and a lidar upside down above."""
    buffer = Buffer()
    buffer.set_transform(transform("map", "base", 10.0, (1, 2, 0), yaw(90)), "test")
    buffer.set_transform(transform("base", "camera", 10.0, (1, 0, 0.5)), "test")
    buffer.set_transform(transform("base", "lidar", 10.0, (0, 0, 1), (1, 0, 0, 0)), "test")
    return buffer


@pytest.fixture
def moving():
    """One frame that moves and turns between 10 s and 12 s."""
    buffer = Buffer()
    buffer.set_transform(transform("map", "base", 10.0, (4, 0, 0)), "test")
    buffer.set_transform(transform("map", "base", 12.0, (2, 0, 4), yaw(90)), "test")
    return buffer


@pytest.mark.parametrize(
    ("target", "source", "translation", "quat_xyzw"),
    [
        ("map", "base", (1, 2, 0), yaw(90)),
        ("map", "camera", (1, 3, 0.5), yaw(90)),
        ("camera", "map", (-3, 1, -0.5), yaw(-90)),
        ("base", "camera", (1, 0, 0.5), NO_TURN),
        ("lidar", "camera", (1, 0, 0.5), (1, 0, 0, 0)),
        ("camera", "lidar", (-1, 0, 0.5), (1, 0, 0, 0)),
    ],
)
def test_frames_of_one_tree(buffer, target, source, translation, quat_xyzw):
    found = buffer.lookup_transform(target, source, at(10.0))
    assert_pose(found, translation, quat_xyzw)
    assert (found.header.frame_id, found.child_frame_id) == (target, source)
    assert found.header.stamp == at(10.0).to_msg()


@pytest.mark.parametrize("seed", range(5))
def test_any_tree_against_products_of_matrices(seed):
    rng = np.random.default_rng(seed)
    buffer = Buffer()
    T_root = {"0": np.eye(4)}
    for child in range(1, 12):
        parent = str(rng.integers(child))
        R = rotation_about(rng.normal(size=3), rng.uniform(-np.pi, np.pi))
        T = make_transform(R, rng.normal(size=3))
        T_root[str(child)] = T_root[parent] @ T
        msg = transform(parent, str(child), 5.0, T[:3, 3], quat_xyzw_from_rotation(R))
        add = buffer.set_transform_static if rng.random() < 0.5 else buffer.set_transform
        add(msg, "test")
    for target in T_root:
        for source in T_root:
            found = matrix(buffer.lookup_transform(target, source, at(5.0)))
            np.testing.assert_allclose(found, inverse(T_root[target]) @ T_root[source], atol=1e-9)


def test_a_message_stamp_is_a_time(buffer):
    found = buffer.lookup_transform("map", "camera", at(10.0).to_msg())
    assert_pose(found, (1, 3, 0.5), yaw(90))


def test_quaternions_are_normalised():
    buffer = Buffer()
    rounded = 1.004 * np.array(yaw(90))  # within what tf2 takes
    buffer.set_transform(transform("map", "base", 10.0, quat_xyzw=rounded), "test")
    r = buffer.lookup_transform("map", "base", LATEST).transform.rotation
    np.testing.assert_allclose([r.x, r.y, r.z, r.w], yaw(90), atol=1e-12)


@pytest.mark.parametrize("length", [0.0, 0.99, 1.01, 2.0, np.nan])
def test_quaternions_that_tf2_drops_are_dropped(length):
    buffer = Buffer()
    msg = transform("map", "base", 10.0, quat_xyzw=length * np.array(yaw(90)))
    buffer.set_transform(msg, "test")
    assert not buffer.can_transform("map", "base", LATEST)


def test_changing_a_message_afterwards_changes_nothing():
    buffer, msg = Buffer(), transform("map", "base", 10.0, (1, 2, 3))
    buffer.set_transform(msg, "test")
    msg.transform.translation.x = 9.0
    assert_pose(buffer.lookup_transform("map", "base", at(10.0)), (1, 2, 3), NO_TURN)


@pytest.mark.parametrize(
    ("seconds", "translation", "degrees"),
    [
        (10.0, (4, 0, 0), 0),
        (10.5, (3.5, 0, 1), 22.5),
        (11.0, (3, 0, 2), 45),
        (12.0, (2, 0, 4), 90),
    ],
)
def test_interpolation(moving, seconds, translation, degrees):
    found = moving.lookup_transform("map", "base", at(seconds))
    assert_pose(found, translation, yaw(degrees))
    assert found.header.stamp == at(seconds).to_msg()


@pytest.mark.parametrize("sign", [1, -1])
def test_interpolation_turns_the_short_way(sign):
    buffer = Buffer()
    buffer.set_transform(transform("map", "base", 10.0, quat_xyzw=yaw(170)), "test")
    far = sign * np.array(yaw(-170))
    buffer.set_transform(transform("map", "base", 12.0, quat_xyzw=far), "test")
    assert_pose(buffer.lookup_transform("map", "base", at(11.0)), (0, 0, 0), yaw(180))


def test_transforms_may_come_in_any_order():
    buffer = Buffer()
    for seconds in (12.0, 10.0, 11.0):
        buffer.set_transform(transform("map", "base", seconds, (seconds, 0, 0)), "test")
    assert_pose(buffer.lookup_transform("map", "base", at(10.5)), (10.5, 0, 0), NO_TURN)
    assert buffer.lookup_transform("map", "base", LATEST).header.stamp == at(12.0).to_msg()


def test_of_two_transforms_with_one_stamp_the_last_counts():
    buffer = Buffer()
    for seconds, x in ((10.0, 1), (10.0, 2), (12.0, 4)):
        buffer.set_transform(transform("map", "base", seconds, (x, 0, 0)), "test")
    assert_pose(buffer.lookup_transform("map", "base", at(11.0)), (3, 0, 0), NO_TURN)


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(9.9, "past.*9.9.*earliest.* 10"), (12.1, "future.*12.1.*latest.* 12")],
)
def test_times_outside_are_not_extrapolated(moving, seconds, message):
    assert not moving.can_transform("map", "base", at(seconds))
    with pytest.raises(ExtrapolationException, match=message):
        moving.lookup_transform("map", "base", at(seconds))


def test_a_single_transform_holds_at_its_stamp_only(buffer):
    with pytest.raises(ExtrapolationException, match="only time 10"):
        buffer.lookup_transform("map", "camera", at(10.001))


@pytest.mark.parametrize("pair", [("map", "nowhere"), ("nowhere", "map")])
def test_unknown_frame(buffer, pair):
    with pytest.raises(LookupException, match=r"nowhere.*does not exist"):
        buffer.lookup_transform(*pair, LATEST)


@pytest.mark.parametrize("time", [LATEST, at(10.0)])
def test_two_trees_are_not_connected(buffer, time):
    buffer.set_transform(transform("other_map", "other_base", 10.0), "test")
    with pytest.raises(ConnectivityException, match=r"'camera'.*'other_base'.*unconnected"):
        buffer.lookup_transform("camera", "other_base", time)


@pytest.mark.parametrize("frame", ["", "/map"])
def test_frames_of_lookups_are_not_empty_and_have_no_slash(buffer, frame):
    with pytest.raises(InvalidArgumentException):
        buffer.lookup_transform(frame, "camera", LATEST)


def test_transforms_may_have_a_leading_slash():
    buffer = Buffer()
    buffer.set_transform(transform("/map", "/base", 10.0, (1, 2, 3)), "test")
    assert_pose(buffer.lookup_transform("map", "base", LATEST), (1, 2, 3), NO_TURN)


def test_every_error_is_a_transform_exception():
    for error in (
        ConnectivityException,
        ExtrapolationException,
        InvalidArgumentException,
        LookupException,
    ):
        assert issubclass(error, TransformException)


def test_a_loop_is_found(buffer):
    buffer.set_transform(transform("camera", "map", 10.0), "test")
    buffer.set_transform(transform("other_map", "other_base", 10.0), "test")
    with pytest.raises(LookupException, match="loop"):
        buffer.lookup_transform("other_base", "camera", LATEST)


def test_a_frame_in_itself():
    found = Buffer().lookup_transform("nowhere", "nowhere", at(3.0))
    assert_pose(found, (0, 0, 0), NO_TURN)
    assert found.header.stamp == at(3.0).to_msg()


@pytest.mark.parametrize("seconds", [0.0, 1.0, 1e6])
def test_static_transforms_hold_at_all_times(seconds):
    buffer = Buffer()
    buffer.set_transform_static(transform("base", "camera", 10.0, (1, 0, 0), yaw(90)), "test")
    found = buffer.lookup_transform("base", "camera", at(seconds))
    assert_pose(found, (1, 0, 0), yaw(90))
    assert found.header.stamp == at(seconds).to_msg()


def test_a_static_transform_takes_the_place_of_the_last(moving):
    for x in (1, 5):
        moving.set_transform_static(transform("base", "camera", 0.0, (x, 0, 0)), "test")
    assert_pose(moving.lookup_transform("map", "camera", at(12.0)), (2, 5, 4), yaw(90))


def test_time_zero_is_the_latest_time_in_common(moving):
    moving.set_transform_static(transform("sensors", "camera"), "test")
    for seconds, z in ((10.0, 0), (11.0, 1)):
        moving.set_transform(transform("base", "sensors", seconds, (0, 0, z)), "test")
    found = moving.lookup_transform("map", "camera", LATEST)
    assert found.header.stamp == at(11.0).to_msg()
    assert_pose(found, (3, 0, 3), yaw(45))


def test_only_the_way_between_two_frames_counts(buffer):
    """Neither the latest common time nor extrapolation looks at frames above the common one."""
    for child in ("camera", "lidar"):
        buffer.set_transform(transform("base", child, 11.0), "test")
    assert buffer.lookup_transform("lidar", "camera", LATEST).header.stamp == at(11.0).to_msg()
    assert buffer.can_transform("lidar", "camera", at(10.5))
    assert not buffer.can_transform("map", "camera", at(10.5))


@pytest.mark.parametrize(
    ("cache_time", "kept", "lost"),
    [(None, (12.1, 22.0), (11.9, 5.0)), (Duration(seconds=2), (20.1, 22.0), (19.9, 12.1))],
)
def test_transforms_expire(cache_time, kept, lost):
    buffer = Buffer(cache_time=cache_time)
    for seconds in (5.0, 11.9, 12.1, 19.9, 20.1, 21.9, 22.0, 11.9):
        buffer.set_transform(transform("map", "base", seconds), "test")
    assert [buffer.can_transform("map", "base", at(seconds)) for seconds in kept] == [True, True]
    assert [buffer.can_transform("map", "base", at(seconds)) for seconds in lost] == [False, False]


@pytest.mark.parametrize(
    "unusable",
    [
        transform("map", "bad", 1.0, (float("nan"), 0, 0)),
        transform("map", "bad", 1.0, quat_xyzw=(0, 0, 0, 0)),
        transform("map", "bad", 1.0, quat_xyzw=(0, 0, 0, float("nan"))),
        transform("bad", "bad", 1.0),
        transform("", "bad", 1.0),
        transform("bad", "", 1.0),
    ],
)
@pytest.mark.parametrize("setter", ["set_transform", "set_transform_static"])
def test_unusable_transforms_are_dropped(buffer, unusable, setter):
    getattr(buffer, setter)(unusable, "test")
    with pytest.raises(LookupException, match="bad"):
        buffer.lookup_transform("map", "bad", LATEST)


def test_a_frame_may_change_its_parent(buffer):
    buffer.set_transform(transform("map", "camera", 12.0, (7, 0, 0)), "test")
    for seconds in (10.0, 11.0):
        found = buffer.lookup_transform("base", "camera", at(seconds))
        assert_pose(found, (1, 0, 0.5), NO_TURN)
    assert_pose(buffer.lookup_transform("map", "camera", at(12.0)), (7, 0, 0), NO_TURN)


def test_clear_keeps_static_transforms(buffer):
    buffer.set_transform_static(transform("camera", "lens", 0.0, (0, 0, 1)), "test")
    buffer.clear()
    assert buffer.can_transform("camera", "lens", LATEST)
    assert not buffer.can_transform("map", "camera", LATEST)
    buffer.set_transform(transform("map", "camera", 1.0), "test")
    assert_pose(buffer.lookup_transform("map", "lens", at(1.0)), (0, 0, 1), NO_TURN)


def test_can_transform_says_why_not(buffer):
    assert buffer.can_transform("map", "camera", at(10.0), return_debug_tuple=True)[0]
    possible, why = buffer.can_transform("map", "nowhere", LATEST, return_debug_tuple=True)
    assert not possible
    assert "nowhere" in why


def test_a_lookup_waits_for_the_transform(buffer):
    late = threading.Timer(0.1, buffer.set_transform, (transform("map", "late", 10.0), "test"))
    late.start()
    found = buffer.lookup_transform("late", "base", at(10.0), timeout=Duration(seconds=30))
    late.join()
    assert_pose(found, (1, 2, 0), yaw(90))


def test_a_lookup_that_waited_in_vain_says_why(buffer):
    assert not buffer.can_transform("map", "camera", at(11.0), Duration(seconds=0.05))
    with pytest.raises(ExtrapolationException):
        buffer.lookup_transform("map", "camera", at(11.0), Duration(seconds=0.05))


def test_threads_may_share_a_buffer():
    buffer = Buffer()
    buffer.set_transform(transform("map", "base", 1.0, (1, 0, 0)), "test")
    failures = []

    def move(child):
        for step in range(1, 200):
            buffer.set_transform(transform("base", child, step, (0, step, 0)), "test")
            found = buffer.lookup_transform("base", child, at(step))
            if found.transform.translation.y != step:
                failures.append((child, step))

    threads = [threading.Thread(target=move, args=(f"camera{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(buffer.can_transform("base", f"camera{i}", at(199)) for i in range(4))
