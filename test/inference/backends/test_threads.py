# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How networks share the cores of a CPU."""

import pytest
import torch

from geloc3r_ros.inference.backends.threads import computes_alone, sets_at_once
from geloc3r_ros.model import ModelConfig, read_info

TINY = read_info("tiny").config


@pytest.fixture
def cores(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 2), (8, 2)], indirect=["cores"])
def test_a_small_network_leaves_cores_to_the_robot(cores, at_once):
    assert sets_at_once("cpu", TINY) == at_once


@pytest.mark.parametrize(
    ("device", "config"), [("cuda:0", TINY), ("tensorrt:0", TINY), ("cpu", ModelConfig.large())]
)
def test_others_take_the_whole_device(device, config):
    assert not computes_alone(device, config)
    assert sets_at_once(device, config) == 1
