# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parity with the public reference, then what the network promises beyond it."""

import json
from pathlib import Path

import pytest
import torch

from geloc3r_ros.bench import plain
from geloc3r_ros.errors import ImageError
from geloc3r_ros.model import GeLoc3r, ModelConfig

DATA = Path(__file__).parents[1] / "data"
SHAPES = ("landscape", "square", "portrait")
TOLERANCE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def images() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(2, 3, 24, 32) * 2 - 1, torch.rand(2, 3, 24, 32) * 2 - 1


@pytest.mark.parametrize("shape", SHAPES)
def test_parity_with_the_public_reference(model, reference, shape):
    expected = {k.split(".")[1]: v for k, v in reference.items() if k.startswith(shape)}
    view1, view2 = model.encode_pair(expected["image1"], expected["image2"])
    torch.testing.assert_close(view1.tokens, expected["encoder1"], **TOLERANCE)
    torch.testing.assert_close(view2.tokens, expected["encoder2"], **TOLERANCE)
    tokens1, tokens2 = model.decode_tokens(view1, view2)
    torch.testing.assert_close(tokens1, expected["decoder1"], **TOLERANCE)
    torch.testing.assert_close(tokens2, expected["decoder2"], **TOLERANCE)
    T_2_1, T_1_2 = model(expected["image1"], expected["image2"])
    torch.testing.assert_close(T_2_1, expected["pose1to2"], **TOLERANCE)
    torch.testing.assert_close(T_1_2, expected["pose2to1"], **TOLERANCE)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_plain_oracle_agrees_with_the_public_reference(config, weights, reference, shape):
    T_2_1, T_1_2 = plain.poses(
        config, weights, reference[f"{shape}.image1"], reference[f"{shape}.image2"]
    )
    torch.testing.assert_close(T_2_1, reference[f"{shape}.pose1to2"], **TOLERANCE)
    torch.testing.assert_close(T_1_2, reference[f"{shape}.pose2to1"], **TOLERANCE)


def test_views_of_different_shapes_agree_with_the_plain_oracle(model, config, weights):
    torch.manual_seed(0)
    wide, tall = torch.rand(2, 3, 20, 32) * 2 - 1, torch.rand(2, 3, 32, 24) * 2 - 1
    for T, expected in zip(
        model(wide, tall), plain.poses(config, weights, wide, tall), strict=True
    ):
        torch.testing.assert_close(T, expected, **TOLERANCE)


def test_large_has_the_keys_shapes_and_size_of_the_public_weights():
    expected = json.loads((DATA / "reloc3r_512_keys.json").read_text())
    with torch.device("meta"):
        model = GeLoc3r(ModelConfig.large())
    state = model.state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == expected["keys"]
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e6 == pytest.approx(expected["parameters_million"], abs=1e-3)


def test_tiny_fits_30_mb_in_half_precision():
    with torch.device("meta"):
        model = GeLoc3r(ModelConfig.tiny())
    assert 2 * sum(parameter.numel() for parameter in model.parameters()) < 30e6


def test_side_1_gives_T_2_1(model, images):
    # The same weights serve both sides, so swapping the views swaps the poses.
    T_2_1, T_1_2 = model(*images)
    swapped = model(*reversed(images))
    torch.testing.assert_close(swapped[1], T_2_1, **TOLERANCE)
    torch.testing.assert_close(swapped[0], T_1_2, **TOLERANCE)
    raw = model.pose_head(model.decode_tokens(*model.encode_pair(*images))[0])
    torch.testing.assert_close(raw[:, :3], T_2_1[:, :3, 3])


def test_same_input_same_output(model, images):
    first, second = model(*images), model(*images)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_a_pair_alone_and_in_a_batch(model, images):
    batch = model(*images)
    for i in range(2):
        alone = model(images[0][i : i + 1], images[1][i : i + 1])
        torch.testing.assert_close(alone[0], batch[0][i : i + 1], **TOLERANCE)
        torch.testing.assert_close(alone[1], batch[1][i : i + 1], **TOLERANCE)


def test_an_encoded_view_serves_another_pair(model, images):
    view1, view2 = (model.encode(image) for image in images)
    flipped = view2._replace(tokens=view2.tokens.flip(0))
    raw = model.decode(view1, flipped)[0]
    T = model(images[0], images[1].flip(0))[0]
    torch.testing.assert_close(raw[:, :3], T[:, :3, 3], **TOLERANCE)


@torch.inference_mode()
def test_bfloat16_is_close_to_float32(model, images):
    def numbers():
        views = model.encode_pair(*images)
        return views[0].tokens, *model.decode_tokens(*views), *model.decode(*views)

    exact = numbers()
    model.to(torch.bfloat16)
    for rough, expected in zip(numbers(), exact, strict=True):
        # Rounding the weights alone costs 0.8 % of the raw pose numbers here.
        assert (rough - expected).norm() < 0.015 * expected.norm()
    assert model(*images)[0].dtype == torch.float32


def test_training_under_autocast_gives_finite_gradients_everywhere(model, images):
    with torch.autocast("cpu", torch.bfloat16):
        T_2_1, T_1_2 = model(*images)
    (T_2_1.sum() + T_1_2.sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("shape", [(3, 24, 32), (1, 1, 24, 32), (1, 3, 26, 32), (1, 3, 24, 30)])
def test_an_image_of_a_wrong_shape_is_refused(model, shape):
    with pytest.raises(ImageError, match=r"must be \(B, 3, H, W\) with H and W multiples of 4"):
        model.encode(torch.zeros(shape))
