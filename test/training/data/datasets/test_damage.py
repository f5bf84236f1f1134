# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is broken on disk is listed, and the rest is used."""

import gzip
import json

import cv2
import numpy as np
import pytest
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import SMALL, rendered

from geloc3r_ros.errors import ConfigError
from geloc3r_training.data.datasets import DATASETS, open_dataset
from geloc3r_training.data.sample import DataError


@pytest.fixture
def blended(tmp_path):
    dataset_layouts.blendedmvs(tmp_path, rendered())
    return tmp_path / dataset_layouts.PID


def problems_of(root, scene):
    """Messages by frame, and the names of the frames that remain."""
    inspection = open_dataset(root).inspect(scene)
    assert all(problem.scene == scene for problem in inspection.problems)
    messages = {problem.frame: problem.message for problem in inspection.problems}
    return messages, [frame.name for frame in inspection.frames]


def test_missing_damaged_and_wrong_frames_are_listed_each(blended):
    (blended / "blended_images" / "00000000.jpg").unlink()
    (blended / "blended_images" / "00000001.jpg").write_bytes(b"no image")
    cams = blended / "cams"
    text = (cams / "00000002_cam.txt").read_text().split()
    text[1] = "nan"
    (cams / "00000002_cam.txt").write_text(" ".join(text))
    (cams / "00000007_cam.txt").write_text("extrinsic\n1 0")
    messages, left = problems_of(blended.parent, blended.name)
    assert left == ["00000003"]
    assert "no such file" in messages["00000000"]
    assert "00000001.jpg" in messages["00000001"]
    assert messages["00000002"] == "the pose is not finite"
    assert set(messages) == {"00000000", "00000001", "00000002", "00000007"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({1: "3.0"}, "not rigid"),
        ({18: "0"}, "no camera"),
        ({17: "extrinsic"}, "no camera file"),
    ],
)
def test_numbers_that_are_no_camera(blended, changed, message):
    path = blended / "cams" / "00000001_cam.txt"
    words = path.read_text().split()
    for place, word in changed.items():
        words[place] = word
    path.write_text(" ".join(words))
    messages, left = problems_of(blended.parent, blended.name)
    assert message in messages["00000001"]
    assert len(left) == 3


def test_a_mirrored_camera(blended):
    path = blended / "cams" / "00000001_cam.txt"
    words = path.read_text().split()
    words[1:17] = np.diag([1, 1, -1, 1]).ravel().astype(str)
    path.write_text(" ".join(words))
    messages, _ = problems_of(blended.parent, blended.name)
    assert messages["00000001"] == "the pose is not rigid: R R^T is off by 0, det R = -1"


def test_rounded_rotations_are_made_exact(blended):
    path = blended / "cams" / "00000001_cam.txt"
    words = path.read_text().split()
    words[1:17] = [f"{float(word):.3f}" for word in words[1:17]]
    path.write_text(" ".join(words))
    messages, left = problems_of(blended.parent, blended.name)
    assert not messages
    R = open_dataset(blended.parent).frame(blended.name, left[1]).T_world_camera[:3, :3]
    assert pytest.approx(np.eye(3), abs=1e-12) == R @ R.T


def test_sizes_are_checked(tmp_path):
    video_layouts.arkitscenes(tmp_path, rendered())
    folder = tmp_path / "raw" / "Training" / "47333462"
    image = folder / "lowres_wide" / "47333462_6845.900.png"
    cv2.imwrite(str(image), np.zeros((36, 48, 3), np.uint8))
    messages, left = problems_of(tmp_path, "47333462")
    assert "48x36 pixels; its intrinsics are for 96x72" in messages["47333462_6845.900"]
    assert len(left) == 3
    depth = folder / "lowres_depth" / "47333462_6845.800.png"
    cv2.imwrite(str(depth), np.ones((36, 48), np.uint16))
    cv2.imwrite(str(folder / "confidence" / depth.name), np.full((36, 48), 2, np.uint8))
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match="48x36 pixels, its image 96x72"):
        dataset.read(dataset.frame("47333462", "47333462_6845.800"))
    depth.write_bytes(depth.read_bytes()[:60])
    with pytest.raises(DataError, match="cut off"):
        dataset.read(dataset.frame("47333462", "47333462_6845.800"))


def test_a_damaged_index_is_the_scenes_problem(tmp_path):
    dataset_layouts.co3d(tmp_path, rendered())
    annotations = tmp_path / "apple" / "frame_annotations.jgz"
    annotations.write_bytes(annotations.read_bytes()[:200])
    messages, left = problems_of(tmp_path, "apple/110_13051_23361")
    assert left == []
    assert set(messages) == {""}
    (tmp_path / "apple" / "set_lists" / "set_lists_fewview_dev.json").unlink()
    with pytest.raises(DataError, match="no set list"):
        open_dataset(tmp_path).scenes()


def test_an_annotation_without_a_viewpoint_costs_one_frame(tmp_path):
    dataset_layouts.co3d(tmp_path, rendered())
    path = tmp_path / "apple" / "frame_annotations.jgz"
    with gzip.open(path, "rt") as file:
        frames = json.load(file)
    del frames[0]["viewpoint"]
    frames[1]["viewpoint"]["intrinsics_format"] = "pixels"
    with gzip.open(path, "wt") as file:
        json.dump(frames, file)
    messages, left = problems_of(tmp_path, "apple/110_13051_23361")
    assert len(left) == 2
    assert messages["frame000004"] == "has no entry 'viewpoint'"
    assert "'pixels' is not one of CO3Dv2" in messages["frame000003"]


def test_images_out_of_reach_of_the_trajectory(tmp_path):
    kinect = (640, 480), 525.0, 525.0, 319.5, 239.5
    video_layouts.tum(tmp_path, rendered(*kinect))
    folder = tmp_path / "rgbd_dataset_freiburg1_desk"
    lines = (folder / "groundtruth.txt").read_text().splitlines()
    (folder / "groundtruth.txt").write_text("\n".join([*lines[:4], *lines[6:]]) + "\n")
    lists = (folder / "depth.txt").read_text().splitlines()
    (folder / "depth.txt").write_text("\n".join(lists[:-1]) + "\n")
    messages, left = problems_of(tmp_path, folder.name)
    assert len(left) == 3  # the second lies between poses that are near enough
    assert list(messages.values()) == ["there is no depth map of its time"]


def test_folders_that_are_no_dataset(tmp_path):
    with pytest.raises(DataError, match="looks like no dataset of co3d"):
        open_dataset(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is not a folder of tum"):
        open_dataset(tmp_path, "tum")
    with pytest.raises(ConfigError, match="'kitti' is not one of co3d"):
        open_dataset(tmp_path, "kitti")
    dataset_layouts.seven_scenes(tmp_path, rendered(SMALL))
    with pytest.raises(ConfigError, match="has no split 'val'"):
        open_dataset(tmp_path, "7scenes", "val")


def test_no_layout_is_taken_for_another(tmp_path):
    dataset_layouts.seven_scenes(tmp_path, rendered(SMALL))
    assert [k.name for k in DATASETS.values() if k.recognises(tmp_path)] == ["7scenes"]
