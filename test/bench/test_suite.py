# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark as a user runs it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from geloc3r_ros.bench.cases import STAGES, START_UP
from geloc3r_ros.cli import app
from geloc3r_ros.geometry import is_transform


@pytest.mark.slow
def test_bench(tmp_path):
    arguments = ["bench", "--runs", "2", "--threads", "1", "--device", "cpu", "--out", tmp_path]
    arguments += ["--precision", "fp32", "--precision", "int8", "--mode", "stream"]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "tiny 640x480 stream torch int8: precision int8 is for networks" in result.output
    plain, stream = json.loads((tmp_path / "bench.json").read_text())["measurements"]
    assert plain["case"]["backend"] == "plain"
    assert (stream["case"]["mode"], stream["threads"], stream["precision"]) == (
        "stream",
        1,
        "fp32",
    )
    assert set(stream["stages"]) == set(STAGES)
    assert all(min(times) > 0 for times in stream["stages"].values())
    network = sum(np.array(stream["stages"][stage]) for stage in STAGES[1:])
    assert network == pytest.approx(stream["total"])
    assert list(stream["start_up"]) == list(START_UP)
    assert list(stream["memory"].values()) == sorted(stream["memory"].values())
    assert stream["arithmetic"] < plain["arithmetic"]
    assert all(is_transform(np.array(T)) for T in stream["poses"])
    assert (tmp_path / "bench.png").stat().st_size > 1000
    assert "| tiny " in (tmp_path / "bench.md").read_text()
