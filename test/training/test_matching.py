# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervision of matches, on a wall whose shift is known."""

import pytest
import torch

from geloc3r_ros.model import GeLoc3r
from geloc3r_training.matching import AttentionTap, MatchHead, attention_loss, token_matches

PATCH = 16
COLUMNS, ROWS = 4, 3
# 0.5 m aside at 2 m with f = 64 pixels: the wall moves 16 pixels, one patch, to the left.


@pytest.fixture
def truth(wall):
    return token_matches(wall, PATCH)


def test_tokens_of_a_wall_move_by_one_patch(truth):
    assert truth.grid == (ROWS, COLUMNS)
    own = torch.tensor([[c, r] for r in range(ROWS) for c in range(COLUMNS)], dtype=torch.float)
    for side, shift in ((0, -1), (1, 1)):
        expected = own[:, 0] + shift
        inside = (expected >= 0) & (expected < COLUMNS)
        assert torch.equal(truth.seen[side], inside)
        assert torch.allclose(truth.place[side][inside, 0], expected[inside], atol=1e-5)
        assert torch.allclose(truth.place[side][inside, 1], own[inside, 1], atol=1e-5)


def test_hidden_tokens_have_no_match(wall):
    depth = wall.depth.clone()
    depth[0, 1] = 1.0  # something else stands before camera 2
    hidden = token_matches(type(wall)(**{**vars(wall), "depth": depth}), PATCH)
    assert not hidden.seen[0].any()


def test_attention_at_the_match_costs_nothing(truth):
    perfect = torch.full((2, 1, ROWS * COLUMNS, ROWS * COLUMNS), -50.0)
    index = (truth.place[..., 1] * COLUMNS + truth.place[..., 0]).round().long()
    perfect.scatter_(-1, index[:, None, :, None], 50.0)
    loss, distance = attention_loss(perfect, truth)
    assert loss.abs().max() < 1e-2  # the place is a patch to within rounding
    assert distance[truth.seen].max() < 1e-3
    blind, _ = attention_loss(torch.zeros_like(perfect), truth)
    assert torch.allclose(blind, torch.tensor(ROWS * COLUMNS).float().log(), atol=1e-5)


def test_attention_between_patches_is_shared_between_them(truth):
    halfway = truth._replace(place=truth.place + torch.tensor([0.5, 0.0]))
    scores = torch.zeros(2, 1, ROWS * COLUMNS, ROWS * COLUMNS, requires_grad=True)
    loss, _ = attention_loss(scores, halfway)
    loss.sum().backward()
    token = 1  # of the first row of side 1; its match lies between columns 0 and 1
    pulled = scores.grad[0, 0, token] < 0
    assert pulled.nonzero().flatten().tolist() == [0, 1]
    assert scores.grad[0, 0, token, 0] == pytest.approx(scores.grad[0, 0, token, 1].item())


def test_the_tap_sees_what_the_network_attends_to(wall, toy):
    torch.manual_seed(0)
    network = GeLoc3r(toy().network.model_config())
    heads = network.config.decoder_heads
    seen = {}
    block = network.dec_blocks[1].cross_attn
    block.proj.register_forward_pre_hook(lambda module, inputs: seen.update(out=inputs[0]))
    tap = AttentionTap(network, 1, heads)
    with tap, torch.no_grad():
        views = network.encode_pair(*wall.views())
        network.decode_tokens(*views)
        memory = tap._inputs[1]
        v = block.projv(memory).unflatten(-1, (heads, -1)).transpose(1, 2)
        again = (tap.scores().softmax(-1) @ v).transpose(1, 2).flatten(2)
    assert torch.allclose(again, seen["out"], atol=1e-5)
    assert not block._forward_pre_hooks


def test_the_head_learns_a_shift(truth):
    torch.manual_seed(0)
    head, tokens = MatchHead(16), torch.randn(2, ROWS * COLUMNS, 16)
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    first = None
    for _ in range(200):
        loss, distance = head(tokens, truth)
        first = first or loss.mean().item()
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    assert loss.mean() < 0.05 * first
    assert distance[truth.seen].mean() < 0.2
