# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From frames to files, by the command as a user runs it."""

import csv
import re
import shutil

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.errors import ConfigError, ImageError
from geloc3r_ros.evaluation.trajectories import read_tum
from geloc3r_ros.geometry import make_transform, rotation_from_quat_xyzw
from geloc3r_ros.inference import PoseStream, RelativePoseEstimator, read_image


@pytest.fixture
def folder(tmp_path):
    """Four frames at ten a second: cuts of one pattern, each further to the right."""
    (tmp_path / "frames").mkdir()
    coarse = np.random.default_rng(0).integers(0, 256, (24, 35, 3), np.uint8)
    whole = cv2.resize(coarse, (350, 240))
    for i in range(4):
        cv2.imwrite(str(tmp_path / "frames" / f"{i}.png"), whole[:, 10 * i : 10 * i + 320])
    return tmp_path / "frames"


def run(*arguments, code=0):
    arguments = ["stream", *map(str, arguments), "--rate", "10", "--precision", "fp32"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_csv_has_the_estimates(folder, tmp_path):
    text = run(folder, "--step", "2", "-K", "300,300,160,120", "--out", tmp_path / "poses.csv")
    assert "2 poses, 2 valid" in text
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["stamp_a"], row["stamp_b"]) for row in rows] == [
        ("0", "200000000"),
        ("100000000", "300000000"),
    ]
    K = [[300, 0, 160], [0, 300, 120], [0, 0, 1]]
    estimator = RelativePoseEstimator.load("tiny", precision="fp32")
    for i, row in enumerate(rows):
        a, b = (read_image(folder / f"{k}.png") for k in (i, i + 2))
        expected = estimator.estimate(a, b, K, K)
        quat_xyzw = [float(row[f"q{axis}"]) for axis in "xyzw"]
        t = [float(row[f"t{axis}"]) for axis in "xyz"]
        found = make_transform(rotation_from_quat_xyzw(quat_xyzw), t)
        assert np.allclose(found, expected.T_1_2, atol=1e-4)
        assert float(row["cycle_rotation_error"]) == pytest.approx(
            expected.cycle_rotation_error, abs=1e-4
        )
        assert row["trained"] == str(int(expected.trained))


def test_tum_has_the_poses_with_a_direction(folder, tmp_path):
    shutil.copy(folder / "1.png", folder / "2.png")  # the camera rests: a pose without direction
    text = run(folder, "--out", tmp_path / "poses.tum")
    assert "3 poses, 3 valid, 2 of them with a direction" in text
    run(folder, "--out", tmp_path / "poses.csv")
    poses = read_tum(tmp_path / "poses.tum")
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["translation_valid"] for row in rows] == ["1", "0", "1"]
    rows = [row for row in rows if row["valid"] == row["translation_valid"] == "1"]
    assert list(poses) == [int(row["stamp_b"]) for row in rows]
    for row, T_a_b in zip(rows, poses.values(), strict=True):
        assert np.allclose(T_a_b[:3, 3], [float(row[f"t{axis}"]) for axis in "xyz"], atol=1e-5)


def test_what_came_before_a_damaged_image_is_kept(folder, tmp_path):
    (folder / "3.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"3\.png"):
        run(folder, "--out", tmp_path / "poses.tum")
    assert len(read_tum(tmp_path / "poses.tum")) == 2


def test_what_came_before_an_interruption_is_kept(folder, tmp_path, monkeypatch):
    stop_at_frame(4, monkeypatch)
    text = run(folder, "--out", tmp_path / "poses.tum", code=130)
    assert "Interrupted." in text
    assert "3 of 4 frames read" in text
    assert len(read_tum(tmp_path / "poses.tum")) == 2


def stop_at_frame(number, monkeypatch):
    """Let Ctrl-C come while this frame, counted from 1, is in the network."""
    add, seen = PoseStream.add, []

    def stop(self, *arguments):
        seen.append(1)
        if len(seen) == number:
            raise KeyboardInterrupt
        return add(self, *arguments)

    monkeypatch.setattr(PoseStream, "add", stop)


@pytest.fixture
def precious(tmp_path):
    """A file that an earlier run wrote, alone in its folder."""
    (tmp_path / "results").mkdir()
    path = tmp_path / "results" / "poses.csv"
    path.write_text("precious")
    return path


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--step", "0"], ConfigError, "step is 0"),
        (["-K", "300,300,1000,120"], ImageError, "do not fit"),
        (["--images", "/a"], ConfigError, "is no bag"),
    ],
)
def test_an_error_without_poses_leaves_the_file_alone(folder, precious, arguments, error, message):
    with pytest.raises(error, match=message):
        run(folder, *arguments, "--out", precious)
    assert precious.read_text() == "precious"
    assert list(precious.parent.iterdir()) == [precious]


def test_an_interruption_without_poses_leaves_the_file_alone(folder, precious, monkeypatch):
    stop_at_frame(1, monkeypatch)
    run(folder, "--out", precious, code=130)
    assert precious.read_text() == "precious"


def test_a_file_is_replaced_as_a_whole(folder, precious, monkeypatch):
    link = precious.with_name("link.csv")
    link.symlink_to(precious)
    run(folder, "--out", link)
    assert link.is_symlink()
    assert precious.read_text().startswith("stamp_a,")
    assert sorted(precious.parent.iterdir()) == [link, precious]


def test_a_video_without_frames_is_an_error(folder, tmp_path, precious):
    content = video_of(folder, tmp_path / "v.avi").read_bytes()
    (tmp_path / "v.avi").write_bytes(content[: content.index(b"movi") + 10])
    with pytest.raises(ImageError, match=r"v\.avi"):
        run(tmp_path / "v.avi", "--out", precious)
    assert precious.read_text() == "precious"


def test_a_video_that_is_cut_off_says_so(folder, tmp_path):
    path = video_of(folder, tmp_path / "v.avi")
    assert "frames read" not in run(path, "--out", tmp_path / "poses.csv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 8])
    text = run(path, "--out", tmp_path / "poses.csv")
    assert re.search("[23] of 4 frames read", text)  # the last one that is there may be damaged


def video_of(folder, path):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (320, 240))
    for k in range(4):
        writer.write(cv2.imread(str(folder / f"{k}.png")))
    writer.release()
    return path


def test_one_frame_makes_no_pose(folder, tmp_path):
    for k in (1, 2, 3):
        (folder / f"{k}.png").unlink()
    assert "no poses" in run(folder, "--out", tmp_path / "poses.csv")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("poses.json", r"one of \.csv, \.tum"),
        ("no/poses.csv", "no folder"),
        ("frames.csv", "is a folder"),
    ],
)
def test_the_output_is_checked_first(folder, tmp_path, name, message):
    (tmp_path / "frames.csv").mkdir()
    with pytest.raises(ConfigError, match=message):
        run(folder, "--out", tmp_path / name)


def test_a_folder_that_takes_no_file_is_found_first(folder):
    with pytest.raises(ConfigError, match=r"/proc/poses\.csv cannot be written: .*; name another"):
        run(folder, "--out", "/proc/poses.csv")


def test_a_file_is_written_over_in_a_folder_that_takes_no_other(folder, precious, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    run(folder, "--out", precious)
    assert precious.read_text().startswith("stamp_a,")
