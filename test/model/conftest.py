# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small network, and the numbers measured on the public reference with the same weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from geloc3r_ros.model import GeLoc3r, ModelConfig

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
