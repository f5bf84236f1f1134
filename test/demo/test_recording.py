# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's bag: thirteen whole sets with camera_info, and the truth at each."""

import json

import numpy as np
import pytest

from geloc3r_ros.demo.recording import ensure_recording, truth, write_recording
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.evaluation.messages import stamp_of


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "recording"
    return path, write_recording(path)


def test_every_set_is_whole_and_its_stamps_are_exact(recording):
    path, _ = recording
    with BagReader(path) as bag:
        assert {t.count for t in bag.topics.values()} == {13}
        stamps = {}
        for message in bag.messages():
            decoded = bag.deserialize(message)
            assert stamp_of(decoded) == message.stamp
            stamps.setdefault(message.topic, []).append(message.stamp)
    assert len({tuple(s) for s in stamps.values()}) == 1
    assert set(np.diff(stamps["/left/image"])) == {5 * 10**8}


def test_images_are_grey_and_in_their_optical_frames(recording):
    path, calibration = recording
    with BagReader(path) as bag:
        image = bag.deserialize(next(bag.messages(["/right/image"])))
        info = bag.deserialize(next(bag.messages(["/right/camera_info"])))
    assert (image.encoding, image.width, image.height) == ("mono8", 640, 480)
    assert image.header.frame_id == info.header.frame_id == "right_optical"
    assert info.k.reshape(3, 3) == pytest.approx(calibration.right.K)
    assert info.p.reshape(3, 4) == pytest.approx(calibration.right.P)


def test_the_truth_is_in_the_bag_and_beside_it(recording):
    path, calibration = recording
    poses = truth(path)
    assert len(poses) == 13
    assert list(poses.values())[-1] == pytest.approx(calibration.T_left_right)
    beside = json.loads((path / "calibration.json").read_text())
    assert np.array(beside["T_left_right"]) == pytest.approx(calibration.T_left_right)


def test_a_recording_is_kept_and_a_damaged_one_made_anew(tmp_path):
    path = ensure_recording(tmp_path / "recording")
    data = path / "recording.mcap"
    made = data.stat().st_mtime_ns
    assert ensure_recording(path) == path
    assert data.stat().st_mtime_ns == made
    data.write_bytes(data.read_bytes()[:1000])
    assert len(truth(ensure_recording(path))) == 13
