# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark as a user runs it."""

import json
import sys

import numpy as np
import pytest
from helpers.bench_data import measurement
from typer.testing import CliRunner

from geloc3r_ros.bench import suite
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


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("kill -9 $$", "was killed, as the system does when memory runs out"),
        ("kill -6 $$", "ended by signal 6"),
        ("exit 3", "failed with code 3"),
    ],
)
def test_a_process_that_dies_is_told(tmp_path, monkeypatch, end, said):
    shell = tmp_path / "python"
    shell.write_text(f"#!/bin/sh\necho '{{}}'\n{end}\n")
    shell.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(shell))
    runs = []
    result = suite.measure_case(measurement().case, {}, None, lambda: runs.append(1))
    assert said in result
    assert len(runs) == 1


def bench_with(monkeypatch, results, *arguments):
    """Run the command; measuring a case gives the next of the results, or raises it."""
    results = iter(results)

    def measure_case(*_):
        result = next(results)
        if isinstance(result, type):
            raise result
        return result

    monkeypatch.setattr(suite, "measure_case", measure_case)
    result = CliRunner().invoke(app, ["bench", *map(str, arguments)], catch_exceptions=False)
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(("last", "code"), [("it died", 0), (KeyboardInterrupt, 130)])
def test_what_is_measured_is_reported(tmp_path, monkeypatch, last, code):
    ended, said = bench_with(
        monkeypatch, [measurement(), "too large", last], "--out", tmp_path / "new"
    )
    assert ended == code
    assert "tiny 640x480 pair torch auto: too large" in said
    assert ("it died" if code == 0 else "Interrupted.") in said
    stored = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert len(stored["measurements"]) == 1
    assert stored["failed"]["tiny 640x480 pair torch auto"] == "too large"
    told = (tmp_path / "new" / "bench.md").read_text()
    assert "Not measured: tiny 640x480 pair torch auto: too large" in told


def test_nothing_measured_is_a_failure(tmp_path, monkeypatch):
    code, said = bench_with(monkeypatch, ["no weights"] * 3, "--out", tmp_path)
    assert code == 1
    assert "no case was measured" in said
    assert not list(tmp_path.iterdir())


def test_an_export_is_measured_alone(tmp_path, monkeypatch):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "geloc3r.json").write_text("{}")
    arguments = ("--weights", tmp_path / "small", "--backend", "onnx", "--out", tmp_path / "new")
    code, said = bench_with(monkeypatch, [measurement("onnx"), "no stream"], *arguments)
    assert code == 0
    assert "small: an export; it is measured without the plain baseline" in said
    assert "onnx" in (tmp_path / "new" / "bench.md").read_text()
