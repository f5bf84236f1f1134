# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each benchmark from its authors' layout to the table of ``geloc3r eval pairs``."""

import csv
import json

import numpy as np
import pytest
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import T_0_1, Views, cameras, rendered
from typer.testing import CliRunner

from geloc3r_ros import cli
from geloc3r_training.data import cli as data_cli
from geloc3r_training.data.benchmark_pairs import _overlap
from geloc3r_training.data.datasets.base import View

KINECT = (640, 480), 577.5, 578.0, 318.0, 242.0
T_0_2 = np.linalg.inv(cameras()[0]) @ cameras()[2]


def run(app, *arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output


def co3d_test(root, views):
    """Ten frames, which go round the four views, in a sequence of the split ``test``."""
    turns = np.arange(10) % 4
    many = Views(views.images[turns], views.depths[turns], views.K, views.T_world_camera[turns])
    dataset_layouts.co3d(root, many)
    path = root / "apple" / "set_lists" / "set_lists_fewview_dev.json"
    lists = json.loads(path.read_text())
    path.write_text(json.dumps({"train": [], "val": [], "test": lists["train"]}))


def test_overlap_of_a_landscape_and_a_portrait_by_hand():
    """A wall 2 m ahead, from one place: the portrait shows the middle half of the landscape."""

    def view(height, width):
        K = np.array([[100.0, 0, (width - 1) / 2], [0, 100.0, (height - 1) / 2], [0, 0, 1]])
        depth = np.full((height, width), 2.0, np.float32)
        return View(np.zeros((height, width, 3), np.uint8), depth, K, np.eye(4))

    assert _overlap(view(80, 160), view(160, 80))["overlap"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("write", "camera", "count", "name", "T_a_b"),
    [
        (video_layouts.scannet1500, KINECT, 2, "scene0707_00/0+15", T_0_1),
        (dataset_layouts.megadepth1500, (), 2, "0015_0.1_0.3/0_photo+1_photo", T_0_1),
        (co3d_test, (), 45, "apple/110_13051_23361/frame000001+frame000002", T_0_1),
        (
            lambda root, views: video_layouts.realestate10k(root, views, "test"),
            (), 1, "0000cc6d8b108390/50000000+50066734", T_0_2,
        ),
        (video_layouts.acid, (), 1, "0000cc6d8b108390/50000000+50066734", T_0_2),
    ],
    ids=["scannet1500", "megadepth1500", "co3d", "realestate10k", "acid"],
)  # fmt: skip
def test_a_benchmark_is_evaluated(tmp_path, write, camera, count, name, T_a_b):
    write(tmp_path / "data", rendered(*camera))
    run(data_cli.app, "pairs", tmp_path / "data", tmp_path / "pairs", "--split", "test")
    out = tmp_path / "out"
    listed = tmp_path / "pairs" / "pairs.json"
    run(cli.app, "eval", "pairs", listed, "--method", "constant", "--out", out)
    with (out / "constant" / "errors.csv").open() as file:
        rows = {row["pair"]: row for row in csv.DictReader(file)}
    assert len(rows) == count
    # The constant answer is no turn and straight ahead: the errors are those of T_a_b itself.
    turn = np.degrees(np.arccos((np.trace(T_a_b[:3, :3]) - 1) / 2))
    aside = np.degrees(np.arccos(T_a_b[2, 3] / np.linalg.norm(T_a_b[:3, 3])))
    assert float(rows[name]["rotation_error_deg"]) == pytest.approx(turn, abs=1e-3)
    assert float(rows[name]["direction_error_deg"]) == pytest.approx(aside, abs=1e-3)
    assert float(rows[name]["error_deg"]) == pytest.approx(max(turn, aside), abs=1e-3)
    has_depth = write in (video_layouts.scannet1500, co3d_test)
    assert bool(rows[name]["overlap"]) == has_depth
    if has_depth:
        assert 0.3 < float(rows[name]["overlap"]) < 1
