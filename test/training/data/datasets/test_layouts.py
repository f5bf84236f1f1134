# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every dataset, in its authors' layout: poses by hand, intrinsics, reprojection, pairs."""

from typing import NamedTuple

import cv2
import numpy as np
import pytest
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import SMALL, T_0_1, rendered, round_trip

from geloc3r_training.data.datasets import DATASETS, Pair, open_dataset
from geloc3r_training.data.datasets.files import read_rgb
from geloc3r_training.data.sample import DataError, Scale

KINECT = (640, 480)
WITHOUT_DEPTH = "dl3dv", "realestate10k", "acid", "cambridge", "megadepth1500"


class Case(NamedTuple):
    """A layout, the scene it writes, its first two frames, and what was rendered for it."""

    write: object
    scene: str
    names: tuple[str, str]
    camera: tuple = (SMALL, 80.0, 82.0, 46.0, 37.0)
    pairs: tuple | None = None
    metric: bool = True
    needs: str = "numpy"


CASES = {
    "co3d": Case(
        dataset_layouts.co3d, "apple/110_13051_23361", ("frame000001", "frame000002"), metric=False
    ),
    "megadepth": Case(
        dataset_layouts.megadepth, "0001", ("0_photo", "1_photo"), metric=False, needs="h5py"
    ),
    "megadepth1500": Case(
        dataset_layouts.megadepth1500,
        "0015_0.1_0.3",
        ("0_photo", "1_photo"),
        pairs=(("0_photo", "1_photo"), ("2_photo", "0_photo")),
        metric=False,
    ),
    "blendedmvs": Case(
        dataset_layouts.blendedmvs, dataset_layouts.PID, ("00000000", "00000001"), metric=False
    ),
    "scannetpp": Case(
        video_layouts.scannetpp, "0a5c013435", ("frame_000000", "frame_000010")
    ),
    "arkitscenes": Case(
        video_layouts.arkitscenes, "47333462", ("47333462_6845.800", "47333462_6845.900")
    ),
    "dl3dv": Case(
        video_layouts.dl3dv, "1K/0a1b7c20a92c", ("frame_00001", "frame_00002"), metric=False
    ),
    "realestate10k": Case(
        video_layouts.realestate10k, "0000cc6d8b108390", ("50000000", "50033367"), metric=False
    ),
    "acid": Case(
        video_layouts.acid,
        "0000cc6d8b108390",
        ("50000000", "50033367"),
        pairs=(("50000000", "50066734"),),
        metric=False,
    ),
    "scannet1500": Case(
        video_layouts.scannet1500,
        "scene0707_00",
        ("0", "15"),
        camera=(KINECT, 577.5, 578.0, 318.0, 242.0),
        pairs=(("0", "15"), ("30", "45")),
    ),
    "7scenes": Case(
        dataset_layouts.seven_scenes,
        "chess/seq-03",
        ("frame-000000", "frame-000001"),
        camera=(KINECT, 585.0, 585.0, 320.0, 240.0),
    ),
    "cambridge": Case(
        dataset_layouts.cambridge,
        "ShopFacade",
        ("seq1/frame00000.png", "seq1/frame00001.png"),
        camera=(SMALL, 85.0, 85.0, 47.5, 35.5),
    ),
    "tum": Case(
        video_layouts.tum,
        "rgbd_dataset_freiburg1_desk",
        ("1305031452.791720", "1305031452.824720"),
        camera=(KINECT, 525.0, 525.0, 319.5, 239.5),
    ),
    "recording": Case(
        dataset_layouts.recording, "drive_1", ("1700000000000000000", "1700000000100000000")
    ),
}  # fmt: skip


@pytest.fixture(params=CASES)
def loaded(request, tmp_path):
    """A case, what was rendered for it, and the dataset that was found in its folder."""
    case = CASES[request.param]
    pytest.importorskip(case.needs)
    views = rendered(*case.camera)
    case.write(tmp_path, views)
    dataset = open_dataset(tmp_path)
    assert dataset.name == request.param
    return case, views, dataset


def test_every_dataset_has_a_case():
    assert set(CASES) == set(DATASETS)


def test_a_relative_pose_is_the_one_written_down(loaded):
    case, views, dataset = loaded
    assert dataset.scenes() == [case.scene]
    frames = dataset.frames(case.scene)
    assert len(frames) == len(views)
    assert tuple(frame.name for frame in frames[:2]) == case.names
    sample = dataset.sample(case.scene, case.names)
    assert sample.T_a_b(0, 1) == pytest.approx(T_0_1, abs=1e-6)
    assert sample.K[0] == pytest.approx(views.K, abs=1e-6)
    assert (sample.scale is Scale.METRIC) == case.metric
    assert sample.source == f"{dataset.name}/{case.scene}/{'+'.join(case.names)}"


def test_pixels_are_those_that_were_stored(loaded):
    case, views, dataset = loaded
    view = dataset.read(dataset.frames(case.scene)[1])
    difference = np.abs(view.image.astype(int) - views.images[1])[6:-6, 6:-6]
    assert np.median(difference) <= 4
    if view.depth is None:
        assert dataset.name in WITHOUT_DEPTH
    else:
        known = (view.depth > 0) & (views.depths[1] > 0)
        assert known.mean() > 0.9
        error = np.abs(view.depth[known] - views.depths[1][known]) / views.depths[1][known]
        assert np.percentile(error, 95) < 0.02


@pytest.mark.parametrize("name", ["dl3dv", "cambridge", "scannetpp"])
def test_lens_distortion_is_removed(name, tmp_path):
    case = CASES[name]
    views = rendered((320, 240), 270.0, 270.0, 159.5, 119.5)
    case.write(tmp_path, views)
    dataset = open_dataset(tmp_path)
    frame = dataset.frames(case.scene)[0]

    def difference(image):
        return np.abs(image.astype(float) - views.images[0])[30:-30, 30:-30].mean()

    left = difference(dataset.read(frame).image) / difference(read_rgb(frame.image))
    assert left < 0.6


def test_reprojection_closes(loaded):
    case, views, dataset = loaded
    sample = dataset.sample(case.scene, case.names)
    depths = views.depths[:2] if sample.depths is None else sample.depths
    errors, covisible = round_trip(depths[0], depths[1], sample.K[0], sample.T_a_b(0, 1))
    assert covisible > 0.4
    assert np.percentile(errors, 95) < 0.5


def test_pairs_of_the_benchmarks(loaded):
    case, _, dataset = loaded
    wanted = None if case.pairs is None else [Pair(case.scene, *names) for names in case.pairs]
    assert dataset.pairs() == wanted


def test_nothing_is_wrong_with_it(loaded):
    case, views, dataset = loaded
    inspection = dataset.inspect(case.scene)
    assert inspection.problems == []
    assert len(inspection.frames) == len(views)


def test_an_image_that_is_cut_off_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "whole.jpg"), noise)
    assert read_rgb(tmp_path / "whole.jpg").shape == (64, 64, 3)
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"half\.jpg: JPEG of \d+ bytes is cut off"):
        read_rgb(tmp_path / "half.jpg")
