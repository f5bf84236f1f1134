# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: a DDS domain of their own, the shipped profile, an exported network."""

import os
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure, and each run tries the same; `make fuzz` looks for something new.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=10_000)
settings.load_profile("repeatable")

os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if find_spec("rclpy") is not None:
    from geloc3r_ros.nodes import transport

    os.environ.update(transport.environment())

# A shell's background jobs ignore SIGINT, and so would every process that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Path:
    """Random weights of a small network, which claim to be trained and calibrated."""
    import torch

    from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, save_weights

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
    lines = {"rotation": {"bias": 0.2, "slope": 0.0}, "translation": {"bias": 0.3, "slope": 0.0}}
    info = WeightsInfo(
        name="small", config=config, trained=True, licence="CC0-1.0", calibration=lines
    )
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_weights(path, GeLoc3r(config), info)
    return path


@pytest.fixture(scope="session")
def exported(small_weights, tmp_path_factory) -> Path:
    """What the command exports of it for network images of 64x48 and 64x32; not to be changed."""
    from typer.testing import CliRunner

    from geloc3r_ros.cli import app

    folder = tmp_path_factory.mktemp("exports") / "small"
    arguments = ["export", small_weights, folder, "--camera", "640x480", "--camera", "640x360"]
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    said = " ".join(result.output.split())
    assert result.exit_code == 0, said
    assert "small, 6 graphs" in said
    assert "64x48, 64x32; greatest difference to torch" in said
    assert "CC0-1.0" in said
    return folder
