# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import re

import numpy as np
import pytest
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import rendered, round_trip

from geloc3r_ros.errors import ConfigError
from geloc3r_training.data import pair_selection
from geloc3r_training.data.datasets import open_dataset
from geloc3r_training.data.pair_selection import PairConfig, find_pairs, load_pairs

PID = dataset_layouts.PID
LOOSE = PairConfig(covisibility=(0.05, 1.0))


@pytest.fixture
def dataset(tmp_path):
    dataset_layouts.blendedmvs(tmp_path / "data", rendered())
    return open_dataset(tmp_path / "data")


def test_covisibility_is_what_reprojection_says(dataset, tmp_path):
    found = find_pairs(dataset, PID, LOOSE, tmp_path / "cache")
    assert len(found.names) == 6
    views = rendered()
    for (a, b), shares in zip(found.names, found.covisibility, strict=True):
        i, j = int(a), int(b)
        for x, y, share in ((i, j, shares[0]), (j, i, shares[1])):
            T_x_y = np.linalg.inv(views.T_world_camera[x]) @ views.T_world_camera[y]
            seen = round_trip(views.depths[x], views.depths[y], views.K, T_x_y)[1]
            assert share == pytest.approx(seen, abs=0.06)
    assert not found.portrait.any()


def test_limits(dataset, tmp_path):
    every = find_pairs(dataset, PID, LOOSE, tmp_path)
    least = np.sort(every.covisibility.min(axis=1))
    middle = PairConfig(covisibility=(float(least[2]) - 1e-4, float(least[4]) + 1e-4))
    assert len(find_pairs(dataset, PID, middle, tmp_path).names) == 3
    few = PairConfig(covisibility=(0.05, 1.0), max_pairs=2)
    assert len(find_pairs(dataset, PID, few, tmp_path).names) == 2
    two = PairConfig(covisibility=(0.0, 1.0), max_frames=2)
    assert find_pairs(dataset, PID, two, tmp_path).names == [("00000000", "00000003")]
    with pytest.raises(ConfigError, match="must rise within 0 and 1"):
        PairConfig(covisibility=(0.5, 0.2))


def test_what_was_measured_is_kept(dataset, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    assert load_pairs(dataset, PID, LOOSE, cache) is None
    first = find_pairs(dataset, PID, LOOSE, cache)
    monkeypatch.setattr(pair_selection, "covisibility", None)  # measuring again would fail
    for again in (find_pairs(dataset, PID, LOOSE, cache), load_pairs(dataset, PID, LOOSE, cache)):
        assert again.names == first.names
        assert np.array_equal(again.covisibility, first.covisibility)
    assert len(list(cache.rglob("*.npz"))) == 1
    monkeypatch.setattr(pair_selection, "VERSION", pair_selection.VERSION + 1)
    assert load_pairs(dataset, PID, LOOSE, cache) is None


def test_other_frames_are_measured_anew(dataset, tmp_path):
    cache = tmp_path / "cache"
    find_pairs(dataset, PID, LOOSE, cache)
    (dataset.root / PID / "blended_images" / "00000002.jpg").unlink()
    found = find_pairs(dataset, PID, LOOSE, cache)
    assert len(found.names) == 3
    assert [problem.frame for problem in found.problems] == ["00000002"]
    assert load_pairs(dataset, PID, LOOSE, cache).problems == found.problems


def test_a_cut_off_file_is_written_again(dataset, tmp_path):
    find_pairs(dataset, PID, LOOSE, tmp_path / "cache")
    (path,) = (tmp_path / "cache").rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert load_pairs(dataset, PID, LOOSE, tmp_path / "cache") is None
    assert len(find_pairs(dataset, PID, LOOSE, tmp_path / "cache").names) == 6


def test_damaged_depth_costs_its_frame(dataset, tmp_path):
    depth = dataset.root / PID / "rendered_depth_maps" / "00000001.pfm"
    depth.write_bytes(b"Pf\n")
    found = find_pairs(dataset, PID, LOOSE, tmp_path / "cache")
    assert len(found.names) == 3
    assert "00000001.pfm is damaged" in found.problems[0].message


def test_without_depth_frames_are_some_way_apart(tmp_path):
    video_layouts.realestate10k(tmp_path / "data", rendered())
    dataset = open_dataset(tmp_path / "data")
    config = PairConfig(frame_gap=(2, 3))
    found = find_pairs(dataset, "0000cc6d8b108390", config, tmp_path / "cache")
    stamps = [50_000_000 + 33_367 * i for i in range(4)]
    expected = [(stamps[0], stamps[2]), (stamps[0], stamps[3]), (stamps[1], stamps[3])]
    assert found.names == [(str(a), str(b)) for a, b in expected]
    assert np.isnan(found.covisibility).all()


def test_a_drive_without_depth(tmp_path):
    dataset_layouts.recording(tmp_path / "data", rendered())
    drive = open_dataset(tmp_path / "data")
    config = PairConfig(covisibility=(0.05, 1.0), frame_gap=(1, 1))
    measured = find_pairs(drive, "drive_1", config, tmp_path / "cache")
    assert np.isfinite(measured.covisibility).all()
    index = drive.root / "drive_1" / "recording.json"
    index.write_text(re.sub(r'"depths/[^"]*"', "null", index.read_text()))
    found = find_pairs(open_dataset(tmp_path / "data"), "drive_1", config, tmp_path / "cache")
    assert (len(found.names), found.problems) == (3, [])
    assert np.isnan(found.covisibility).all()


def test_gaps_count_all_frames_of_a_long_drive(tmp_path):
    """However many pairs are kept, they are as far apart as asked."""
    a, b = pair_selection._by_gap(6000, (5, 60))
    assert (b - a).min() == 5
    assert (b - a).max() == 60
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == sum(
        6000 - g for g in range(5, 61)
    )
    assert [x.tolist() for x in pair_selection._by_gap(3, (5, 60))] == [[], []]
    dataset_layouts.recording(tmp_path / "data", rendered())
    index = tmp_path / "data" / "drive_1" / "recording.json"
    index.write_text(re.sub(r'"depths/[^"]*"', "null", index.read_text()))
    thin = PairConfig(frame_gap=(1, 1), max_frames=2)
    found = find_pairs(open_dataset(tmp_path / "data"), "drive_1", thin, tmp_path / "cache")
    assert len(found.names) == 3


def test_two_folders_share_a_cache(tmp_path):
    cache, drives = tmp_path / "cache", []
    for name in ("one", "two"):
        dataset_layouts.recording(tmp_path / name, rendered())
        drives.append(open_dataset(tmp_path / name))
    found = find_pairs(drives[0], "drive_1", LOOSE, cache)
    find_pairs(drives[1], "drive_1", PairConfig(covisibility=(0.05, 1.0), max_pairs=2), cache)
    find_pairs(drives[1], "drive_1", LOOSE, cache)
    assert len(list(cache.rglob("*.npz"))) == 3
    assert load_pairs(drives[0], "drive_1", LOOSE, cache).names == found.names


def test_an_empty_scene(dataset, tmp_path):
    for path in (dataset.root / PID / "cams").iterdir():
        path.unlink()
    found = find_pairs(dataset, PID, LOOSE, tmp_path / "cache")
    assert found.names == []
    assert load_pairs(dataset, PID, LOOSE, tmp_path / "cache").names == []
