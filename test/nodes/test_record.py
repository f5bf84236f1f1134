# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recording from a process of its own, over real DDS: the running node, and what is recorded."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from typer.testing import CliRunner

import geloc3r_ros
from geloc3r_ros.cli import app
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import LATCHED, RELIABLE, BagReader, BagWriter
from geloc3r_ros.evaluation.recovery import open_bag
from geloc3r_ros.nodes.processes import executable, node_process

MOVING = Path(geloc3r_ros.__file__).parent / "demo" / "moving"
TRUTH = "/ground_truth/right/pose"
POSES = "/geloc3r/right/relative_pose"
IMAGES = ("/left/image/compressed", "/right/image/compressed")
INFOS = ("/left/camera_info", "/right/camera_info")
NODE = {
    "autostart": True,
    "device": "cpu",
    "precision": "fp32",
    "image_transport": "compressed",
    "publish_untrained": True,
    "gate.max_cycle_rotation": 3.14,
    "gate.max_cycle_translation": 3.14,
}


def geloc3r(*arguments):
    command = [sys.executable, executable("geloc3r"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def record(folder, *topics, awaited=""):
    """Start a recording; it has subscribed to the topic awaited when this returns."""
    process = geloc3r("record", folder, "--duration", "120", *topics)
    said = []
    while awaited and f"Recording {awaited} " not in "".join(said):
        said.append(process.stdout.readline())
        assert said[-1], said
    return process


def play(recorder, bag, *options):
    """Replay a bag, then end the recording in order; return what the recorder said last."""
    player = geloc3r("replay", bag, "--wait", "20", *options)
    try:
        said = player.communicate(timeout=90)[0]
        assert player.returncode == 0, said
        recorder.send_signal(signal.SIGINT)
        said = recorder.communicate(timeout=30)[0]
        assert recorder.returncode == 0, said
    finally:
        for process in (player, recorder):
            process.kill()
            process.wait()
    return said


def errors(folder):
    with (folder / "errors.csv").open() as file:
        return {row["pair"]: row for row in csv.DictReader(file)}


def evaluate(bag, out, *options, method="recorded"):
    arguments = ["eval", "bag", bag, "--truth", TRUTH, "--out", out, *options]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return errors(out / method)


@pytest.mark.slow
def test_what_the_running_node_says_is_recorded_and_evaluated(tmp_path):
    """The node's recorded poses are as far from the truth as those of the images it saw."""
    with node_process(NODE, tmp_path / "node.log"):
        recorder = record(tmp_path / "run", POSES, TRUTH, *IMAGES, *INFOS, awaited=POSES)
        # At a quarter of its speed, so that a busy machine does not make the node drop sets.
        play(recorder, MOVING, "--start", "2.6", "--duration", "1.9", "--rate", "0.25")
    recorded = evaluate(tmp_path / "run", tmp_path / "recorded")
    offline = evaluate(
        tmp_path / "run", tmp_path / "offline", "--images", IMAGES[0], "--images", IMAGES[1],
        "--precision", "fp32", "--device", "cpu", method="geloc3r",
    )  # fmt: skip
    # The first poses may come of images before the recorder listened to these.
    both = recorded.keys() & offline.keys()
    assert len(both) >= 3
    directed = 0
    for pair in both:
        errors = [[float(run[pair][f"{kind}_error_deg"]) for kind in ("rotation", "direction")]
                  for run in (recorded, offline)]  # fmt: skip
        assert errors[0][0] == pytest.approx(errors[1][0], abs=0.05), pair
        if np.isfinite(errors[0][1]):  # the node keeps to itself what the images leave open
            directed += 1
            assert errors[0][1] == pytest.approx(errors[1][1], abs=0.05), pair
        assert float(recorded[pair]["seconds"]) > 0
    assert directed > 0
    assert "worst pair" in (tmp_path / "recorded" / "report.html").read_text()


def test_topics_are_recorded_as_they_are_offered(tmp_path):
    """A replay of the recording would find the same messages, latched ones as latched."""
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/mount", "geometry_msgs/msg/PoseStamped", LATCHED)
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        bag.write("/mount", 1, messages.pose_stamped(1, "base", np.eye(4)))
        for i in range(5):
            image = messages.grey_image(i + 1, "a", np.full((480, 640), i, np.uint8))
            bag.write("/image", i * 10**8 + 1, image)
    recorder = record(tmp_path / "copy", "mount", "/image", "/nothing")
    said = play(recorder, tmp_path / "bag")
    assert "/nothing  0" in said
    with BagReader(tmp_path / "bag") as bag, BagReader(tmp_path / "copy") as copy:
        assert {n: (t.type, t.count) for n, t in copy.topics.items()} == {
            "/mount": ("geometry_msgs/msg/PoseStamped", 1),
            "/image": ("sensor_msgs/msg/Image", 5),
        }
        assert copy.topics["/mount"].qos[0].durability is LATCHED.durability
        assert copy.topics["/image"].qos[0].reliability is RELIABLE.reliability
        for topic in ("/mount", "/image"):
            stored = [[m.data for m in b.messages([topic])] for b in (bag, copy)]
            assert stored[0] == stored[1]


@pytest.fixture
def five_images(tmp_path):
    """A bag of half a second."""
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/image", "sensor_msgs/msg/Image")
        for i in range(5):
            image = messages.grey_image(i + 1, "a", np.full((60, 80), i, np.uint8))
            bag.write("/image", i * 10**8 + 1, image)
    return tmp_path / "bag"


@contextlib.contextmanager
def recorded(bag, folder, *more):
    """A recorder that has heard all that a bag holds, and listens on."""
    recorder = record(folder, "/image", *more)
    player = geloc3r("replay", bag, "--wait", "20")
    try:
        assert player.wait(60) == 0
        yield recorder
    finally:
        for process in (player, recorder):
            process.kill()
            process.wait()


def test_impatience_loses_nothing(tmp_path, five_images):
    with recorded(five_images, tmp_path / "copy") as recorder:
        for _ in range(20):
            recorder.send_signal(signal.SIGINT)
            time.sleep(0.01)
        recorder.wait(30)
    with BagReader(tmp_path / "copy") as copy:
        assert copy.topics["/image"].count == 5


@pytest.mark.parametrize(("before", "ends"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_terminal_that_goes_away_ends_it_but_under_nohup(tmp_path, five_images, before, ends):
    previous = signal.signal(signal.SIGHUP, before)  # the recorder inherits it
    try:
        with recorded(five_images, tmp_path / "copy") as recorder:
            recorder.send_signal(signal.SIGHUP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                recorder.wait(10 if ends else 1)
            assert recorder.poll() == (0 if ends else None)
            recorder.send_signal(signal.SIGINT)
            recorder.wait(30)
    finally:
        signal.signal(signal.SIGHUP, previous)
    with BagReader(tmp_path / "copy") as copy:
        assert copy.topics["/image"].count == 5


def test_a_recorder_that_is_killed_loses_its_last_second(tmp_path, five_images):
    with recorded(five_images, tmp_path / "copy") as recorder:
        time.sleep(2.0)
        recorder.kill()
    bag, trouble = open_bag(tmp_path / "copy", tmp_path / "recovered.mcap")
    assert "cut off" in trouble
    with bag:
        assert bag.topics["/image"].count == 5


def test_a_topic_that_cannot_be_recorded_does_not_end_the_others(tmp_path, five_images, client):
    client.create_publisher(SetParameters.Event, "/rare", 1)
    with recorded(five_images, tmp_path / "copy", "/rare") as recorder:
        recorder.send_signal(signal.SIGINT)
        said = recorder.communicate(timeout=30)[0]
    assert recorder.returncode == 0, said
    assert "Not recorded: /rare" in said
    with BagReader(tmp_path / "copy") as copy:
        assert copy.topics["/image"].count == 5


def test_nothing_recorded_leaves_nothing(tmp_path):
    recorder = geloc3r("record", tmp_path / "run", "/nothing", "--duration", "0.3")
    said = recorder.communicate(timeout=30)[0]
    assert recorder.returncode == 1
    assert "nothing came on /nothing" in said
    assert os.listdir(tmp_path) == []
