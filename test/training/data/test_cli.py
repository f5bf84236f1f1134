# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import pytest
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import T_0_1, rendered
from typer.testing import CliRunner

from geloc3r_ros.evaluation.pair_list import read_pairs
from geloc3r_training.data import cli

KINECT = (640, 480), 577.5, 578.0, 318.0, 242.0


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_check_recognises_counts_and_draws(tmp_path):
    dataset_layouts.blendedmvs(tmp_path / "data", rendered())
    (tmp_path / "data" / dataset_layouts.PID / "blended_images" / "00000003.jpg").unlink()
    sheet, problems = tmp_path / "sheet.png", tmp_path / "problems.json"
    result = run("check", tmp_path / "data", "--sheet", sheet, "--problems", problems)
    assert result.exit_code == 0, result.output
    for words in ("blendedmvs", "up to scale", "3 usable", "00000003", "rotation 10.0 degrees"):
        assert words in result.output
    assert "translation [0.4 0.1 0.2]" in result.output
    assert cv2.imread(str(sheet)).shape[1] == 3 * (384 + 4)
    assert json.loads(problems.read_text())[0]["frame"] == "00000003"


def test_check_says_what_is_wrong(tmp_path):
    result = run("check", tmp_path)
    assert "looks like no dataset" in str(result.exception)
    dataset_layouts.blendedmvs(tmp_path, rendered())
    for path in (tmp_path / dataset_layouts.PID / "blended_images").iterdir():
        path.unlink()
    result = run("check", tmp_path, "--sheet", tmp_path / "sheet.png")
    assert "not one pair" in str(result.exception)
    assert "there is no such file" in result.output


@pytest.mark.parametrize("kept", [0, 1])
def test_check_passes_over_scenes_without_a_pair(tmp_path, kept):
    dataset_layouts.blendedmvs(tmp_path / "data", rendered())
    cameras = sorted((tmp_path / "data" / dataset_layouts.PID / "cams").glob("*_cam.txt"))
    for path in cameras[kept:]:
        path.unlink()
    result = run("check", tmp_path / "data", "--sheet", tmp_path / "sheet.png")
    assert "not one pair" in str(result.exception)


def test_prepare_resumes_and_works_in_parallel(tmp_path):
    dataset_layouts.blendedmvs(tmp_path / "data", rendered())
    dataset_layouts.blendedmvs(tmp_path / "data", rendered(), "5a3ca9cb270f0e3f14d0eddc")
    arguments = "prepare", tmp_path / "data", "--cache", tmp_path / "cache"
    result = run(*arguments, "--workers", 2)
    assert result.exit_code == 0, result.output
    assert "pairs of 2 scenes, 0 without any" in result.output
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npz")}
    assert len(files) == 2
    run(*arguments)
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.npz")}


def test_prepare_takes_settings(tmp_path):
    dataset_layouts.blendedmvs(tmp_path / "data", rendered())
    settings = tmp_path / "pairs.yaml"
    settings.write_text("covisibility: [0.999, 1.0]\n")
    arguments = "prepare", tmp_path / "data", "--cache", tmp_path / "cache", "--config", settings
    assert "no pair fits" in str(run(*arguments).exception)
    settings.write_text("covisible: 1\n")
    assert "no setting 'covisible'" in str(run(*arguments).exception)


def test_pairs_are_what_the_evaluation_reads(tmp_path):
    video_layouts.scannet1500(tmp_path / "data", rendered(*KINECT))
    result = run("pairs", tmp_path / "data", tmp_path / "out")
    assert result.exit_code == 0, result.output
    listed = read_pairs(tmp_path / "out" / "pairs.json")
    assert [pair.name for pair in listed.pairs] == ["scene0707_00/0+15", "scene0707_00/30+45"]
    assert listed.pairs[0].T_a_b == pytest.approx(T_0_1, abs=1e-6)
    image = cv2.imread(str(listed.pairs[0].images[1]))
    assert image.shape == (384, 512, 3)
    assert listed.pairs[0].K[0][:2, 2] == pytest.approx([255.5, 191.5], abs=0.5)
    video_layouts.dl3dv(tmp_path / "other", rendered())
    assert "has no pairs" in str(run("pairs", tmp_path / "other", tmp_path / "out").exception)


def test_errors_end_the_command_with_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["geloc3r-data", "check", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"error: .* looks like no dataset"):
        cli.main()
