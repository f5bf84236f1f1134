# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r status`` beside a running node, over real DDS."""

import pytest
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.errors import ConfigError


def status(*arguments):
    return CliRunner().invoke(app, ["status", *arguments], catch_exceptions=False)


def test_the_status_of_a_node_is_told(robot):
    robot = robot({"watchdog.timeout": 0.1})
    robot.start()
    answer = status("--wait", "20")
    assert answer.exit_code == 1
    assert "ERROR: /left/image has no publisher" in answer.output
    assert "sets processed" in answer.output


def test_without_a_node_it_says_where_it_looked():
    with pytest.raises(ConfigError, match=r"nothing came on /dock/geloc3r/status within 0\.2 s"):
        status("--node", "/dock/geloc3r", "--wait", "0.2")
