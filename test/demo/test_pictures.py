# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's pictures are drawn of every kind of result."""

import cv2
import numpy as np
import pytest

from geloc3r_ros.demo.pictures import draw
from geloc3r_ros.demo.recording import ensure_recording
from geloc3r_ros.demo.report import Estimate, Report
from geloc3r_ros.demo.scenes import Scene
from geloc3r_ros.geometry import make_transform, rotation_about


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    bag = ensure_recording(tmp_path_factory.mktemp("demo") / "bag")
    return Scene("recording", bag, "raw")


def test_a_view_is_the_pictures_of_one_stamp_in_rgb(scene):
    stamps = list(scene.truth())
    first, last = scene.view(stamps[0]), scene.view(stamps[-1])
    assert first.left.shape == first.right.shape == (480, 640, 3)
    assert first.left.dtype == np.uint8
    assert (first.left != last.left).any()
    assert (first.left != first.right).any()
    assert first.K_left[0, 0] == pytest.approx(535, abs=5)
    assert first.K_right[0, 2] != first.K_left[0, 2]


def test_overview_and_single_sets(scene, tmp_path):
    report = Report(scene.name, scene.truth())
    for i, stamp in enumerate(report.truth):
        direction = [0, 0, 0] if i == 0 else [1, 0, 0.1 * i]
        T = make_transform(rotation_about([0, 1, 0], 0.05 * i), direction)
        report.add(stamp, Estimate(T, True, "", False, 0.1, 0.1, 0.1))
    draw(scene, report, tmp_path)
    for name in ("overview", "best", "median", "worst"):
        picture = cv2.imread(str(tmp_path / f"{name}.png"))
        assert picture.shape[0] > 400
        assert picture.std() > 20  # something is drawn on the white


def test_nothing_is_drawn_of_nothing(scene, tmp_path):
    draw(scene, Report(scene.name, scene.truth()), tmp_path / "none")
    assert not (tmp_path / "none").exists()
