# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Auxiliary supervision: which token of one view is which of the other.

From scratch the pose loss alone teaches nothing for long. True matches teach at once: one head of
the decoder's cross-attention is told where to look, and a small head, for training only, reads
each token's match off the decoder's output. The network itself is the one that runs on a robot.

Shapes: B pairs; both sides of a pair are stacked, side 1 first, into 2B rows; N tokens of a view.
A token stands for the middle pixel of its patch, and places are in units of patches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.model import GeLoc3r
from geloc3r_ros.model.rope import rotate
from geloc3r_training.data.covisibility import reproject
from geloc3r_training.pairs import PairBatch

__all__ = ["AttentionTap", "MatchHead", "TokenMatches", "attention_loss", "token_matches"]

DEPTH_TOLERANCE = 0.05
"""Relative difference of depths beyond which a point is hidden."""


class TokenMatches(NamedTuple):
    """Where the other view of a pair truly shows the tokens of a view."""

    place: Tensor
    """Column and row, between tokens, (2B, N, 2)."""
    seen: Tensor
    """Whether the other view shows it, (2B, N)."""
    grid: tuple[int, int]
    """Rows and columns of tokens."""


def token_matches(batch: PairBatch, patch_size: int, reference: int | None = None) -> TokenMatches:
    """Project the tokens of either view into the other one through true depth and pose.

    Args:
        batch: The pairs.
        patch_size: Pixels between tokens.
        reference: The row and the column of a patch that its token stands for; the middle.
    """
    h, w = batch.depth.shape[-2:]
    reference = patch_size // 2 if reference is None else reference
    uv, z, known = reproject(batch.depth, batch.K, batch.T_world_camera, patch_size, reference)
    uv, z = _to_the_other(uv), _to_the_other(z)
    column, row = uv.round().unbind(-1)
    inside = (z > 0) & (column >= 0) & (column < w) & (row >= 0) & (row < h)
    nearest = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).long()
    there = batch.depth.flip(1).transpose(0, 1).flatten(0, 1).flatten(1).gather(1, nearest)
    seen = inside & ((z - there).abs() < DEPTH_TOLERANCE * z)
    seen &= known.transpose(0, 1).flatten(0, 1)
    place = (uv - reference) / patch_size
    return TokenMatches(
        torch.where(seen[..., None], place, 0.0), seen, (h // patch_size, w // patch_size)
    )


def _to_the_other(carried: Tensor) -> Tensor:
    """Of values carried from each view to each (B, 2, 2, ...), those to the other: (2B, ...)."""
    return torch.cat((carried[:, 0, 1], carried[:, 1, 0]))


class AttentionTap:
    """Keeps what goes into one cross-attention of a network, to compute its scores once more.

    The fused kernel of the attention never shows its scores, and the network stays as it is. Use
    it as a context round one pass of the decoder over views of one shape.

    Args:
        network: The network.
        block: Decoder block.
        heads: How many of the heads, from the first.
    """

    def __init__(self, network: GeLoc3r, block: int, heads: int) -> None:
        self.attention: Any = network.dec_blocks[block].cross_attn
        self.heads = heads
        self._inputs: tuple[Any, ...] = ()

    def __enter__(self) -> AttentionTap:
        def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._inputs = inputs

        self._hook = self.attention.register_forward_pre_hook(keep)
        return self

    def __exit__(self, *error: object) -> None:
        self._hook.remove()

    def scores(self) -> Tensor:
        """Scores before the softmax, float32, (2B, heads, N, N)."""
        x, memory, table, memory_table = self._inputs
        channels = self.heads * (self.attention.projq.out_features // self.attention.heads)

        def first_heads(linear: nn.Linear, tokens: Tensor) -> Tensor:
            taken = nn.functional.linear(tokens, linear.weight[:channels], linear.bias[:channels])
            return taken.unflatten(-1, (self.heads, -1))

        q = rotate(first_heads(self.attention.projq, x), table).transpose(1, 2)
        k = rotate(first_heads(self.attention.projk, memory), memory_table).transpose(1, 2)
        return (q @ k.mT).float() * q.shape[-1] ** -0.5


def attention_loss(scores: Tensor, truth: TokenMatches) -> tuple[Tensor, Tensor]:
    """Cross-entropy between attention and the four tokens round each match (InfoNCE).

    The four share the truth bilinearly, so that perfect attention averages to the exact place.

    Args:
        scores: Before the softmax, (2B, heads, N, N).
        truth: Matches of the same tokens.

    Returns:
        Loss of each row (2B,), and the distance from the mean attended place to the match, in
        patches (2B, N), without gradient.
    """
    rows, columns = truth.grid
    logarithm = scores.log_softmax(-1)
    loss = torch.zeros_like(truth.place[..., 0])
    left, top = truth.place.floor().unbind(-1)
    beside, below = (truth.place - truth.place.floor()).unbind(-1)
    for column, across in ((left, 1 - beside), (left + 1, beside)):
        for row, down in ((top, 1 - below), (top + 1, below)):
            index = (row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)).long()
            index = index[:, None, :, None].expand(-1, scores.shape[1], -1, 1)
            loss = loss - across * down * logarithm.gather(-1, index)[..., 0].mean(1)
    with torch.no_grad():
        mean = logarithm.exp().mean(1) @ _places(truth)
        distance = torch.linalg.vector_norm(mean - truth.place, dim=-1)
    return _mean_seen(loss, truth), distance


class MatchHead(nn.Module):
    """Regresses the match of each token from its decoder token, as a shift. Training only."""

    SMOOTH = 0.02
    """Shift over the longer side of the image below which an error counts squared."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 2))

    def forward(self, tokens: Tensor, truth: TokenMatches) -> tuple[Tensor, Tensor]:
        """Loss of each row (2B,), and distances to the matches in patches (2B, N)."""
        side = max(truth.grid)
        shift = self.layers(tokens).float()
        target = (truth.place - _places(truth)) / side
        loss = nn.functional.smooth_l1_loss(shift, target, reduction="none", beta=self.SMOOTH)
        distance = torch.linalg.vector_norm((shift - target).detach() * side, dim=-1)
        return _mean_seen(loss.sum(-1), truth), distance


def _places(truth: TokenMatches) -> Tensor:
    """Column and row of the tokens themselves, (N, 2)."""
    rows, columns = (torch.arange(count, device=truth.place.device) for count in truth.grid)
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((column.flatten(), row.flatten()), -1).to(truth.place)


def _mean_seen(loss: Tensor, truth: TokenMatches) -> Tensor:
    """Mean (2B,) over the tokens that have a match."""
    return (loss * truth.seen).sum(-1) / truth.seen.sum(-1).clamp(min=1)
