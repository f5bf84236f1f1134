# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag of rendered views, with poses told in every way, to a training set and back."""

import json
import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from helpers.rendered_views import T_0_1, rendered, round_trip
from helpers.video_layouts import BROWN, _through_lens
from typer.testing import CliRunner

from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import LATCHED, BagReader, BagWriter
from geloc3r_ros.evaluation.messages import STANDARD_TYPES
from geloc3r_ros.geometry import make_transform
from geloc3r_training.data.cli import app
from geloc3r_training.data.datasets import open_dataset
from geloc3r_training.data.from_bag import _depth
from geloc3r_training.data.sample import Scale

CAMERA = (320, 240), 270.0, 275.0, 155.0, 122.0
FRAME = "camera_color_optical_frame"
STAMPS = [1_700_000_000 * 10**9 + i * 2 * 10**8 for i in range(4)]
IMAGE, DEPTH = "/camera/color/image_raw/compressed", "/camera/depth/image"
INFO = "/camera/color/camera_info"

# base_link looks along x with z up; the camera is 0.2 m ahead of it and 0.4 m above.
T_BASE_CAMERA = np.array([[0, 0, 1, 0.2], [-1, 0, 0, 0], [0, -1, 0, 0.4], [0, 0, 0, 1.0]])


def new(kind, **fields):
    return STANDARD_TYPES.types[kind](**fields)


def depth_message(stamp, depth, encoding):
    millimetres = encoding == "16UC1"
    stored = np.rint(depth * 1000).astype(np.uint16) if millimetres else depth.astype(np.float32)
    return new(
        "sensor_msgs/msg/Image",
        header=messages.pose_stamped(stamp, FRAME, np.eye(4)).header,
        height=depth.shape[0],
        width=depth.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=depth.shape[1] * stored.itemsize,
        data=stored.view(np.uint8).ravel(),
    )


def transforms(stamp, frame, child, T):
    stamped = messages.pose_stamped(stamp, frame, T)
    p = stamped.pose.position
    said = new(
        "geometry_msgs/msg/Transform",
        translation=new("geometry_msgs/msg/Vector3", x=p.x, y=p.y, z=p.z),
        rotation=stamped.pose.orientation,
    )
    one = new(
        "geometry_msgs/msg/TransformStamped",
        header=stamped.header,
        child_frame_id=child,
        transform=said,
    )
    return new("tf2_msgs/msg/TFMessage", transforms=[one])


def record(path, posed=(0, 1, 2, 3), encoding="16UC1", distorted=False):
    """Images, depth 5 ms later, PoseStamped of the camera and /tf of the base, 2 ms earlier."""
    views = rendered(*CAMERA)
    D = np.array([*BROWN, 0.0]) if distorted else np.zeros(5)
    with BagWriter(path) as bag:
        bag.add_topic(IMAGE, "sensor_msgs/msg/CompressedImage")
        bag.add_topic(INFO, "sensor_msgs/msg/CameraInfo")
        bag.add_topic(DEPTH, "sensor_msgs/msg/Image")
        bag.add_topic("/pose", "geometry_msgs/msg/PoseStamped")
        bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
        bag.add_topic("/tf_static", "tf2_msgs/msg/TFMessage", LATCHED)
        static = transforms(STAMPS[0], "base_link", FRAME, T_BASE_CAMERA)
        bag.write("/tf_static", STAMPS[0] - 10**8, static)
        for i, stamp in enumerate(STAMPS):
            image, depth, T = views.images[i], views.depths[i], views.T_world_camera[i]
            if i in posed:
                early = stamp - 2 * 10**6
                bag.write("/pose", early, messages.pose_stamped(early, "map", T))
                T_odom_base = T @ np.linalg.inv(T_BASE_CAMERA)
                bag.write("/tf", early, transforms(early, "odom", "base_link", T_odom_base))
            if distorted:
                image = _through_lens(image, views.K, cv2.INTER_LINEAR)
                depth = _through_lens(depth, views.K, cv2.INTER_NEAREST)
            info = messages.camera_info(stamp, FRAME, views.size, views.K, D)
            bag.write(INFO, stamp, info)
            jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 97])[1]
            bag.write(IMAGE, stamp, messages.compressed_image(stamp, FRAME, jpeg.tobytes()))
            late = stamp + 5 * 10**6
            bag.write(DEPTH, late, depth_message(late, depth, encoding))
    return path


def from_bag(bag, folder, *options, pose="/pose"):
    arguments = ["from-bag", bag, folder, "--image", IMAGE, "--pose", pose, *options]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("pose", "encoding", "distorted"),
    [("/pose", "16UC1", False), ("tf", "32FC1", False), ("tf", "16UC1", True)],
)
def test_a_drive_becomes_a_scene(tmp_path, pose, encoding, distorted):
    bag = record(tmp_path / "bag", encoding=encoding, distorted=distorted)
    drive = tmp_path / "data" / "drive_1"
    result = from_bag(bag, drive, "--depth", DEPTH, pose=pose)
    assert result.exit_code == 0, result.output
    assert "4 frames, 0 left out" in result.output
    dataset = open_dataset(tmp_path / "data")
    assert (dataset.name, dataset.scenes()) == ("recording", ["drive_1"])
    assert dataset.inspect("drive_1").problems == []
    names = [str(stamp) for stamp in STAMPS]
    sample = dataset.sample("drive_1", names[:2])
    assert sample.T_a_b(0, 1) == pytest.approx(T_0_1, abs=1e-6)
    assert sample.scale is Scale.METRIC
    assert pytest.approx(rendered(*CAMERA).K) == sample.K[0]
    errors, covisible = round_trip(*sample.depths, sample.K[0], sample.T_a_b(0, 1))
    assert covisible > 0.4
    assert np.percentile(errors, 90) < 0.5
    difference = np.abs(sample.images[0].astype(int) - rendered(*CAMERA).images[0])
    assert np.median(difference[20:-20, 20:-20]) <= 6


def test_images_without_a_pose_are_listed(tmp_path):
    bag = record(tmp_path / "bag", posed=(1, 3))
    result = from_bag(bag, tmp_path / "data" / "drive", "--problems", tmp_path / "problems.json")
    assert "2 frames, 2 left out" in result.output
    frames = [p["frame"] for p in json.loads((tmp_path / "problems.json").read_text())]
    assert frames == [str(STAMPS[0]), str(STAMPS[2])]
    dataset = open_dataset(tmp_path / "data")
    kept = dataset.frames("drive")
    assert kept[0].T_world_camera == pytest.approx(np.eye(4))
    assert all(frame.depth is None for frame in kept)


def test_frames_are_a_period_apart(tmp_path):
    bag = record(tmp_path / "bag")
    result = from_bag(bag, tmp_path / "data" / "drive", "--period", "0.35")
    assert "2 frames, 0 left out" in result.output


@pytest.mark.parametrize(("rate", "kept"), [(10, 100), (20, 100), (30, 100), (7, 70)])
def test_stamps_that_waver_lose_no_frames(tmp_path, rate, kept):
    rng = np.random.default_rng(0)
    begin = 1_700_000_000 * 10**9
    stamps = [begin + round(i / rate * 1e9) + int(rng.normal(0, 2e5)) for i in range(10 * rate)]
    jpeg = cv2.imencode(".jpg", np.zeros((32, 40, 3), np.uint8))[1].tobytes()
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic(IMAGE, "sensor_msgs/msg/CompressedImage")
        bag.add_topic(INFO, "sensor_msgs/msg/CameraInfo")
        bag.add_topic("/pose", "geometry_msgs/msg/PoseStamped")
        for i, stamp in enumerate(stamps):
            T = make_transform(np.eye(3), [0.01 * i, 0, 0])
            bag.write("/pose", stamp, messages.pose_stamped(stamp, "map", T))
            K = [[30, 0, 20], [0, 30, 16], [0, 0, 1]]
            bag.write(
                INFO, stamp, messages.camera_info(stamp, FRAME, (40, 32), np.array(K, float))
            )
            bag.write(IMAGE, stamp, messages.compressed_image(stamp, FRAME, jpeg))
    result = from_bag(tmp_path / "bag", tmp_path / "data" / "drive")
    frames = int(re.search(r"(\d+) frames", result.output)[1])
    assert abs(frames - kept) <= 1


def test_what_is_missing_is_said(tmp_path):
    bag = record(tmp_path / "bag", posed=())
    result = from_bag(bag, tmp_path / "one" / "drive", pose="tf")
    assert "the camera never moves" in str(result.exception)
    result = from_bag(bag, tmp_path / "none" / "drive", "--fixed-frame", "odom", pose="tf")
    assert "does not lead from 'odom'" in str(result.exception)
    result = from_bag(bag, tmp_path / "two" / "drive", "--depth", "/nothing")
    assert "no messages on /nothing" in str(result.exception)
    (tmp_path / "three").mkdir()
    assert "name a new folder" in str(from_bag(bag, tmp_path / "three").exception)


def test_what_cannot_be_converted_leaves_no_folder(tmp_path):
    bag = record(tmp_path / "bag", posed=())
    assert from_bag(bag, tmp_path / "data" / "drive", pose="tf").exit_code != 0
    assert not (tmp_path / "data" / "drive").exists()
    result = from_bag(bag, tmp_path / "data" / "drive", "--depth", IMAGE)
    assert "is a sensor_msgs/msg/CompressedImage; depth is read from" in str(result.exception)


def test_what_is_too_far_for_millimetres_has_no_depth():
    depth = np.array([[1.5, 65.535], [65.6, 100.0]])
    message = depth_message(STAMPS[0], depth, "32FC1")
    frame = SimpleNamespace(size=(2, 2))
    assert _depth(
        message, SimpleNamespace(D=np.zeros(5), distortion_model="plumb_bob"), frame
    ).tolist() == [
        [1500, 65535],
        [0, 0],
    ]


def test_depth_of_another_camera_is_refused(tmp_path):
    bag = record(tmp_path / "bag", encoding="mono8")
    result = from_bag(bag, tmp_path / "data" / "drive", "--depth", DEPTH)
    assert "depth is encoded as mono8" in result.output


def test_damaged_messages_are_listed(tmp_path):
    bag = record(tmp_path / "bag")
    with BagReader(bag) as source, BagWriter(tmp_path / "damaged") as target:
        for topic in source.topics.values():
            target.add_topic(topic.name, topic.type, topic.qos[0])
        for m in source.messages():
            torn = m.topic in (IMAGE, DEPTH, "/pose") and m.stamp < STAMPS[1] - 10**8
            target.write_serialized(m.topic, m.stamp, b"\0\1\0\0" if torn else m.data)
    result = from_bag(tmp_path / "damaged", tmp_path / "data" / "drive", "--depth", DEPTH)
    assert "3 frames, 3 left out" in result.output
    for topic in (IMAGE, DEPTH, "/pose"):
        assert f"drive/{topic}: " in result.output.replace("\n", "")


def test_an_index_of_another_format(tmp_path):
    record(tmp_path / "bag")
    from_bag(tmp_path / "bag", tmp_path / "data" / "drive")
    index = tmp_path / "data" / "drive" / "recording.json"
    index.write_text(index.read_text().replace("recording 1", "recording 9"))
    problems = open_dataset(tmp_path / "data").inspect("drive").problems
    assert "is not of the format" in problems[0].message
