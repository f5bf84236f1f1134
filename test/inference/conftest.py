# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small network, and what the command exports of it for two sizes of images."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, save_weights

CALIBRATION = {
    "rotation": {"bias": 0.2, "slope": 0.0},
    "translation": {"bias": 0.3, "slope": 0.0},
}


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Path:
    config = ModelConfig(
        variant="small",
        image_size=64,
        crop="grid",
        patch_size=16,
        encoder_dim=32,
        encoder_depth=1,
        encoder_heads=2,
        decoder_dim=24,
        decoder_depth=1,
        decoder_heads=2,
        head_dim=16,
    )
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    info = WeightsInfo(
        name="small", config=config, trained=True, licence="CC0-1.0", calibration=CALIBRATION
    )
    save_weights(path, GeLoc3r(config), info)
    return path


@pytest.fixture(scope="session")
def exported(small_weights, tmp_path_factory) -> Path:
    """Graphs for network images of 64x48 and 64x32; do not write to the folder."""
    folder = tmp_path_factory.mktemp("exports") / "small"
    arguments = ["export", small_weights, folder, "--camera", "640x480", "--camera", "640x360"]
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert "small, 6 graphs" in result.output
    assert "64x48, 64x32; greatest difference to torch" in result.output
    assert "CC0-1.0" in result.output
    return folder
