# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What comes out of the node, over real DDS, for what goes in."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from helpers.robot import (
    BASE_STAMP,
    compressed_message,
    image_message,
    picture,
    stamp_message,
    stereo_pair,
    wait_until,
)
from rcl_interfaces.msg import Log
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage
from tf2_ros import StaticTransformBroadcaster

from geloc3r_ros import geometry as g
from geloc3r_ros.inference.messages import stamp_nanoseconds
from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, save_weights
from geloc3r_ros.nodes.bare_node import bare_node
from geloc3r_ros.nodes.debug_image import draw
from geloc3r_ros.nodes.poses import transform_from_message, transform_message
from geloc3r_ros.nodes.report import assess, with_scale

PAIR = stereo_pair()
PERIOD = 10**8


def matrix(pose):
    p, q = pose.position, pose.orientation
    return g.make_transform(g.rotation_from_quat_xyzw([q.x, q.y, q.z, q.w]), [p.x, p.y, p.z])


def relative(robot, count=1):
    """The poses received once there are ``count``."""
    assert wait_until(lambda: len(robot.poses()) >= count), robot.says()
    return robot.poses()


def tf_from_node(robot, child):
    """The latest transform with this child."""
    found = [t for m in robot.received["/tf"] for t in m.transforms if t.child_frame_id == child]
    return found[-1] if found else None


def test_all_outputs_carry_the_estimate(robot, estimator):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    message = relative(robot)[0]
    expected = estimator.estimate(*PAIR)

    assert matrix(message.pose.pose) == pytest.approx(expected.T_1_2, abs=1e-6)
    assert np.array(message.pose.covariance) == pytest.approx(expected.covariance.ravel())
    assert message.cycle_rotation_error == pytest.approx(expected.cycle_rotation_error, abs=1e-6)
    assert (message.header.frame_id, message.child_frame_id) == ("left_optical", "right_optical")
    assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == BASE_STAMP
    assert (message.valid, message.scale_known, message.trained) == (True, False, True)
    assert message.latency > 0

    assert wait_until(lambda: robot.received["/geloc3r/right/pose"])
    pose = robot.received["/geloc3r/right/pose"][0]
    assert (pose.header, pose.pose) == (message.header, message.pose.pose)
    with_covariance = robot.received["/geloc3r/right/pose_with_covariance"]
    assert wait_until(lambda: with_covariance)
    assert with_covariance[0].pose == message.pose
    child = "right_optical_geloc3r_unit"
    assert wait_until(lambda: tf_from_node(robot, child))
    tf = tf_from_node(robot, child)
    assert tf.header == message.header
    assert transform_from_message(tf.transform) == pytest.approx(expected.T_1_2, abs=1e-6)


def test_the_inverted_tf_is_the_inverse(robot, estimator):
    robot = robot({"invert_tf": True})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    child = "left_optical_geloc3r_unit"
    assert wait_until(lambda: tf_from_node(robot, child))
    tf = tf_from_node(robot, child)
    assert tf.header.frame_id == "right_optical"
    T_b_a = g.inverse(estimator.estimate(*PAIR).T_1_2)
    assert transform_from_message(tf.transform) == pytest.approx(T_b_a, abs=1e-6)


def test_known_intrinsics_reach_the_estimator(robot, estimator):
    K_a = [[150, 0, 70], [0, 150, 55], [0, 0, 1]]
    K_b = [[120, 0, 85], [0, 120, 62], [0, 0, 1]]
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    robot.send_camera_info("left", K_a)
    robot.send_camera_info("right", K_b)
    assert wait_until(lambda: len(robot.node._inputs.intrinsics) == 2)
    robot.send(PAIR)
    R = matrix(relative(robot)[0].pose.pose)[:3, :3]  # K that do not fit leave the direction open
    assert pytest.approx(estimator.estimate(*PAIR, K_a, K_b).T_1_2[:3, :3], abs=1e-6) == R
    assert np.abs(R - estimator.estimate(*PAIR).T_1_2[:3, :3]).max() > 1e-4


@pytest.mark.parametrize("rectify", [False, True])
def test_distorted_images_are_told_where_they_stay_so(robot, rectify):
    robot = robot({"rectify": rectify})
    robot.listen_to_poses()
    robot.start()
    for camera in ("left", "right"):
        K = [100, 0, 80, 0, 100, 60, 0, 0, 1]
        robot.send_camera_info(camera, K, D=(-0.3, 0.1, 0, 0, 0) if camera == "left" else (0,) * 5)
    assert wait_until(lambda: len(robot.node._inputs.intrinsics) == 2)
    robot.send(PAIR)
    relative(robot)
    assert wait_until(lambda: robot.value("right camera_info") == "in use")
    assert robot.value("left camera_info").startswith("in use")
    assert ("set rectify: true" in robot.value("left camera_info")) is not rectify


def test_camera_info_is_demanded_where_the_parameter_says_so(robot):
    robot = robot({"intrinsics.require": True})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    assert wait_until(lambda: robot.value("sets refused") == "1")
    assert "no camera_info has arrived" in robot.value("last error")
    assert not robot.poses()


def test_compressed_images(robot, estimator):
    robot = robot({"image_transport": "compressed"})
    robot.listen_to_poses()
    robot.start()
    for camera, rgb in zip(("left", "right"), PAIR, strict=True):
        message = compressed_message(rgb, camera, BASE_STAMP)
        robot.publish(f"/{camera}/image/compressed", message)
    T = matrix(relative(robot)[0].pose.pose)
    assert pytest.approx(estimator.estimate(*PAIR).T_1_2, abs=1e-6) == T


def test_a_compressed_image_that_cannot_be_read_is_named_by_its_camera(robot):
    robot = robot({"image_transport": "compressed"})
    robot.start()
    for camera, rgb in zip(("left", "right"), PAIR):
        message = compressed_message(rgb, camera, BASE_STAMP)
        if camera == "right":
            message.data = message.data[:500]
        robot.publish(f"/{camera}/image/compressed", message)
    assert wait_until(lambda: robot.value("sets refused") == "1")
    assert robot.value("last error").startswith("camera right: ")


def test_three_cameras(robot, estimator):
    cameras = ("front", "rig/left", "rig/right")
    images = [picture(seed) for seed in (1, 2, 3)]
    robot = robot({"cameras": list(cameras)})
    robot.listen_to_poses("rig/left")
    robot.listen_to_poses("rig/right")
    robot.start()
    robot.send(images, cameras=cameras)
    for i, camera in enumerate(cameras[1:], start=1):
        assert wait_until(lambda: robot.poses(camera))  # noqa: B023
        expected = estimator.estimate(images[0], images[i]).T_1_2[:3, :3]
        R = matrix(robot.poses(camera)[0].pose.pose)[:3, :3]  # different pictures: no direction
        assert pytest.approx(expected, abs=2e-3) == R


def test_remapped_topics_take_their_camera_info_along(robot):
    remaps = ["--ros-args", "-r", "left/image:=/stereo/port/image_rect"]
    robot = robot(cli_args=remaps)
    robot.start()
    inputs = robot.node._inputs
    assert inputs.topics == {"left": "/stereo/port/image_rect", "right": "/right/image"}
    topics = dict(robot.node.get_topic_names_and_types())
    assert "/stereo/port/camera_info" in topics
    assert "/left/camera_info" not in topics


@pytest.mark.parametrize(
    ("parameters", "length"),
    [
        ({"scale.source": "fixed", "scale.baseline": 0.25}, 0.25),
        ({"scale.source": "camera_info"}, 0.5),
        ({"scale.source": "tf"}, 1.5),
    ],
)
def test_scale(robot, estimator, parameters, length):
    robot = robot({**parameters, "intrinsics.normalize": False, "tf.timeout": 5.0})
    robot.listen_to_poses()
    robot.start()
    K = np.array([[100.0, 0, 80], [0, 100, 60], [0, 0, 1]])
    P = np.hstack([K, [[-100 * 0.5], [0], [0]]])  # baseline 0.5 m to the right of camera a
    robot.send_camera_info("left", K)
    robot.send_camera_info("right", K, p=P.ravel())
    broadcast_static(
        robot, "left_optical", "right_optical", g.make_transform(np.eye(3), [1, 1, 0.5])
    )
    assert wait_until(lambda: len(robot.node._inputs.intrinsics) == 2)
    robot.send(PAIR)
    message = relative(robot)[0]
    T = matrix(message.pose.pose)
    expected = estimator.estimate(*PAIR)
    assert message.scale_known
    assert T[:3, 3] == pytest.approx(length * expected.T_1_2[:3, 3], abs=1e-6)
    variances = np.diag(np.array(message.pose.covariance).reshape(6, 6))
    unit_variances = np.diag(expected.covariance)
    unmeasured = T[:3, 3] ** 2 if parameters["scale.source"] == "tf" else 0.0
    assert variances[:3] == pytest.approx(length**2 * unit_variances[:3] + unmeasured)
    assert variances[3:] == pytest.approx(unit_variances[3:])
    assert wait_until(lambda: tf_from_node(robot, "right_optical_geloc3r"))


def broadcast_static(robot, parent, child, T_parent_child):
    message = TransformStamped(child_frame_id=child, transform=transform_message(T_parent_child))
    message.header.frame_id = parent
    broadcaster = StaticTransformBroadcaster(robot.tester)
    broadcaster.sendTransform(message)
    robot.broadcasters = [*getattr(robot, "broadcasters", []), broadcaster]


def test_base_frames_on_a_tilted_mount(robot, estimator):
    # Camera a looks 30 degrees down from a dock, camera b is mounted on a robot, rolled by 90.
    optical = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)  # REP-103
    T_dock_a = g.make_transform(g.rotation_about([0, 1, 0], np.radians(30)) @ optical, [0, 0, 1.2])
    T_base_b = g.make_transform(g.rotation_about([1, 0, 0], np.pi / 2) @ optical, [0.3, 0.1, 0.4])
    parameters = {"output_frame": "base", "base.frame": "dock", "base.child_frame": "base_link"}
    scale = {"scale.source": "fixed", "scale.baseline": 2.0}
    robot = robot({**parameters, **scale, "tf.timeout": 5.0})
    robot.listen_to_poses()
    robot.start()
    broadcast_static(robot, "dock", "left_optical", T_dock_a)
    broadcast_static(robot, "base_link", "right_optical", T_base_b)
    robot.send(PAIR)
    message = relative(robot)[0]
    T_a_b = estimator.estimate(*PAIR).T_1_2
    T_a_b = g.make_transform(T_a_b[:3, :3], 2.0 * T_a_b[:3, 3])
    expected = T_dock_a @ T_a_b @ g.inverse(T_base_b)
    assert (message.header.frame_id, message.child_frame_id) == ("dock", "base_link")
    assert matrix(message.pose.pose) == pytest.approx(expected, abs=1e-6)
    assert wait_until(lambda: tf_from_node(robot, "base_link_geloc3r"))
    tf = tf_from_node(robot, "base_link_geloc3r")
    assert tf.header.frame_id == "dock"
    assert transform_from_message(tf.transform) == pytest.approx(expected, abs=1e-6)


def test_a_missing_transform_costs_the_set_only(robot):
    robot = robot({"scale.source": "tf", "tf.timeout": 0.05})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    assert wait_until(lambda: robot.value("sets refused") == "1")
    assert "no transform left_optical <- right_optical" in robot.value("last error")
    assert not robot.poses()


def test_untrained_weights_give_no_pose_unless_asked(robot, tmp_path):
    weights = tmp_path / "untrained.safetensors"
    config = ModelConfig.tiny()
    info = WeightsInfo(name="x", config=config, trained=False, licence="Apache-2.0")
    save_weights(weights, GeLoc3r(config), info)
    robot = robot({"publish_untrained": False, "weights": str(weights)})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    message = relative(robot)[0]
    assert not message.valid
    assert "untrained" in message.reason
    assert not message.trained
    assert not robot.received["/geloc3r/right/pose"]
    assert tf_from_node(robot, "right_optical_geloc3r_unit") is None


def test_a_pose_over_the_gate_is_invalid(robot):
    robot = robot({"gate.max_cycle_rotation": 1e-9})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR)
    message = relative(robot)[0]
    assert not message.valid
    assert "gate.max_cycle_rotation" in message.reason
    assert not robot.received["/geloc3r/right/pose_with_covariance"]


def test_bad_images_cost_one_set_each_and_are_named(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    stamps = [BASE_STAMP + k * PERIOD for k in range(4)]
    short = image_message(PAIR[0], "left", stamps[0])
    short.data = short.data[:-10]
    negative = image_message(PAIR[0], "left", -(10**9))
    unknown = image_message(PAIR[0], "left", stamps[1])
    unknown.encoding = "rgb9"
    for bad in (short, negative, unknown):
        robot.publish("/left/image", bad)
    robot.send([PAIR[0], PAIR[1]], stamps[3])
    relative(robot)
    assert wait_until(lambda: robot.value("left refused") == "3")
    assert "rgb9" in robot.value("left last refusal")
    assert robot.value("sets failed") == "0"


@pytest.mark.parametrize(("exact", "shift"), [(True, 0), (False, 10**6)])
def test_sets_match_by_their_stamps(robot, exact, shift):
    robot = robot({"sync.exact": exact, "sync.slop": 0.005})
    robot.listen_to_poses()
    robot.start()
    for k in range(3):
        robot.send(PAIR, BASE_STAMP + k * PERIOD, offsets=(0, shift))
        relative(robot, k + 1)
    first = robot.poses()[0]
    assert first.child_stamp.nanosec - first.header.stamp.nanosec == shift


@pytest.mark.parametrize(
    ("exact", "shift", "words"),
    [(True, 10**6, ("exactly", "0.001 s")), (False, 10**7, ("within sync.slop 0.005", "0.010 s"))],
)
def test_stamps_that_do_not_match_are_diagnosed(robot, exact, shift, words):
    robot = robot({"sync.exact": exact, "sync.slop": 0.005, "watchdog.timeout": 1.0})
    robot.listen_to_poses()
    robot.start()
    for k in range(40):
        robot.send(PAIR, BASE_STAMP + k * PERIOD, offsets=(0, shift))
        if wait_until(lambda: "no stamps match" in robot.says(), 0.1):
            break
    for word in words:
        assert word in robot.says()
    assert not robot.poses()


def test_a_looped_recording_loses_no_first_set(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    for loop in range(3):
        for k in range(4):
            # The last frame of camera b is missing: what stays behind must not harm the next pass.
            stamp = BASE_STAMP + k * PERIOD
            robot.publish("/left/image", image_message(PAIR[0], "left", stamp))
            if k < 3:
                robot.publish("/right/image", image_message(PAIR[1], "right", stamp))
                relative(robot, 3 * loop + k + 1)
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in robot.poses()]
    assert stamps == [BASE_STAMP + k * PERIOD for k in range(3)] * 3


def test_enable_and_reset(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    assert robot.call(SetBool, "/geloc3r/enable", SetBool.Request(data=False)).success
    robot.send(PAIR, BASE_STAMP)
    assert wait_until(lambda: robot.value("sets matched") == "1")
    assert wait_until(lambda: "disabled" in robot.says())
    assert robot.call(SetBool, "/geloc3r/enable", SetBool.Request(data=True)).success
    robot.send(PAIR, BASE_STAMP + PERIOD)
    assert relative(robot)[0].header.stamp.nanosec == PERIOD
    assert len(robot.poses()) == 1
    assert robot.call(Trigger, "/geloc3r/reset", Trigger.Request()).success
    assert wait_until(lambda: robot.value("sets processed") == "0")
    robot.send(PAIR, BASE_STAMP + 2 * PERIOD)
    relative(robot, 2)


def test_someone_else_s_child_frame_stops_our_tf(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    child = "right_optical_geloc3r_unit"
    broadcast_static(robot, "somewhere", child, np.eye(4))
    assert wait_until(lambda: robot.node._frames.foreign_parent(child) == "somewhere")
    robot.send(PAIR)
    relative(robot)
    assert wait_until(lambda: "somewhere the parent" in robot.says())
    assert tf_from_node(robot, child) is None


def test_our_own_transforms_are_not_mistaken_for_another_s(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    for k in range(3):
        robot.send(PAIR, BASE_STAMP + k * PERIOD)
        relative(robot, k + 1)
    child = "right_optical_geloc3r_unit"
    assert wait_until(lambda: sum(len(m.transforms) for m in robot.received["/tf"]) == 3)
    assert robot.node._frames.foreign_parent(child) == ""


def test_frame_ids_are_overridden_and_lose_their_slash(robot):
    robot = robot({"frame_ids": ["", "/cam_b"]})
    robot.listen_to_poses()
    robot.start()
    for camera, rgb in zip(("left", "right"), PAIR, strict=True):
        robot.publish(f"/{camera}/image", image_message(rgb, camera, BASE_STAMP, "/slashed"))
    message = relative(robot)[0]
    assert (message.header.frame_id, message.child_frame_id) == ("slashed", "cam_b")


def test_an_empty_frame_id_is_refused(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    for camera, rgb in zip(("left", "right"), PAIR, strict=True):
        robot.publish(f"/{camera}/image", image_message(rgb, camera, BASE_STAMP, ""))
    assert wait_until(lambda: robot.value("sets refused") == "1")
    assert "no frame_id" in robot.value("last error")


def test_the_status_tells_why_there_is_no_translation(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    for camera in ("left", "right"):
        robot.publish(f"/{camera}/image", image_message(PAIR[0], camera, BASE_STAMP))
    message = relative(robot)[0]
    assert (message.valid, message.translation_valid) == (True, False)
    assert wait_until(lambda: robot.value("sets without translation") == "1")
    assert f"rotation alone, without TF: {message.reason}" in (
        robot.received["/geloc3r/status"][-1].message
    )
    assert not robot.received["/geloc3r/right/pose"]


@pytest.mark.parametrize(
    ("settings", "frames", "alike"),
    [
        ({}, ("a", "b", "b"), "mid, right"),
        ({"publish_tf": False}, ("a", "b", "b"), None),
        ({}, ("a", "a", "b"), None),
        ({"output_frame": "base", "publish_tf": False}, ("a", "b", "a"), "left, right"),
    ],
)
def test_cameras_of_one_frame_are_refused_where_tf_could_not_tell_them(
    robot, settings, frames, alike
):
    cameras = ("left", "mid", "right")
    robot = robot({"cameras": list(cameras), **settings})
    robot.start()
    for camera, frame, rgb in zip(cameras, frames, (*PAIR, PAIR[1]), strict=True):
        robot.publish(f"/{camera}/image", image_message(rgb, camera, BASE_STAMP, frame))
    count = "sets refused" if alike else "sets processed"
    assert wait_until(lambda: robot.value(count) == "1")
    said = f"the cameras {alike} name one frame" if alike else ""
    assert said in (robot.value("last error") or "")


def test_the_debug_image_is_drawn_for_subscribers(robot):
    robot = robot({"debug_image.width": 320})
    pictures = robot.listen(Image, "/geloc3r/debug_image")
    robot.listen_to_poses()
    robot.start()
    assert wait_until(lambda: robot.node.count_subscribers("/geloc3r/debug_image") == 1)
    assert wait_until(lambda: robot.node._pipeline._debug_image.get_subscription_count() == 1)
    robot.send(PAIR)
    assert wait_until(lambda: pictures)
    assert (pictures[0].width, pictures[0].height, pictures[0].encoding) == (320, 120, "rgb8")
    assert np.array(pictures[0].data).std() > 10


def test_a_camera_in_trouble_does_not_silence_another(robot):
    """Log lines are throttled, by camera."""
    robot = robot()
    robot.start()
    lines = robot.listen(Log, "/rosout")
    message = image_message(PAIR[0], "left", 0)
    for camera in ("left", "right") * 3:
        robot.publish(f"/{camera}/image", message)
    assert wait_until(lambda: robot.value("right refused") == "3")
    refusals = [line for line in lines if "refused: stamp is 0" in line.msg]
    assert [line.name for line in refusals] == ["geloc3r.left", "geloc3r.right"]
    assert ["/left/image" in refusals[0].msg, "/right/image" in refusals[1].msg] == [True] * 2


def test_silence_is_diagnosed_by_topic(robot):
    robot = robot({"watchdog.timeout": 0.5})
    robot.start()
    assert wait_until(lambda: "/left/image has no publisher" in robot.says())
    robot.publish("/left/image", image_message(PAIR[0], "left", BASE_STAMP))
    robot.tester.create_publisher(Image, "/right/image", 1)
    assert wait_until(lambda: "/right/image has a publisher, but nothing arrived" in robot.says())


def test_max_update_rate(robot):
    robot = robot({"max_update_rate": 0.1})
    robot.listen_to_poses()
    robot.start()
    for k in range(3):
        robot.send(PAIR, BASE_STAMP + k * PERIOD)
        done = robot.node._statistics.total
        assert wait_until(lambda: done("processed") + done("over rate") == k + 1)  # noqa: B023
    assert wait_until(lambda: robot.value("sets over rate") == "2")
    assert len(robot.poses()) == 1


def test_old_sets_are_dropped(robot):
    robot = robot({"max_age": 1.0})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR, BASE_STAMP)
    assert wait_until(lambda: robot.value("sets too old") == "1")
    now = robot.tester.get_clock().now().nanoseconds
    robot.send(PAIR, now)
    assert relative(robot)[0].header.stamp.sec == now // 10**9


@contextmanager
def held_up(owner, method):
    """Let the next calls of a method wait until the end; yields what tells that one waits."""
    waits, go, work = threading.Event(), threading.Event(), getattr(owner, method)

    def late(*arguments):
        waits.set()
        go.wait(30.0)
        return work(*arguments)

    setattr(owner, method, late)
    try:
        yield waits
    finally:
        go.set()
        setattr(owner, method, work)


@pytest.mark.parametrize("held", ["estimate_set", "transform"])
@pytest.mark.parametrize("event", ["disabled", "reset", "new pass"])
def test_nothing_of_before_is_published_after(robot, event, held):
    robot = robot({"scale.source": "tf", "tf.timeout": 5.0})
    robot.listen_to_poses()
    robot.start()
    broadcast_static(
        robot, "left_optical", "right_optical", g.make_transform(np.eye(3), [1, 0, 0])
    )
    first = BASE_STAMP + 100 * PERIOD
    last = BASE_STAMP if event == "new pass" else first + 10 * PERIOD
    owner = robot.node._estimator if held == "estimate_set" else robot.node._frames
    with held_up(owner, held) as waits:
        for k in range(4):
            robot.send(PAIR, first + k * PERIOD)
        assert waits.wait(30.0)
        assert wait_until(lambda: robot.value("sets matched") == "4")
        if event == "disabled":
            assert robot.call(SetBool, "/geloc3r/enable", SetBool.Request(data=False)).success
            assert robot.call(SetBool, "/geloc3r/enable", SetBool.Request(data=True)).success
        elif event == "reset":
            assert robot.call(Trigger, "/geloc3r/reset", Trigger.Request()).success
        robot.send(PAIR, last)
        count = robot.node._statistics.total
        assert wait_until(lambda: count("matched") == (1 if event == "reset" else 5))
    assert stamp_nanoseconds(relative(robot)[0].header.stamp) == last
    assert len(robot.poses()) == 1
    assert wait_until(lambda: count("processed") == 1)
    if event != "reset":  # which forgets what was counted before
        assert count("dropped") == 4


def test_one_camera_without_scale_does_not_silence_the_others(robot):
    robot = robot({"cameras": ["left", "mid", "right"], "scale.source": "camera_info"})
    for camera in ("mid", "right"):
        robot.listen_to_poses(camera)
    robot.start()
    K = np.array([[100.0, 0, 80], [0, 100, 60], [0, 0, 1]])
    P = np.hstack([K, [[-100 * 0.5], [0], [0]]]).ravel()
    for camera, fields in (("left", {}), ("mid", {}), ("right", {"p": P})):
        robot.send_camera_info(camera, K, **fields)
    assert wait_until(lambda: len(robot.node._inputs.intrinsics) == 3)
    robot.send([PAIR[0], *PAIR], cameras=("left", "mid", "right"))
    assert wait_until(lambda: robot.poses("right")), robot.says()
    assert wait_until(lambda: "camera mid: its camera_info has no baseline" in robot.says())
    assert not robot.poses("mid")
    assert robot.value("sets refused") == robot.value("sets processed") == "1"


def test_reset_forgets_a_static_conflict_that_is_over(robot):
    robot = robot()
    robot.listen_to_poses()
    robot.start()
    child = "right_optical_geloc3r_unit"
    broadcast_static(robot, "somewhere", child, np.eye(4))
    foreign = robot.node._frames.foreign_parent
    assert wait_until(lambda: foreign(child) == "somewhere")
    assert robot.call(Trigger, "/geloc3r/reset", Trigger.Request()).success
    assert wait_until(lambda: foreign(child) == "somewhere")  # it is still there
    robot.tester.destroy_publisher(robot.broadcasters.pop().pub_tf)
    assert wait_until(lambda: robot.node.count_publishers("/tf_static") == 0)
    assert robot.call(Trigger, "/geloc3r/reset", Trigger.Request()).success
    robot.send(PAIR)
    assert wait_until(lambda: tf_from_node(robot, child)), robot.says()


def move(robot, *shifts):
    """Broadcast the right camera 1.5 m beside the left one, so long after ``BASE_STAMP``."""
    moved = TransformStamped(child_frame_id="right_optical")
    moved.header.frame_id = "left_optical"
    moved.transform.translation.x = 1.5
    for shift in shifts:
        stamp_message(moved.header.stamp, BASE_STAMP + shift)
        robot.publish("/tf", TFMessage(transforms=[moved]))


def test_reset_forgets_transforms_of_a_later_time(robot):
    robot = robot({"scale.source": "tf", "tf.timeout": 2.0})
    robot.listen_to_poses()
    robot.start()
    for later in (10**12, 0):
        move(robot, later - PERIOD, later + PERIOD)
        robot.send(PAIR, BASE_STAMP + later)
        relative(robot, 1 if later else 2)
        assert robot.call(Trigger, "/geloc3r/reset", Trigger.Request()).success
    assert [stamp_nanoseconds(m.header.stamp) for m in robot.poses()][1] == BASE_STAMP


def test_a_voided_set_whose_tf_is_gone_is_no_fault(robot):
    robot = robot({"scale.source": "tf", "tf.timeout": 1.0})
    robot.start()
    with held_up(robot.node._frames, "transform") as waits:
        robot.send(PAIR)
        assert waits.wait(30.0)
        robot.node._discard()
    count = robot.node._statistics.total
    assert wait_until(lambda: count("dropped") == 1)
    assert count("refused") == 0


def test_a_pause_of_the_cameras_is_no_wait_for_the_network(robot):
    robot = robot({"max_age": 1.0, "watchdog.timeout": 0.5})
    robot.start()
    robot.send(PAIR, BASE_STAMP)  # too old: never finished
    statistics = robot.node._statistics
    assert wait_until(lambda: statistics.total("too old") == 1)
    assert wait_until(lambda: statistics.unanswered("matched") > 0.6)
    with held_up(robot.node._estimator, "estimate_set") as waits:
        robot.send(PAIR, robot.tester.get_clock().now().nanoseconds)
        assert waits.wait(30.0)
        waited = statistics.unanswered("matched"), statistics.silence("too old")
        assert waited[0] < waited[1] - 0.5


def test_a_late_transform_of_the_pass_before_costs_no_later_one(robot):
    robot = robot({"scale.source": "tf", "tf.timeout": 2.0})
    robot.listen_to_poses()
    robot.start()
    move(robot, -3 * PERIOD, 1000 * PERIOD, -2 * PERIOD, -PERIOD, PERIOD)
    robot.send(PAIR, BASE_STAMP)
    assert relative(robot)[0].scale_known


def test_resets_leave_nothing_behind(robot):
    robot = robot()
    robot.start()

    def references():
        assert robot.call(Trigger, "/geloc3r/reset", Trigger.Request()).success
        return len(robot.node.default_callback_group.entities)

    before = [references() for _ in range(3)][-1]
    assert [references() for _ in range(5)] == [before] * 5


def test_a_higher_rate_counts_at_once(robot):
    robot = robot({"max_update_rate": 0.01})
    robot.listen_to_poses()
    robot.start()
    robot.send(PAIR, BASE_STAMP)
    relative(robot)
    robot.node.set_parameters([Parameter("max_update_rate", value=1000.0)])
    robot.send(PAIR, BASE_STAMP + PERIOD)
    relative(robot, 2)


def test_latched_camera_info_arrives_where_it_is_asked_for(robot):
    topic = "/left/camera_info"
    durability = f"qos_overrides.{topic}.subscription.durability"
    reliability = f"qos_overrides.{topic}.subscription.reliability"
    robot = robot({durability: "transient_local", reliability: "reliable"})
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    info = CameraInfo(width=160, height=120, distortion_model="plumb_bob")
    info.k = [100.0, 0, 80, 0, 100, 60, 0, 0, 1]
    robot.tester.create_publisher(CameraInfo, topic, latched).publish(info)
    robot.listen_to_poses()
    robot.start()
    assert wait_until(lambda: "left" in robot.node._inputs.intrinsics)
    robot.send(PAIR)
    relative(robot)
    # The network is told the intrinsics of all cameras or of none.
    assert wait_until(lambda: robot.value("images without intrinsics") == "2")
    assert robot.value("left camera_info") == "not in use, another camera has none"
    assert robot.value("right camera_info") == "no camera_info has arrived"


def test_camera_info_that_is_not_offered_as_it_is_asked_for_is_named(robot):
    topic = "/left/camera_info"
    durability = f"qos_overrides.{topic}.subscription.durability"
    robot = robot({durability: "transient_local"})
    robot.listen_to_poses()
    robot.tester.create_publisher(CameraInfo, topic, 1)
    robot.start()
    assert wait_until(lambda: "left" in robot.node._inputs.intrinsics)
    robot.send(PAIR)
    relative(robot)
    words = f"a publisher of {topic} offers another durability"
    assert wait_until(lambda: robot.value("left camera_info").startswith(words))
    assert words not in robot.says()  # images come


def test_another_type_is_told_only_where_nobody_publishes_images(robot):
    robot = robot()
    robot.start()
    others = robot.node._inputs.other_types
    with bare_node("stranger") as stranger:  # one context takes one type for a topic
        stranger.create_publisher(String, "/left/image", 1)
        words = "std_msgs/msg/String, not sensor_msgs/msg/Image"
        assert wait_until(lambda: others() == {"left": words})
        robot.tester.create_publisher(Image, "/left/image", 1)
        assert wait_until(lambda: others() == {})


def test_a_misspelt_qos_is_named_and_leaves_nothing_behind(robot):
    reliability = "qos_overrides./right/image.subscription.reliability"
    robot = robot({reliability: "relaible"})
    assert robot.node.trigger_configure().name == "SUCCESS"
    assert robot.node.trigger_activate().name == "FAILURE"
    assert wait_until(lambda: "qos_overrides./right/image.subscription has" in robot.says())
    assert "relaible" in robot.says()
    assert "best_effort" in robot.says()
    topics = "/left/image", "/left/camera_info", "/right/image"
    assert wait_until(lambda: not any(map(robot.node.count_subscribers, topics)))


def test_the_debug_image_is_drawn_in_the_camera_s_axes_whatever_the_output_frame(robot, estimator):
    scale = {"scale.source": "fixed", "scale.baseline": 2.0}
    robot = robot({**scale, "output_frame": "base", "base.frame": "dock", "tf.timeout": 5.0})
    pictures = robot.listen(Image, "/geloc3r/debug_image")
    robot.start()
    assert wait_until(lambda: robot.node._pipeline._debug_image.get_subscription_count() == 1)
    turned = g.make_transform(g.rotation_about([0, 0, 1], np.pi / 2), [7, 8, 9])
    broadcast_static(robot, "dock", "left_optical", turned)
    robot.send(PAIR)
    assert wait_until(lambda: pictures)
    settings = robot.node._parameter_server.settings
    seen_from_a = with_scale(assess(estimator.estimate(*PAIR), settings), 2.0)
    expected = draw(*PAIR, seen_from_a, settings.debug_image_width)
    assert np.array_equal(np.array(pictures[0].data).reshape(expected.shape), expected)
