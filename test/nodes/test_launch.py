# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by the real launch library."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python

from geloc3r_ros.msg import RelativePose

pytest.importorskip("launch")
pytest.importorskip("launch_ros")

ROOT = Path(__file__).parents[2]
MOVING = ROOT / "geloc3r_ros" / "demo" / "moving"
PARAMETERS = """
/**:
  ros__parameters:
    image_transport: compressed
    max_age: 7
    device: cuda:7
    precision: fp32
    publish_untrained: true
"""


@pytest.fixture
def params_file(tmp_path):
    """A file of the user's, which names a device that the launch argument overrules."""
    file = tmp_path / "user.yaml"
    file.write_text(PARAMETERS)
    return file


@contextlib.contextmanager
def launched(name, *arguments):
    """Run a launch file; whatever it started is gone afterwards."""
    process = subprocess.Popen(
        [
            *(sys.executable, ROOT / "test" / "helpers" / "launch_process.py"),
            *(ROOT / "launch" / name, "device:=cpu", *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(30)


def interrupt(process):
    """Send SIGINT; return what was printed."""
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=30)[0]


def call(client, kind, name, request):
    """Call a service, again where the answer finds no way back: discovery of both ways may lag."""
    service = client.create_client(kind, name)
    assert client.spin_until(service.service_is_ready)
    for _ in range(6):
        future = service.call_async(request)
        if client.spin_until(future.done, 10.0):
            client.destroy_client(service)
            return future.result()
    raise AssertionError(f"{name} does not answer")


def state(client, node="/geloc3r"):
    return call(client, GetState, f"{node}/get_state", GetState.Request()).current_state.id


def parameters(client, node, *names):
    request = GetParameters.Request(names=names)
    values = call(client, GetParameters, f"{node}/get_parameters", request).values
    return [parameter_value_to_python(value) for value in values]


def test_node_becomes_active_with_the_arguments_and_ends_with_them(client, params_file):
    with launched(
        *("geloc3r.launch.py", "namespace:=dock", f"params_file:={params_file}"),
        *("remaps:=left/image:=/a/image_rect right/image:=b/image", "log_level:=error"),
        "rectify:=true",
    ) as process:
        assert client.spin_until(
            lambda: state(client, "/dock/geloc3r") == State.PRIMARY_STATE_ACTIVE
        )
        names = ("device", "max_age", "precision", "rectify", "use_sim_time", "weights")
        expected = ["cpu", 7, "fp32", True, False, "tiny"]
        assert parameters(client, "/dock/geloc3r", *names) == expected
        for topic in (
            *("/a/image_rect/compressed", "/a/camera_info"),
            *("/dock/b/image/compressed", "/dock/b/camera_info"),
        ):
            assert client.spin_until(lambda: client.count_subscribers(topic) == 1)  # noqa: B023
        pose = "/dock/geloc3r/right/relative_pose"
        assert client.spin_until(lambda: client.count_publishers(pose) == 1)
        output = interrupt(process)
    assert process.returncode == 0, output
    assert "finished cleanly" in output
    assert "the weights are untrained: poses mean nothing" not in output


def test_node_waits_without_autostart(client):
    with launched("geloc3r.launch.py", "autostart:=false") as process:
        assert state(client) == State.PRIMARY_STATE_UNCONFIGURED
        output = interrupt(process)
    assert process.returncode == 0, output


def test_node_can_be_configured_anew_where_launch_could_not(client):
    with launched("geloc3r.launch.py", "weights:=nowhere.safetensors") as process:
        set_weights = SetParameters.Request(
            parameters=[Parameter("weights", value="tiny").to_parameter_msg()]
        )
        assert state(client) == State.PRIMARY_STATE_UNCONFIGURED
        assert call(client, SetParameters, "/geloc3r/set_parameters", set_weights)
        configure = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        assert call(client, ChangeState, "/geloc3r/change_state", configure).success
        # The launch still leads the node on, once.
        assert client.spin_until(lambda: state(client) == State.PRIMARY_STATE_ACTIVE)
        output = interrupt(process)
    assert process.returncode == 0, output


def test_replay_reaches_the_node_and_ends_the_launch(client, params_file):
    poses = []
    client.create_subscription(RelativePose, "/geloc3r/right/relative_pose", poses.append, 100)
    with launched(
        *("replay.launch.py", f"bag:={MOVING}", "start:=1", "duration:=3", "clock:=true"),
        f"params_file:={params_file}",
    ) as process:
        assert client.spin_until(lambda: process.poll() is not None, 120.0)
        output = process.communicate()[0]
    assert process.returncode == 0, output
    assert output.count("finished cleanly") == 2
    # 15 sets are played; a slow machine may be behind with the last when the launch ends.
    assert 10 <= len(poses) <= 15


def test_replay_in_a_loop_takes_sim_time_and_ends_by_sigint(client, params_file):
    poses = []
    client.create_subscription(RelativePose, "/geloc3r/right/relative_pose", poses.append, 100)
    with launched(
        *("replay.launch.py", f"bag:={MOVING}", "duration:=1", "loop:=true", "clock:=true"),
        f"params_file:={params_file}",
    ) as process:
        assert client.spin_until(lambda: len(poses) > 12, 120.0)
        assert parameters(client, "/geloc3r", "use_sim_time") == [True]
        output = interrupt(process)
    assert process.returncode == 0, output
    assert output.count("finished cleanly") == 2


@pytest.mark.parametrize(
    ("argument", "said"),
    [("rectify:=yes", "rectify"), ("remaps:=left/image=/a/image", "left/image=/a/image")],
)
def test_an_argument_that_is_mistyped_is_named(argument, said):
    with launched("geloc3r.launch.py", argument) as process:
        output = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert said in output
