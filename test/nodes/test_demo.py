# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo from end to end, in its three processes, and what it says when something fails."""

import json
import subprocess
import sys

import pytest
from rich.console import Console

from geloc3r_ros.demo.recording import ensure_recording
from geloc3r_ros.demo.scenes import Scene
from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.evaluation import read_tum
from geloc3r_ros.nodes.demo import PARAMETERS, play, play_whole
from geloc3r_ros.nodes.processes import executable


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    bag = ensure_recording(tmp_path_factory.mktemp("demo") / "bag")
    return Scene("recording", bag, "raw")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_set_arrives_and_is_judged(tmp_path):
    command = [sys.executable, executable("geloc3r"), "demo", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr
    for scene, sets in (("recording", 13), ("moving", 40)):
        folder = tmp_path / "out" / scene
        result = json.loads((folder / "result.json").read_text())
        assert result["figures"]["dropped"] == 0
        assert len(result["sets"]) == result["figures"]["sets"] == sets
        assert read_tum(folder / "estimate.tum").keys() == read_tum(folder / "truth.tum").keys()
        for picture in ("overview", "best", "median", "worst"):
            assert (folder / f"{picture}.png").stat().st_size > 10_000
        if not result["trained"]:
            assert done.stdout.count("untrained weights") >= sets


@pytest.mark.slow
def test_sets_that_the_node_skips_are_counted_and_its_status_shown(scene, tmp_path):
    console = Console(record=True, width=200)
    report = play(scene, tmp_path, console, {**PARAMETERS, "max_update_rate": 1.0})
    assert 0 < report.dropped < 13
    assert "Status of the node:" in console.export_text()


@pytest.mark.slow
def test_a_machine_that_does_not_keep_up_is_given_time(scene, tmp_path):
    console = Console(record=True, width=200)
    report = play_whole(scene, tmp_path, console, {**PARAMETERS, "max_update_rate": 0.8})
    assert report.dropped == 0
    assert "sets got lost: the node does not keep up here" in console.export_text()


def test_a_node_that_cannot_start_is_explained_by_its_log(scene, tmp_path):
    with pytest.raises(GeLoc3rError, match=r"(?s)could not configure.*did you mean weights"):
        play(scene, tmp_path, Console(quiet=True), {"weigths": "tiny"})
    with pytest.raises(GeLoc3rError, match=r"(?s)ended with exit code 1.*parameter override rule"):
        play(scene, tmp_path, Console(quiet=True), {"no name": "tiny"})
