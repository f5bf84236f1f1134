# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From frames to files, by the command as a user runs it."""

import csv

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.errors import ConfigError, ImageError
from geloc3r_ros.evaluation.trajectories import read_tum
from geloc3r_ros.geometry import make_transform, rotation_from_quat_xyzw
from geloc3r_ros.inference import RelativePoseEstimator, read_image


@pytest.fixture
def folder(tmp_path):
    """Four frames at ten a second: cuts of one pattern, each further to the right."""
    (tmp_path / "frames").mkdir()
    coarse = np.random.default_rng(0).integers(0, 256, (24, 35, 3), np.uint8)
    whole = cv2.resize(coarse, (350, 240))
    for i in range(4):
        cv2.imwrite(str(tmp_path / "frames" / f"{i}.png"), whole[:, 10 * i : 10 * i + 320])
    return tmp_path / "frames"


def run(*arguments):
    arguments = ["stream", *map(str, arguments), "--rate", "10", "--precision", "fp32"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


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


def test_tum_has_the_valid_poses(folder, tmp_path):
    run(folder, "--out", tmp_path / "poses.tum")
    run(folder, "--out", tmp_path / "poses.csv")
    poses = read_tum(tmp_path / "poses.tum")
    with (tmp_path / "poses.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["valid"] == "1"]
    assert list(poses) == [int(row["stamp_b"]) for row in rows]
    for row, T_a_b in zip(rows, poses.values(), strict=True):
        assert np.allclose(T_a_b[:3, 3], [float(row[f"t{axis}"]) for axis in "xyz"], atol=1e-5)


def test_what_came_before_a_damaged_image_is_kept(folder, tmp_path):
    (folder / "3.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"3\.png"):
        run(folder, "--out", tmp_path / "poses.tum")
    assert len(read_tum(tmp_path / "poses.tum")) == 2


def test_one_frame_makes_no_pose(folder, tmp_path):
    for k in (1, 2, 3):
        (folder / f"{k}.png").unlink()
    assert "no poses" in run(folder, "--out", tmp_path / "poses.csv")


@pytest.mark.parametrize(
    ("name", "message"), [("poses.json", r"one of \.csv, \.tum"), ("no/poses.csv", "no folder")]
)
def test_the_output_is_checked_first(folder, tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        run(folder, "--out", tmp_path / name)
