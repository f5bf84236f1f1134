# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's figures, by hand-computed numbers."""

import json

import numpy as np
import pytest
from rich.console import Console

from geloc3r_ros.demo.report import Estimate, Report, summary_table
from geloc3r_ros.evaluation import read_tum
from geloc3r_ros.geometry import make_transform, rotation_about

SECOND = 10**9
T_TRUE = make_transform(np.eye(3), [0.08, 0, 0])


def estimate(turn_deg, direction_deg, *, trained=True, latency=0.1):
    """Turned about y, its direction turned about z, by so many degrees from the truth."""
    direction = rotation_about([0, 0, 1], np.radians(direction_deg)) @ [1, 0, 0]
    T_a_b = make_transform(rotation_about([0, 1, 0], np.radians(turn_deg)), direction)
    return Estimate(T_a_b, True, "", trained, np.radians(3), np.radians(4), latency)


@pytest.fixture
def report():
    report = Report("rig", {i * SECOND: T_TRUE for i in range(1, 5)})
    report.add(1 * SECOND, estimate(1, 10, latency=0.1))
    report.add(2 * SECOND, estimate(2, 20, latency=0.2))
    report.add(3 * SECOND, estimate(6, 180, latency=0.3))
    return report


def test_errors_counts_and_latency(report):
    figures = report.figures()
    assert figures["sets"] == 4
    assert figures["dropped"] == report.dropped == 1
    assert figures["rotation_error_median_deg"] == pytest.approx(2)
    assert figures["rotation_error_max_deg"] == pytest.approx(6)
    assert figures["direction_error_median_deg"] == pytest.approx(20)
    assert figures["direction_error_max_deg"] == pytest.approx(180)  # the sign is not folded
    assert figures["cycle_rotation_median_deg"] == pytest.approx(3)
    assert figures["cycle_direction_median_deg"] == pytest.approx(4)
    assert figures["latency_p50_ms"] == pytest.approx(200)
    assert figures["latency_p95_ms"] == pytest.approx(290)


def test_a_stamp_that_is_no_set_or_came_before_does_not_count(report):
    assert report.add(9 * SECOND, estimate(0, 0)) is None
    assert report.add(1 * SECOND, estimate(0, 0)) is None
    assert report.figures()["rotation_error_median_deg"] == pytest.approx(2)
    assert report.dropped == 1


def test_a_line_is_in_degrees_and_milliseconds(report):
    result = report.results[2 * SECOND]
    assert result.line(7).split() == ["7", "0.0", "2.0", "20.0", "3.0", "4.0", "200.0"]


def test_every_line_of_untrained_weights_says_so(report):
    result = report.add(4 * SECOND, estimate(1, 1, trained=False))
    assert "untrained" in result.line(4)
    assert not report.trained


def test_files_hold_poses_truth_and_figures(report, tmp_path):
    report.add(4 * SECOND, estimate(0, 0))
    report.results[4 * SECOND].estimate.T_a_b[:3, 3] = 0  # no direction: no error in it
    report.write(tmp_path / "rig")
    assert set(read_tum(tmp_path / "rig" / "truth.tum")) == set(report.truth)
    read = read_tum(tmp_path / "rig" / "estimate.tum")
    assert read[2 * SECOND] == pytest.approx(estimate(2, 20).T_a_b, abs=1e-8)
    written = json.loads((tmp_path / "rig" / "result.json").read_text())
    assert written["figures"]["direction_error_max_deg"] == pytest.approx(180)
    assert [s["direction_error_deg"] for s in written["sets"]][-1] is None
    assert np.array(written["sets"][0]["T_a_b_true"]) == pytest.approx(T_TRUE)


def test_scenes_stand_side_by_side(report):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(summary_table([report, Report("silent", {SECOND: T_TRUE})]))
    lines = {
        line.split("│")[1].strip(): line for line in capture.get().splitlines() if "│" in line
    }
    assert [c.strip() for c in lines["dropped"].split("│")[2:4]] == ["1", "1"]
    assert [c.strip() for c in lines["latency p50"].split("│")[2:4]] == ["200.0 ms", "nan ms"]
