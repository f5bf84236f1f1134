# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is found to be wrong with a Python, and what is said about it."""

import re
import sys
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.environment import Environment, problems

HEALTHY = Environment(
    executable="/usr/bin/python3",
    python="3.10.12",
    path=("/opt/ros/humble/lib/python3.10/site-packages", "/usr/lib/python3/dist-packages"),
    versions={"numpy": "1.26.4", "torch": "2.8.0", "opencv-python-headless": "4.11.0.86"},
    missing=(),
    distribution="humble",
    cv_bridge="/opt/ros/humble/local/lib/python3.10/dist-packages/cv_bridge/__init__.py",
    jetson="NVIDIA Jetson Orin Nano Developer Kit",
    torch_cuda="12.6",
)


def test_a_healthy_jetson_has_no_problems():
    assert problems(HEALTHY) == []


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"missing": ("rosbags",)}, "missing: rosbags; install with /usr/bin/python3 -m pip"),
        ({"python": "3.12.3"}, "made for Python 3.10, and this is 3.12.3"),
        ({"versions": HEALTHY.versions | {"numpy": "2.2.6"}}, "cv_bridge of humble is built for"),
        (
            {"versions": HEALTHY.versions | {"opencv-python": "4.8.0"}},
            "opencv-python and opencv-python-headless are installed and overwrite one another",
        ),
        ({"torch_cuda": ""}, "torch 2.8.0 is built without CUDA.*Orin Nano.*docs/jetson.md"),
        (
            {"versions": HEALTHY.versions | {"onnxruntime": "1.23.2"}},
            "install the onnxruntime-gpu",
        ),
    ],
)
def test_each_problem_is_said_with_its_remedy(change, part):
    (problem,) = problems(replace(HEALTHY, **change))
    assert re.search(part, problem)


def test_numpy_2_is_well_where_cv_bridge_is_none_of_debian():
    changed = replace(HEALTHY, versions={"numpy": "2.2.6", "torch": "2.8.0"}, cv_bridge="")
    assert problems(changed) == []


def test_this_interpreter_is_described():
    here = Environment.here()
    assert here.executable == sys.executable
    assert here.versions["numpy"] == np.__version__ == version("numpy")
    assert here.torch_cuda == (torch.version.cuda or "")
    assert here.missing == ()


def test_check_prints_the_interpreter_and_ends_well():
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == bool(problems(Environment.here()))
    assert sys.executable in result.output.replace("\n", "")
    assert np.__version__ in result.output
