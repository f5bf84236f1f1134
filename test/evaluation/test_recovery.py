# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that were cut off or lost their metadata: what is whole is read, and the damage is said."""

from struct import pack_into, unpack_from
from zlib import crc32

import numpy as np
import pytest

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import BagReader, BagWriter
from geloc3r_ros.evaluation.recovery import open_bag, recover_mcap

COUNT = 200


@pytest.fixture
def bag(tmp_path):
    """A bag of pictures that fill several chunks."""
    noise = np.random.default_rng(0).integers(0, 255, (100, 100), np.uint8)
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        for i in range(COUNT):
            bag.write("/image", i + 1, messages.grey_image(i + 1, "a", noise))
    return tmp_path / "bag"


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def count(path, scratch):
    reader, trouble = open_bag(path, scratch)
    with reader:
        return len(list(reader.messages())), trouble


def test_a_whole_bag_is_opened_as_it_is(bag, tmp_path):
    assert count(bag, tmp_path / "scratch.mcap") == (COUNT, "")
    assert not (tmp_path / "scratch.mcap").exists()


@pytest.mark.parametrize("as_file", [True, False])
def test_a_bag_that_was_cut_off_gives_its_beginning(bag, tmp_path, as_file):
    cut(bag / "bag.mcap", 0.7)
    path = bag / "bag.mcap" if as_file else bag
    read, trouble = count(path, tmp_path / "scratch.mcap")
    assert read == pytest.approx(0.7 * COUNT, abs=2)  # the torn chunk gives its beginning too
    assert "damaged or its recording was cut off" in trouble


def test_of_a_compressed_chunk_that_is_torn_nothing_is_read(tmp_path):
    with BagWriter(tmp_path / "bag", compressed=True) as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        noise = np.random.default_rng(0).integers(0, 255, (100, 100), np.uint8)
        bag.write("/image", 1, messages.grey_image(1, "a", noise))
    cut(tmp_path / "bag" / "bag.mcap", 0.5)
    with pytest.raises(BagError, match="Not one message of it is whole"):
        open_bag(tmp_path / "bag", tmp_path / "scratch.mcap")


def chunks(data):
    """Where the chunks of an mcap file begin and end, and where the records of each do."""
    start = 8
    while start < len(data):
        kind, length = unpack_from("<BQ", data, start)
        if kind == 6:
            (letters,) = unpack_from("<I", data, start + 9 + 28)
            yield start, start + 9 + 28 + 4 + letters + 8, start + 9 + length
        start += 9 + length
        if kind == 2:
            return


def with_checksums(path):
    """rosbags writes none; other recorders do."""
    data = bytearray(path.read_bytes())
    for start, records, end in chunks(data):
        pack_into("<I", data, start + 9 + 24, crc32(data[records:end]))
    path.write_bytes(data)
    return data


def test_checksums_that_are_right_change_nothing(bag, tmp_path):
    with_checksums(bag / "bag.mcap")
    assert count(bag, tmp_path / "scratch.mcap") == (COUNT, "")


@pytest.mark.parametrize("number", [0, 1])
def test_a_chunk_that_is_not_what_was_written_is_left_out(bag, tmp_path, number):
    data = with_checksums(bag / "bag.mcap")
    spans = list(chunks(data))
    start, records, end = spans[number]  # the first one defines the topic
    data[(records + end) // 2] ^= 1  # a pixel
    (bag / "bag.mcap").write_bytes(data)
    read, trouble = count(bag, tmp_path / "scratch.mcap")
    lost = (end - records) / sum(end - records for _, records, end in spans)
    assert read == pytest.approx(COUNT * (1 - lost), abs=2)
    assert trouble == (
        f"1 of {len(spans)} chunks of bag.mcap are damaged and were left out; "
        f"the first begins at byte {start}"
    )


@pytest.mark.parametrize("place", [0.0, 1.0])
def test_a_compressed_chunk_that_cannot_be_unpacked_is_left_out(tmp_path, place):
    with BagWriter(tmp_path / "bag", compressed=True) as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        noise = np.random.default_rng(0).integers(0, 255, (1000, 1000), np.uint8)
        for i in range(4):
            bag.write("/image", i + 1, messages.grey_image(i + 1, "a", noise))
    path = tmp_path / "bag" / "bag.mcap"
    data = bytearray(path.read_bytes())
    spans = list(chunks(data))
    _, records, end = spans[0]
    data[round(records + place * (end - records - 1))] ^= 0xFF
    path.write_bytes(data)
    read, trouble = count(tmp_path / "bag", tmp_path / "scratch.mcap")
    assert 0 < read < 4
    assert f"1 of {len(spans)} chunks" in trouble


def test_a_file_without_its_index_is_whole(bag, tmp_path):
    recover_mcap(bag / "bag.mcap", tmp_path / "plain.mcap")
    with BagReader(tmp_path / "plain.mcap") as reader:
        assert len(list(reader.messages())) == COUNT


def test_metadata_that_is_missing_is_not_needed(bag, tmp_path):
    (bag / "metadata.yaml").unlink()
    read, trouble = count(bag, tmp_path / "scratch.mcap")
    assert read == COUNT
    assert "metadata.yaml" in trouble


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_metadata_that_contradicts_its_file_is_not_believed(tmp_path, storage):
    with BagWriter(tmp_path / "bag", storage) as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        bag.write("/image", 1, messages.grey_image(1, "a", np.eye(4, dtype=np.uint8)))
    metadata = tmp_path / "bag" / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("msg/Image", "msg/CompressedImage"))
    read, trouble = count(tmp_path / "bag", tmp_path / "scratch.mcap")
    assert read == 1
    assert "tells other topics than bag." in trouble
    assert trouble.endswith("/image")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89MCAP0\r\n", "before its first whole record"),
        (b"no mcap at all", "is not an mcap file"),
    ],
)
def test_nothing_to_read_is_said(tmp_path, content, message):
    path = tmp_path / "bag.mcap"
    path.write_bytes(content)
    with pytest.raises(BagError, match=message):
        open_bag(path, tmp_path / "scratch.mcap")


def test_no_whole_message_is_said(bag, tmp_path):
    file = bag / "bag.mcap"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(BagError, match=r"cut off; .* Not one message of it is whole"):
        open_bag(bag, tmp_path / "scratch.mcap")


def test_a_broken_database_says_how_to_mend_it(tmp_path):
    path = tmp_path / "bag.db3"
    path.write_bytes(b"SQLite format 3" + bytes(5000))
    with pytest.raises(BagError, match=r"damaged or .* sqlite3 OLD\.db3 \.recover"):
        open_bag(path, tmp_path / "scratch.mcap")


def test_of_several_files_each_is_named(bag, tmp_path):
    (file,) = bag.glob("*.mcap")
    (bag / "next.mcap").write_bytes(file.read_bytes()[:-100])
    (bag / "metadata.yaml").unlink()
    with pytest.raises(BagError, match=rf"give them one by one.*: {file.name}, next.mcap"):
        open_bag(bag, tmp_path / "recovered.mcap")


def test_what_does_not_exist_is_said(tmp_path):
    with pytest.raises(BagError, match="does not exist"):
        open_bag(tmp_path / "none", tmp_path / "scratch.mcap")
