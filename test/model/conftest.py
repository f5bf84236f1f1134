# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small network, the numbers measured on the public reference with it, and matches."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from geloc3r_ros.model import GeLoc3r, ModelConfig
from geloc3r_ros.model.rotation import rotation_of_vector

DATA = Path(__file__).parents[1] / "data"
PREFIX = "weights."


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    return ModelConfig(
        variant="small",
        image_size=32,
        crop="grid",
        patch_size=4,
        encoder_dim=64,
        encoder_depth=2,
        encoder_heads=4,
        decoder_dim=48,
        decoder_depth=2,
        decoder_heads=3,
        head_dim=64,
    )


@pytest.fixture(scope="session")
def reference() -> dict[str, torch.Tensor]:
    return load_file(DATA / "reloc3r_small.safetensors")


@pytest.fixture(scope="session")
def weights(reference) -> dict[str, torch.Tensor]:
    return {k.removeprefix(PREFIX): v for k, v in reference.items() if k.startswith(PREFIX)}


@pytest.fixture
def model(config, weights) -> GeLoc3r:
    model = GeLoc3r(config)
    model.load_state_dict(weights)
    return model


@pytest.fixture
def facade():
    """What a camera shows that walks half round a house: rays of both views, rotation, direction.

    Most of it is one wall, with two towers before it and a quarter wrong, as in photographs.
    """
    generator = torch.Generator().manual_seed(6)
    count = 240
    points = torch.rand(count, 3, generator=generator) * torch.tensor([16.0, 8.0, 0.2])
    points = points + torch.tensor([-8.0, -5.0, 20.0])
    points[:60, 2] -= 3.0
    R_2_1 = rotation_of_vector(torch.tensor([[0.0, 0.25, 0.0]]))[0]
    centre = torch.tensor([5.0, 0.3, 3.0])  # of camera 2, in camera 1
    other = (points - centre) @ R_2_1.mT
    noise = torch.randn(count, 3, generator=generator) * 1e-3 * other[:, 2:]
    wrong = torch.rand(count, 1, generator=generator) < 0.25
    other = torch.where(wrong, other.roll(1, 0), other + noise)
    rays1, rays2 = (torch.nn.functional.normalize(x, dim=-1)[None] for x in (points, other))
    return rays1, rays2, R_2_1[None], -torch.nn.functional.normalize(centre, dim=-1)[None]
