# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags: what is written is read again, in order; what is not a bag is refused in plain words."""

import numpy as np
import pytest
from rosbags.interfaces import QosDurability, QosReliability

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import LATCHED, BagReader, BagWriter
from geloc3r_ros.geometry import make_transform, rotation_about

T_a_b = make_transform(rotation_about([0, 0, 1], 0.5), [1.0, 2.0, 3.0])
PICTURE = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.fixture(params=["mcap", "sqlite3"])
def storage(request):
    return request.param


@pytest.fixture
def bag_path(tmp_path, storage):
    path = tmp_path / "bag"
    with BagWriter(path, storage) as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        bag.add_topic("/pose", "geometry_msgs/msg/PoseStamped", LATCHED)
        bag.add_topic("/silent", "sensor_msgs/msg/Image")
        for stamp in (3, 1, 2):  # seconds, not in order
            image = messages.grey_image(stamp * 10**9, "left_optical", PICTURE + stamp)
            bag.write("/image", stamp * 10**9, image)
        bag.write("/pose", 15 * 10**8, messages.pose_stamped(15 * 10**8, "left_optical", T_a_b))
    return path


def test_messages_come_in_order_with_their_content(bag_path):
    with BagReader(bag_path) as bag:
        assert (bag.start, bag.end) == (1 * 10**9, 3 * 10**9)
        read = list(bag.messages())
        assert [m.topic for m in read] == ["/image", "/pose", "/image", "/image"]
        images = [bag.deserialize(m) for m in read if m.topic == "/image"]
        pose = bag.deserialize(read[1])
    assert [messages.stamp_of(i) for i in images] == [10**9, 2 * 10**9, 3 * 10**9]
    assert (images[0].height, images[0].width, images[0].step) == (2, 3, 3)
    assert images[0].data.tolist() == [1, 2, 3, 4, 5, 6]
    assert messages.transform_of(pose.pose) == pytest.approx(T_a_b)
    assert pose.header.frame_id == "left_optical"


def test_topics_carry_type_count_and_qos(bag_path):
    with BagReader(bag_path) as bag:
        topics = bag.topics
    assert {name: topic.count for name, topic in topics.items()} == {
        "/image": 3,
        "/pose": 1,
        "/silent": 0,
    }
    assert topics["/pose"].type == "geometry_msgs/msg/PoseStamped"
    assert topics["/pose"].qos[0].durability is QosDurability.TRANSIENT_LOCAL
    assert topics["/image"].qos[0].durability is QosDurability.VOLATILE
    assert topics["/image"].qos[0].reliability is QosReliability.RELIABLE


def test_a_part_of_a_bag(bag_path):
    with BagReader(bag_path) as bag:
        part = bag.messages(["/image"], start=2 * 10**9, stop=3 * 10**9)
        assert [m.stamp for m in part] == [2 * 10**9]


def test_a_single_file_is_a_bag(bag_path, storage):
    (file,) = bag_path.glob("*.mcap" if storage == "mcap" else "*.db3")
    with BagReader(file) as bag:
        assert len(list(bag.messages())) == 4


def test_compressed_bags_are_smaller_and_equal(tmp_path):
    picture = np.zeros((200, 200), np.uint8)
    sizes = {}
    for compressed in (False, True):
        path = tmp_path / f"{compressed}"
        with BagWriter(path, compressed=compressed) as bag:
            bag.add_topic("/image", "sensor_msgs/msg/Image")
            bag.write("/image", 1, messages.grey_image(1, "left_optical", picture))
        with BagReader(path) as bag:
            (message,) = bag.messages()
            assert not bag.deserialize(message).data.any()
        sizes[compressed] = (path / f"{path.name}.mcap").stat().st_size
    assert sizes[True] < sizes[False] / 4


@pytest.mark.parametrize("topics", [["/silent"], ["/image", "/imgae"]])
def test_a_topic_without_messages_is_named(bag_path, topics):
    with (
        BagReader(bag_path) as bag,
        pytest.raises(
            BagError, match=f"no messages on {topics[-1]}; it has some on /image, /pose"
        ),
    ):
        next(bag.messages(topics))


def test_an_empty_bag_says_so(tmp_path, storage):
    with BagWriter(tmp_path / "bag", storage) as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
    with BagReader(tmp_path / "bag") as bag, pytest.raises(BagError, match="has no messages"):
        next(bag.messages())


def test_a_bag_that_was_cut_off_says_so(bag_path):
    (data,) = (p for p in bag_path.iterdir() if p.suffix in (".mcap", ".db3"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])

    def read():
        with BagReader(bag_path) as bag:
            list(bag.messages())

    with pytest.raises(BagError, match="damaged or its recording was cut off"):
        read()


def test_what_is_not_a_bag_is_refused(tmp_path):
    with pytest.raises(BagError, match="does not exist"):
        BagReader(tmp_path / "nowhere")
    with pytest.raises(BagError, match=r"a folder with metadata\.yaml"):
        BagReader(tmp_path)
    (tmp_path / "old.bag").touch()
    with pytest.raises(BagError, match="ROS 1 bag"):
        BagReader(tmp_path / "old.bag")
    (tmp_path / "text.mcap").write_text("not an mcap file, but long enough to hold a footer")
    with pytest.raises(BagError, match="magic is invalid"):
        BagReader(tmp_path / "text.mcap")


def test_a_type_made_of_foreign_types_cannot_be_written(tmp_path):
    with (
        BagWriter(tmp_path / "bag") as bag,
        pytest.raises(BagError, match=r"/goal: foreign_msgs/msg/Goal is made of types that do"),
    ):
        bag.add_topic("/goal", "foreign_msgs/msg/Goal", definition="foreign_msgs/Point target")


def test_a_bag_is_not_overwritten(bag_path):
    with pytest.raises(BagError, match="exists already"):
        BagWriter(bag_path)
    with pytest.raises(BagError, match="not mcap"):
        BagWriter(bag_path.with_name("new"), "bag")
