# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames come in order, with their own stamps, whatever they lie in."""

import threading

import cv2
import numpy as np
import pytest

from geloc3r_ros.errors import BagError, ConfigError, ImageError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import BagWriter
from geloc3r_ros.stream.sources import open_frames, read_ahead

MS = 10**6
SIZE = (64, 48)
K = np.array([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]])


def picture(value):
    return np.full((*SIZE[::-1], 3), value, np.uint8)


def folder_of(path, names):
    """Save one image a name; the first is black, each further one brighter by ten."""
    path.mkdir()
    for i, name in enumerate(names):
        cv2.imwrite(str(path / name), picture(10 * i))
    return path


def read(path, **options):
    with open_frames(path, **options) as (total, frames, _):
        found = [(stamp, int(rgb.mean() + 0.5), K) for stamp, rgb, K in frames]
    assert len(found) == total
    return found


def test_a_folder_is_in_the_order_of_its_numbers(tmp_path):
    folder = folder_of(tmp_path / "f", ["a10.png", "a9.png", "a100.png"])
    (folder / "notes.txt").write_text("no image")
    assert read(folder, rate=20) == [(0, 10, None), (50 * MS, 0, None), (100 * MS, 20, None)]


@pytest.mark.parametrize(
    ("names", "stamps"),
    [
        (
            ["1305031102.275326.png", "1305031102.175304.png"],
            [1305031102175304000, 1305031102275326000],
        ),
        (
            ["1403636579813555456.png", "1403636579763555584.png"],
            [1403636579763555584, 1403636579813555456],
        ),
    ],
)
def test_names_that_are_times_are_stamps(tmp_path, names, stamps):
    found = read(folder_of(tmp_path / "f", names))
    assert found == [(stamps[0], 10, None), (stamps[1], 0, None)]


def test_a_video(tmp_path):
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, SIZE)
    for i in range(5):
        bgr = picture(0)
        bgr[..., 2] = 40 * i
        writer.write(bgr)
    writer.release()
    with open_frames(path) as (total, frames, _):
        found = list(frames)
    assert total == 5
    assert [frame.stamp for frame in found] == [0, 100 * MS, 200 * MS, 300 * MS, 400 * MS]
    assert np.allclose([frame.rgb[..., 0].mean() for frame in found], range(0, 200, 40), atol=6)
    assert found[-1].rgb[..., 2].mean() < 20


def bag_of(path, topics, info_size=SIZE, D=None):
    with BagWriter(path) as bag:
        for topic in topics:
            bag.add_topic(f"{topic}/image", "sensor_msgs/msg/Image")
            bag.add_topic(f"{topic}/camera_info", "sensor_msgs/msg/CameraInfo")
            info = messages.camera_info(1, "x", info_size, K, D)
            bag.write(f"{topic}/camera_info", 1000 * MS, info)
            for i in range(3):
                image = messages.grey_image((100 + i) * MS, "x", picture(10 * i)[..., 0])
                bag.write(f"{topic}/image", (1000 + i) * MS, image)
    return path


def test_a_bag_has_stamps_and_intrinsics(tmp_path):
    found = read(bag_of(tmp_path / "bag", ["/a"]))
    assert [(stamp, value) for stamp, value, _ in found] == [
        (100 * MS, 0),
        (101 * MS, 10),
        (102 * MS, 20),
    ]
    assert all(np.array_equal(frame_K, K) for *_, frame_K in found)


def test_lens_distortion_is_told_or_removed(tmp_path):
    path = bag_of(tmp_path / "bag", ["/a"], D=np.array([0.3, 0.1, 0, 0, 0]))
    with open_frames(path) as (_, frames, note):
        assert "/a/image: its images are distorted" in note
        as_stored = [frame.rgb for frame in frames]
    with open_frames(path, rectify=True) as (_, frames, note):
        assert not note
        rectified = [frame.rgb for frame in frames]
    assert as_stored[2][0, 0, 0] == 20
    assert rectified[2][24, 32, 0] == 20
    assert rectified[2][0, 0, 0] < 20  # what the lens did not see
    for given in ({"K": K}, {}):
        source = path if given else folder_of(tmp_path / "f", ["a1.png"])
        with (
            pytest.raises(ConfigError, match="--rectify is for bags, without -K"),
            open_frames(source, rectify=True, **given),
        ):
            pass


def test_intrinsics_that_are_given_stand_for_a_bag_s_own(tmp_path):
    path = bag_of(tmp_path / "bag", ["/a"], info_size=(7, 5))  # of another resolution
    with pytest.raises(ConfigError, match="camera_info is for 7x5"):
        read(path)
    given = 2 * K
    assert all(frame_K is given for *_, frame_K in read(path, K=given))


def test_of_two_cameras_in_a_bag_one_is_named(tmp_path):
    path = bag_of(tmp_path / "bag", ["/a", "/b"])
    with pytest.raises(BagError, match=r"/a/image and /b/image; name one with --images"):
        read(path)
    assert len(read(path, topic="/b/image")) == 3


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("missing", {}, ConfigError, "no such file or folder"),
        ("empty", {}, ImageError, "has no images"),
        ("no.mp4", {}, ImageError, "is no video"),
        ("notes.txt", {}, ImageError, "is no video"),
        ("empty", {"topic": "/a"}, ConfigError, "is no bag"),
        ("images", {"rate": 0.0}, ConfigError, "0 images a second"),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path, name, options, error, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.mp4").write_bytes(b"\0" * 100)
    (tmp_path / "notes.txt").write_text("no video\n" * 100)
    folder_of(tmp_path / "images", ["a.png"])
    with pytest.raises(error, match=message):
        read(tmp_path / name, **options)


def test_the_next_item_is_made_while_one_is_in_work():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    ahead = read_ahead(items())
    assert next(ahead) == 1
    assert made.wait(10)
    assert list(ahead) == [2]


def test_what_fails_ahead_fails_in_its_turn():
    def items():
        yield 1
        raise ImageError("damaged")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ImageError, match="damaged"):
        next(ahead)
