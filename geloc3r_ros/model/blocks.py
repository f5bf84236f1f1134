# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transformer blocks of the encoder and the decoder (CroCo v2, arXiv 2211.10408).

Shapes: B batch, N tokens of this view, M tokens of the other view, C channels, h heads,
D = C / h channels of a head. Parameter names are those of the public checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geloc3r_ros.model.rope import RotaryTable, rotate

__all__ = ["DecoderBlock", "EncoderBlock"]

NORM_EPS = 1e-6
MLP_RATIO = 4
HEADS_AT_ONCE = 8


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of q (B, N, h, D) over k, v (B, M, h, D); returns (B, N, C)."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if q.is_cpu and q.dtype == torch.bfloat16:
        out = _attend_by_products(q, k, v)
    else:
        out = nn.functional.scaled_dot_product_attention(q, k, v)
    return out.transpose(1, 2).flatten(2)


def _attend_by_products(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of q (B, h, N, D) over k, v (B, h, M, D) by plain matrix products.

    The fused kernel of torch makes no use of a CPU's bfloat16 arithmetic. A product per group of
    heads, small enough for the scores to stay in the cache, is 1.5 times as fast.
    """
    q = q * q.shape[-1] ** -0.5
    groups = zip(*(x.flatten(0, 1).split(HEADS_AT_ONCE) for x in (q, k, v)), strict=True)
    out = torch.cat([torch.softmax(q @ k.mT, -1) @ v for q, k, v in groups])
    return out.unflatten(0, q.shape[:2])


class SelfAttention(nn.Module):
    """Attention of a view's tokens over themselves."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """Map x (B, N, C) to (B, N, C)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
        return self.proj(attend(rotate(q, table), rotate(k, table), v))


class CrossAttention(nn.Module):
    """Attention of a view's tokens over those of the other view."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projq = nn.Linear(dim, dim)
        self.projk = nn.Linear(dim, dim)
        self.projv = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Tensor, memory: Tensor, table: RotaryTable, memory_table: RotaryTable
    ) -> Tensor:
        """Map x (B, N, C) and the other view's memory (B, M, C) to (B, N, C)."""
        q = self.projq(x).unflatten(-1, (self.heads, -1))
        k = self.projk(memory).unflatten(-1, (self.heads, -1))
        v = self.projv(memory).unflatten(-1, (self.heads, -1))
        return self.proj(attend(rotate(q, table), rotate(k, memory_table), v))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, MLP_RATIO * dim)
        self.fc2 = nn.Linear(MLP_RATIO * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, N, C) to (B, N, C)."""
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class EncoderBlock(nn.Module):
    """Self-attention and MLP, each behind a norm and beside an identity."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, table: RotaryTable) -> Tensor:
        """Map x (B, N, C) to (B, N, C)."""
        x = x + self.attn(self.norm1(x), table)
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    """Self-attention, attention over the other view, and MLP."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = SelfAttention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.norm_y = nn.LayerNorm(dim, eps=NORM_EPS)
        self.cross_attn = CrossAttention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim)

    def forward(
        self, x: Tensor, memory: Tensor, table: RotaryTable, memory_table: RotaryTable
    ) -> Tensor:
        """Map x (B, N, C), given the other view's tokens (B, M, C), to (B, N, C)."""
        x = x + self.attn(self.norm1(x), table)
        x = x + self.cross_attn(self.norm2(x), self.norm_y(memory), table, memory_table)
        return x + self.mlp(self.norm3(x))
