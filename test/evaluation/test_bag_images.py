# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of bags: matched by stamp, counted, decoded with the camera_info of their time."""

import numpy as np
import pytest

from geloc3r_ros.errors import BagError, ConfigError, ImageError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bag_images import MOST_WAITING, ImageSource, Streams, find_cameras
from geloc3r_ros.evaluation.bags import BagReader, BagWriter

IMAGE, INFO = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
MS = 10**6
SLOP = 20 * MS
K = np.array([[40.0, 0, 20], [0, 40, 16], [0, 0, 1]])
CAMERAS = [ImageSource("/a/image", "/a/camera_info"), ImageSource("/b/image", "/b/camera_info")]


def picture(value):
    return np.full((32, 40), value, np.uint8)


def write(path, arrivals, infos=True):
    """Write images by (topic, stamp in ms), in this order of arrival; camera_info comes last."""
    with BagWriter(path) as bag:
        for source in CAMERAS:
            bag.add_topic(source.image, IMAGE)
            bag.add_topic(source.info, INFO)
        for i, (camera, ms) in enumerate(arrivals):
            image = messages.grey_image(ms * MS, camera, picture(i))
            bag.write(f"/{camera}/image", (1000 + i) * MS, image)
        for source in CAMERAS if infos else ():
            info = messages.camera_info(1, "x", (40, 32), K)
            bag.write(source.info, (1000 + len(arrivals)) * MS, info)
    return path


def read(path, cameras=CAMERAS):
    streams = Streams(cameras, SLOP)
    with BagReader(path) as bag:
        sets = [tuple(shot.stamp // MS for shot in shots) for shots in streams.read(bag)]
    return sets, streams


def test_images_within_the_slop_make_a_set(tmp_path):
    arrivals = [("a", 1), ("b", 15), ("b", 105), ("a", 110), ("a", 200), ("a", 300), ("b", 310)]
    sets, streams = read(write(tmp_path / "bag", arrivals))
    assert sets == [(1, 15), (110, 105), (300, 310)]
    assert streams.counts["/a/image"] == {"received": 4, "unmatched": 1}
    assert streams.counts["/b/image"] == {"received": 3, "unmatched": 0}
    figures = streams.figures()
    assert figures["stamp_offset_ms"] == {"p50": 10.0, "p95": pytest.approx(13.6), "max": 14.0}
    assert figures["sets"] == 3


@pytest.mark.parametrize("lost", [0, 3])
@pytest.mark.parametrize("first", ["a", "b"])
def test_one_lost_image_does_not_put_all_later_ones_one_off(tmp_path, first, lost):
    second = "ba"[first == "b"]
    stamps = [100 + 17 * i for i in range(6)]  # faster than the slop
    arrivals = [(camera, ms) for ms in stamps for camera in (first, second)]
    arrivals.remove((second, stamps[lost]))
    sets, streams = read(write(tmp_path / "bag", arrivals))
    assert sets == [(ms, ms) for ms in stamps if ms != stamps[lost]]
    assert streams.counts[f"/{first}/image"]["unmatched"] == 1


def test_what_falls_back_in_time_is_left_out_and_counted(tmp_path):
    arrivals = [("a", 100), ("b", 100), ("a", 50), ("b", 100), ("a", 200), ("b", 200)]
    sets, streams = read(write(tmp_path / "bag", arrivals))
    assert sets == [(100, 100), (200, 200)]
    assert streams.counts["/a/image"]["out of order"] == 1
    assert streams.counts["/b/image"]["out of order"] == 1


def test_a_silent_partner_does_not_fill_the_memory(tmp_path):
    arrivals = [("a", 10 + i) for i in range(MOST_WAITING + 5)] + [("b", 20 + MOST_WAITING + 4)]
    sets, streams = read(write(tmp_path / "bag", arrivals))
    assert len(sets) == 1
    assert sum(c["unmatched"] for c in streams.counts.values()) == MOST_WAITING + 4


def test_one_camera_gives_each_image_and_its_gaps(tmp_path):
    arrivals = [("a", ms) for ms in (100, 200, 300, 600, 700)]
    sets, streams = read(write(tmp_path / "bag", arrivals), CAMERAS[:1])
    assert sets == [(100,), (200,), (300,), (600,), (700,)]
    figures = streams.figures()
    assert figures["missing"] == 2
    assert figures["period_ms"]["p50"] == 100
    assert figures["recorded_after_stamp_ms"]["max"] == 900


def test_camera_info_counts_for_the_images_before_it_too(tmp_path):
    path = write(tmp_path / "bag", [("a", 1), ("b", 1)])
    with BagReader(path) as bag:
        ((a, _),) = Streams(CAMERAS, SLOP).read(bag)
    rgb, known = a.decoded
    assert rgb.shape == (32, 40, 3)
    assert not rgb.any()
    assert np.array_equal(known, K)
    assert a.frame == "a"


def test_an_image_of_another_size_than_its_camera_info_is_refused(tmp_path):
    path = tmp_path / "bag"
    with BagWriter(path) as bag:
        bag.add_topic("/a/image", IMAGE)
        bag.add_topic("/a/camera_info", INFO)
        bag.write("/a/camera_info", 1, messages.camera_info(1, "a", (80, 64), K))
        bag.write("/a/image", 2, messages.grey_image(2, "a", picture(0)))
        broken = messages.grey_image(3, "a", picture(0))
        broken.encoding = "rgb8"
        bag.write("/a/image", 3, broken)
    with BagReader(path) as bag:
        (good,), (bad,) = Streams(CAMERAS[:1], SLOP).read(bag)
    with pytest.raises(ConfigError, match="camera_info is for 80x64"):
        _ = good.decoded
    with pytest.raises(ImageError, match="step is 40"):
        _ = bad.decoded


def test_cameras_are_found_with_their_camera_info(tmp_path, moving_bag):
    with BagReader(moving_bag) as bag:
        assert find_cameras(bag, []) == [
            ("/left/image/compressed", "/left/camera_info"),
            ("/right/image/compressed", "/right/camera_info"),
        ]
        assert find_cameras(bag, ["/right/image/compressed"])[0].info == "/right/camera_info"
        with pytest.raises(
            BagError, match=r"/left/camera_info: no images in .*; images are on /l"
        ):
            find_cameras(bag, ["/left/camera_info"])
    with BagReader(write(tmp_path / "bag", [("a", 1)], infos=False)) as bag:
        assert find_cameras(bag, []) == [("/a/image", "")]


@pytest.mark.parametrize(
    ("topic", "focal"), [("/a/image_raw", 40), ("/a/image_rect_color", 36), ("/a/image_rect", 36)]
)
def test_rectified_images_have_the_intrinsics_p(tmp_path, topic, focal):
    P = np.array([[36.0, 0, 19, -3.6], [0, 36, 15, 0], [0, 0, 1, 0]])
    D = np.array([-0.3, 0.1, 0, 0, 0])
    board = np.kron(np.indices((4, 5)).sum(0) % 2 * 255, np.ones((8, 8))).astype(np.uint8)
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic(topic, IMAGE)
        bag.add_topic("/a/camera_info", INFO)
        bag.write(topic, 1, messages.grey_image(1, "a", board))
        bag.write("/a/camera_info", 2, messages.camera_info(2, "a", (40, 32), K, D, P=P))
    with BagReader(tmp_path / "bag") as bag:
        ((shot,),) = Streams(find_cameras(bag, []), SLOP, rectify=True).read(bag)
    rgb, known = shot.decoded
    assert np.array_equal(known, K if focal == 40 else P[:, :3])
    unchanged = np.array_equal(rgb[..., 0], board)
    assert unchanged == (focal == 36)


def test_a_bag_without_images_says_so(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/pose", "geometry_msgs/msg/PoseStamped")
        bag.write("/pose", 1, messages.pose_stamped(1, "a", np.eye(4)))
    with (
        BagReader(tmp_path / "bag") as bag,
        pytest.raises(BagError, match="images on no topic; name one or two"),
    ):
        find_cameras(bag, [])


def test_a_topic_named_twice_is_refused(tmp_path):
    with (
        BagReader(write(tmp_path / "bag", [("a", 1), ("b", 1)])) as bag,
        pytest.raises(ConfigError, match="--images names /a/image twice"),
    ):
        find_cameras(bag, ["/a/image", "/a/image"])
