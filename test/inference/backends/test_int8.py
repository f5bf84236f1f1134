# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Int8 layers against exact ones."""

import dataclasses

import numpy as np
import pytest
import torch

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.geometry import pose_errors
from geloc3r_ros.inference import RelativePoseEstimator
from geloc3r_ros.inference.backends.int8 import ROWS_AT_ONCE, Int8Linear, use_int8
from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, save_weights


def layer(weight, bias):
    linear = torch.nn.Linear(len(weight[0]), len(weight))
    linear.weight.data = torch.tensor(weight, dtype=torch.float32)
    linear.bias.data = torch.tensor(bias, dtype=torch.float32)
    return Int8Linear(linear)


@torch.inference_mode()
def test_by_hand():
    # Scales: 2/127 and 1/127 of the weights, 4/127 of the token; 1.0 becomes 63.5 -> 64 or 32.
    exact = layer([[2.0, 0.0], [0.0, 1.0]], [10.0, 20.0])
    assert exact(torch.tensor([[4.0, 0.0]])).tolist() == [[pytest.approx(18), 20]]
    assert exact(torch.tensor([[0.0, -4.0]])).tolist() == [[10, pytest.approx(16)]]
    rounded = exact(torch.tensor([[4.0, 1.0]]))  # 1 * 127/4 = 31.75 -> 32
    assert rounded.tolist() == [[pytest.approx(18), pytest.approx(20 + 32 * 4 / 127)]]


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rounding_is_all_that_is_lost(dtype):
    torch.manual_seed(0)
    linear = torch.nn.Linear(256, 96)
    linear.bias.zero_()
    x = torch.randn(2, ROWS_AT_ONCE // 2 + 7, 256).to(dtype)
    x *= torch.logspace(-3, 3, x.shape[1])[:, None].to(dtype)  # each token has its own scale
    kept = x.clone()
    found, exact = Int8Linear(linear)(x), linear(x.float())
    assert found.shape == exact.shape
    assert found.dtype == dtype
    assert torch.equal(x, kept)
    error = (found.float() - exact).norm(dim=-1) / exact.norm(dim=-1)
    # A rounding of range/254 in x and in the weights, uniform: under 1 % of a normal's norm.
    assert error.max() < 0.015


@torch.inference_mode()
def test_nothing_and_no_number():
    linear = layer([[1.0, 2.0]], [0.5])
    assert linear(torch.zeros(1, 2)).tolist() == [[0.5]]
    assert linear(torch.tensor([[float("nan"), 1.0]])).isnan().all()


WIDE = dataclasses.replace(
    ModelConfig.large(), variant="wide", image_size=64, encoder_dim=512, encoder_depth=2,
    encoder_heads=8, decoder_dim=512, decoder_depth=1, decoder_heads=8, head_dim=64,
)  # fmt: skip


def test_a_network_in_int8_is_near(tmp_path):
    torch.manual_seed(0)
    info = WeightsInfo(name="wide", config=WIDE, trained=False, licence="CC0-1.0")
    path = str(tmp_path / "wide.safetensors")
    save_weights(path, GeLoc3r(WIDE), info)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 48, 64, 3), np.uint8)
    exact, rough = (
        RelativePoseEstimator.load(path, device="cpu", precision=precision)
        for precision in ("fp32", "int8")
    )
    assert rough.precision == "int8"
    blocks = rough.backend.network.enc_blocks
    assert all(isinstance(block.mlp.fc1, Int8Linear) for block in blocks)
    errors = pose_errors(*(e.estimate(*images).T_1_2 for e in (rough, exact)))
    assert 0 < np.degrees(max(errors)) < 5  # a random network magnifies rounding


def test_a_narrow_network_is_refused():
    with pytest.raises(ConfigError, match="512 channels or more; tiny has none: take auto"):
        use_int8(GeLoc3r(ModelConfig.tiny()))
