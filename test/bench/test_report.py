# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and plot of measurements with known numbers."""

import io

import numpy as np
import pytest
from helpers.bench_data import SECONDS, measurement
from rich.console import Console
from transforms3d.axangles import axangle2mat

from geloc3r_ros.bench import report
from geloc3r_ros.bench.cases import PLAIN
from geloc3r_ros.geometry import make_transform
from geloc3r_ros.inference import read_image


def turned(degrees):
    """Poses to the right, turned about z: the baseline's is the first."""
    R = axangle2mat([0, 0, 1], np.radians(degrees))
    return [make_transform(R, [1.0, 0, 0]).tolist()]


SLOW = {**SECONDS, "encode": [0.08]}
FOUND = [
    measurement(PLAIN, "fp32", stages=SLOW, total=[0.092], poses=turned(0)),
    measurement("torch", "bf16", poses=turned(0.25)),
    measurement("torch", "bf16", "stream", poses=turned(9)),
]


def rows_of(table):
    text = io.StringIO()
    Console(file=text, width=300).print(table)
    lines = [line for line in text.getvalue().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_speed():
    plain, pair, stream = rows_of(report.speed_table(FOUND))
    # 30 ms of network; 3 GFLOP at 200 GFLOP/s are 15 ms; the baseline's network takes 90 ms.
    assert pair[1:6] == ["32.0", "32.0", "32.0", "31.25", "30.0"]
    assert pair[6:] == ["2.00", "3.00", "200", "0.250", "0.000"]
    assert plain[6:] == ["6.00", "1.00", "200", "", ""]
    assert stream[-2:] == ["", ""]


def test_stages_that_cannot_be_told_apart_stay_empty():
    pair = rows_of(report.stage_table(FOUND))[1]
    assert pair[1:] == ["4.0", "2.0", "", "20.0", "10.0", "", "15.0", "3.0", "200"]


def test_start_up_adds_up():
    row = rows_of(report.start_up_table(FOUND))[0]
    assert row[1:7] == ["0.50"] * 5 + ["2.50"]
    assert row[7:] == ["100"] * 5


def test_a_stream_is_held_against_the_exact_stream():
    exact = measurement("torch", "fp32", "stream", poses=turned(8))
    rotation, direction = report.deviations(FOUND[2], [*FOUND, exact])
    assert np.degrees(rotation) == pytest.approx(1)
    assert direction == pytest.approx(0, abs=1e-6)


def test_plot(tmp_path):
    report.plot(tmp_path / "bench.png", [*FOUND, measurement(weights="large")])
    assert read_image(tmp_path / "bench.png").std() > 10
