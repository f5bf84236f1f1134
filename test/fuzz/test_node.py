# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The real node gets messages of any content over DDS: each is counted, and it works on."""

import time

import numpy as np
import pytest
import rclpy
from helpers.damage import STAMPS, damaged
from helpers.robot import (
    OPEN,
    Robot,
    compressed_message,
    image_message,
    picture,
    stereo_pair,
    wait_until,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from geloc3r_ros.inference.messages import BYTES_PER_PIXEL

K = [150.0, 0.0, 79.5, 0.0, 150.0, 59.5, 0.0, 0.0, 1.0]
UINT32 = st.one_of(st.integers(0, 200), st.integers(0, 2**32 - 1))
ENCODINGS = st.one_of(st.sampled_from(sorted(BYTES_PER_PIXEL)), st.text(max_size=2000))
NUMBERS = st.one_of(st.sampled_from([*K, 1e306, 1e-320]), st.floats())
CAMERAS = st.sampled_from(["left", "right"])
FRAMES = st.one_of(st.just("optical"), st.text(max_size=20))


@st.composite
def images(draw):
    """An image whose parts often fit each other."""
    height, width = draw(st.tuples(st.integers(30, 60), st.integers(30, 60)))
    encoding = draw(ENCODINGS)
    step = width * BYTES_PER_PIXEL.get(encoding, 1)
    message = Image(height=height, width=width, encoding=encoding, step=step)
    message.data = bytes(step * height + draw(st.sampled_from([0, 0, 1, step * height // 2])))
    for field in draw(st.lists(st.sampled_from(["height", "width", "step"]), max_size=1)):
        setattr(message, field, draw(UINT32))
    return message


PICTURES = [bytes(compressed_message(picture(1), "left", 1, e).data) for e in (".jpg", ".png")]
COMPRESSED = st.builds(CompressedImage, format=st.text(max_size=2000), data=damaged(*PICTURES))
CAMERA_INFOS = st.builds(
    CameraInfo,
    width=st.one_of(st.just(160), UINT32),
    height=st.one_of(st.just(120), UINT32),
    distortion_model=st.sampled_from(["plumb_bob", "equidistant", "", "x" * 2000]),
    d=st.lists(NUMBERS, max_size=9),
    k=st.lists(NUMBERS, min_size=9, max_size=9),
    p=st.lists(NUMBERS, min_size=12, max_size=12),
    binning_x=UINT32,
)


@pytest.fixture
def start():
    """Start the node with parameters."""
    rclpy.init()
    robots = []

    def start(**parameters):
        robots.append(Robot({**OPEN, "device": "cpu", "precision": "fp32", **parameters}))
        robots[-1].listen_to_poses()
        robots[-1].start()
        return robots[-1]

    yield start
    for robot in robots:
        robot.close()
    rclpy.try_shutdown()


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_any_message(start, transport):
    robot = start(image_transport=transport, rectify=True)
    raw = transport == "raw"
    kinds, suffix = (images(), "image") if raw else (COMPRESSED, "image/compressed")
    sent = dict.fromkeys(("left", "right"), 0)

    @settings(suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples)
    @given(CAMERAS, kinds, STAMPS, FRAMES, st.one_of(st.none(), CAMERA_INFOS))
    def send(camera, message, stamp, frame, info):
        message.header.stamp.sec, message.header.stamp.nanosec = stamp
        message.header.frame_id = frame
        robot.publish(f"/{camera}/{suffix}", message)
        sent[camera] += 1
        if info is not None:
            robot.publish(f"/{camera}/camera_info", info)
        time.sleep(0.002)  # the camera is no storm; lost messages would not be counted

    send()
    robot.received["/geloc3r/right/relative_pose"].clear()
    for _ in range(20):  # the first may count as left over from the pass before
        stamp = time.time_ns()
        for camera, view in zip(("left", "right"), stereo_pair(), strict=True):
            robot.send_camera_info(camera, K, D=[0.0] * 5)
            make = image_message if raw else compressed_message
            robot.publish(f"/{camera}/{suffix}", make(view, camera, stamp))
        if wait_until(robot.poses, 1.0):
            break
    assert np.isfinite(robot.poses()[-1].pose.covariance).all()
    assert wait_until(lambda: robot.value("sets valid") not in ("", "0"))
    assert robot.value("sets failed") == "0", robot.value("last error")
    for camera, count in sent.items():
        counted = sum(int(robot.value(f"{camera} {word}")) for word in ("received", "refused"))
        assert counted > count / 2, "best effort may lose some"
