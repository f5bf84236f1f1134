# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model import GeLoc3r, ModelConfig
from geloc3r_ros.model.matching import reference_pixels
from geloc3r_training.gcr.teacher import DescriptorHeads, Mast3rTrunk, Teacher, load_mast3r

SMALL = dataclasses.replace(
    ModelConfig.tiny(),
    encoder_dim=16,
    encoder_depth=1,
    encoder_heads=2,
    decoder_dim=16,
    decoder_depth=2,
    decoder_heads=2,
)
IMAGES = torch.linspace(-1, 1, 2 * 3 * 32 * 48).view(2, 3, 32, 48)
PLACES = torch.tensor([[0, 1]])


def mast3r_tensors(trunk, heads):
    tensors = dict(trunk.state_dict())
    for number, head in ((1, heads.view_1), (2, heads.view_2)):
        for name, tensor in head.state_dict().items():
            tensors[f"downstream_head{number}.head_local_features.{name}"] = tensor
    return tensors


def test_the_teacher_describes_every_pixel_and_never_learns():
    trunk, heads = GeLoc3r(SMALL), DescriptorHeads(SMALL)
    teacher = Teacher(trunk, heads).train()
    first, second = teacher(IMAGES, PLACES)
    assert first.descriptors.shape == (1, 24, 32, 48)
    assert second.confidence.shape == (1, 32, 48)
    torch.testing.assert_close(first.descriptors.norm(dim=1), torch.ones(1, 32, 48))
    assert not first.descriptors.requires_grad
    assert not teacher.training
    with torch.no_grad():
        trunk.decoder_embed.weight.zero_()
    torch.testing.assert_close(teacher(IMAGES, PLACES)[0].descriptors, first.descriptors)


def test_the_heads_can_be_narrow():
    narrow, wide = DescriptorHeads(SMALL, hidden_factor=1), DescriptorHeads(SMALL)
    assert narrow.view_1.fc1.weight.shape == (32, 32)
    assert wide.view_2.fc1.weight.shape == (128, 32)


def test_each_view_has_its_own_head():
    heads = DescriptorHeads(SMALL)
    teacher = Teacher(GeLoc3r(SMALL), heads)
    first, second = teacher(IMAGES, torch.tensor([[0, 0]]))
    assert (first.descriptors - second.descriptors).abs().max() > 0.1


def test_a_network_that_compares_views_is_its_own_teacher():
    trunk = GeLoc3r(SMALL)
    teacher = Teacher(trunk)
    first, second = teacher(IMAGES, PLACES)
    assert first.descriptors.shape == (1, teacher.channels, 8, 12)
    torch.testing.assert_close(first.descriptors.norm(dim=1), torch.ones(1, 8, 12))
    # Coarse cell (1, 2) stands for pixel (15, 23), as fine cell (3, 5) does.
    with torch.no_grad():
        views = trunk.encode_pair(*IMAGES[:, None])
        tokens = trunk.decode_tokens(*views)
        coarse = trunk.matcher.describe(views[1].described.coarse, tokens[1], views[1].grid)
    pixel = reference_pixels(torch.tensor([[1 * 6 + 2]]), token_columns=3)
    assert pixel.tolist() == [[[23.0, 15.0]]]
    described, _ = second.at(pixel)
    share = trunk.matcher.sharpness.softmax(0).sqrt()
    torch.testing.assert_close(
        described[0, 0, : SMALL.head_dim], (share[0] * coarse[0, 8]).detach()
    )
    fine = torch.nn.functional.normalize(views[1].described.fine[0, 3 * 12 + 5], dim=-1)
    torch.testing.assert_close(described[0, 0, SMALL.head_dim :], (share[1] * fine).detach())


def test_descriptors_are_float32_under_autocast():
    teacher = Teacher(GeLoc3r(SMALL), DescriptorHeads(SMALL))
    expected = teacher(IMAGES, PLACES)[0].descriptors
    with torch.autocast("cpu", torch.bfloat16):
        cast = teacher(IMAGES, PLACES)[0].descriptors
    assert cast.dtype == torch.float32
    assert (cast * expected).sum(1).median() > 0.99


def test_a_mast3r_trunk_with_equal_decoders_is_ours():
    ours, theirs = GeLoc3r(SMALL), Mast3rTrunk(SMALL)
    state = {k: v for k, v in ours.state_dict().items() if not k.startswith("pose_head.")}
    twice = {k.replace("dec_blocks.", "dec_blocks2."): v for k, v in state.items()}
    theirs.load_state_dict({**state, **twice})
    views = ours.encode_pair(*IMAGES[:, None])
    for tokens, expected in zip(
        theirs.decode_tokens(*views), ours.decode_tokens(*views), strict=True
    ):
        torch.testing.assert_close(tokens, expected)


def test_a_mast3r_checkpoint_becomes_a_teacher(tmp_path):
    trunk, heads = Mast3rTrunk(SMALL), DescriptorHeads(SMALL)
    path = tmp_path / "mast3r.safetensors"
    save_file(mast3r_tensors(trunk, heads), path)
    loaded = load_mast3r(path, SMALL)(IMAGES, PLACES)
    for view, expected in zip(loaded, Teacher(trunk, heads)(IMAGES, PLACES), strict=True):
        torch.testing.assert_close(view.descriptors, expected.descriptors)
        torch.testing.assert_close(view.confidence, expected.confidence)


def test_another_checkpoint_is_refused_with_what_it_lacks(tmp_path):
    path = tmp_path / "ours.safetensors"
    save_file(GeLoc3r(SMALL).state_dict(), path)
    with pytest.raises(WeightsError, match=r"dec_blocks2.*found nothing; give a MASt3R"):
        load_mast3r(path, SMALL)
