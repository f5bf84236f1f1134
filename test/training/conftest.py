# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trainings of toy size."""

from pathlib import Path

import pytest
import torch

from geloc3r_training.config import load_config
from geloc3r_training.pairs import PairBatch

SMOKE = Path(__file__).parents[2] / "config" / "training" / "tiny_smoke.yaml"


@pytest.fixture(scope="session")
def smoke():
    return SMOKE


@pytest.fixture(scope="session")
def toy():
    """Settings of a training of a few steps, some of them changed."""

    def settings(*changes):
        small = ("data.workers=0", "data.sizes=[[48, 64]]", "validation.pairs=4")
        return load_config(SMOKE, (*small, *changes))

    return settings


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums that are split over threads differ in their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def wall():
    """A pair of views of a wall 2 m ahead; camera 2 stands 0.5 m to the right of camera 1."""
    K = torch.tensor([[64.0, 0, 31.5], [0, 64.0, 23.5], [0, 0, 1]])
    T_world_camera = torch.eye(4, dtype=torch.float64).repeat(1, 2, 1, 1)
    T_world_camera[0, 1, 0, 3] = 0.5
    T_2_1 = torch.eye(4)[None].clone()
    T_2_1[0, 0, 3] = -0.5
    return PairBatch(
        images=torch.randint(
            256, (1, 2, 3, 48, 64), generator=torch.Generator().manual_seed(0)
        ).to(torch.uint8),
        depth=torch.full((1, 2, 48, 64), 2.0),
        K=K.repeat(1, 2, 1, 1),
        T_world_camera=T_world_camera,
        T_2_1=T_2_1,
        covisibility=torch.ones(1),
        ids=(0,),
        view_ids=torch.tensor([[0, 1]]),
    )
