# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many threads a network has for itself, and how many may call it."""

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


def test_a_large_network_takes_the_whole_processor():
    assert not computes_alone("cpu", ModelConfig.large())
    assert sets_at_once("cpu", ModelConfig.large()) == 1


@pytest.mark.parametrize("device", ["cuda:0", "tensorrt:0"])
@pytest.mark.parametrize("config", [TINY, ModelConfig.large()])
@pytest.mark.parametrize("cores", [1], indirect=True)
def test_a_gpu_computes_while_the_next_set_is_unpacked(device, config, cores):
    assert not computes_alone(device, config)
    assert sets_at_once(device, config) == 2
