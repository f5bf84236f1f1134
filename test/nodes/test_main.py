# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the node's process begins and ends when things are not as they should be."""

import signal
import subprocess
import sys
import time

import pytest

from geloc3r_ros.nodes.processes import executable

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from geloc3r_ros.nodes.main import main
sys.exit(main())
"""


def test_a_missing_module_is_named_with_the_interpreter():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needs the module 'torch'" in done.stderr
    assert sys.executable in done.stderr
    assert "Traceback" not in done.stderr


def test_a_parameter_of_ros_with_an_impossible_value_is_named():
    command = [executable("geloc3r_node"), "--ros-args", "-p", "use_sim_time:=abc"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        "geloc3r_node cannot start: Trying to set parameter 'use_sim_time' to 'abc'" in done.stderr
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_break_the_end(number):
    process = subprocess.Popen(
        [executable("geloc3r_node"), "--ros-args", "-p", "autostart:=true", "-p", "device:=cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # The last line of configure; activate takes a moment more.
        assert any("scale.source is unit" in line for line in process.stdout)
        time.sleep(1.0)
        process.send_signal(number)
        time.sleep(0.05)
        process.send_signal(number)
        output = process.communicate(timeout=30)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output
    assert "Traceback" not in output
