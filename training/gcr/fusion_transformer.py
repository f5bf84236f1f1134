# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The FusionTransformer: how much each correspondence should count.

Shapes: B pairs, N correspondences, T tokens of a view, D channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from geloc3r_training.gcr.config import GcrConfig
from geloc3r_training.gcr.pairs import Direction, TokenMap

__all__ = ["FusionTransformer", "correspondence_features"]

FREQUENCIES = 6
"""Octaves of the Fourier features of a position."""


def correspondence_features(pairs: Direction) -> Tensor:
    """What the FusionTransformer is told of each correspondence, (B, N, features), detached."""
    matches, points_1 = pairs.matches, pairs.truth.points_1
    regressed_2, in_front = pairs.regressed_pixels()
    offset = torch.where(in_front[..., None], matches.pixels_2 - regressed_2, 0.0)
    scalars = [matches.similarity, matches.sharpness, matches.confidence, in_front]
    features = [
        matches.descriptors_1,
        matches.descriptors_2,
        torch.stack([scalar.to(points_1) for scalar in scalars], dim=-1),
        # Far points and offsets of a hundred pixels count, but not a hundred times as much.
        points_1.asinh(),
        offset.asinh(),
        _fourier(_centred(pairs.truth.pixels_1, pairs.size_1)),
        _fourier(_centred(matches.pixels_2, pairs.size_2)),
    ]
    return torch.cat([feature.to(points_1) for feature in features], dim=-1).detach()


class FusionTransformer(nn.Module):
    """A set transformer over correspondences that also looks at the decoder tokens of both views.

    Permuting the correspondences permutes the weights; padding changes nothing.

    Args:
        descriptor_dim: Channels of the descriptors.
        token_dim: Channels of the decoder tokens.
        config: ``dim``, ``layers`` and ``heads``.
    """

    def __init__(self, descriptor_dim: int, token_dim: int, config: GcrConfig) -> None:
        super().__init__()
        self.embed = nn.Linear(2 * descriptor_dim + 9 + 8 * FREQUENCIES, config.dim)
        self.embed_token = nn.Linear(token_dim, config.dim)
        self.embed_place = nn.Linear(4 * FREQUENCIES, config.dim)
        self.view = nn.Parameter(torch.zeros(2, config.dim))
        self.layers = nn.ModuleList(_Layer(config.dim, config.heads) for _ in range(config.layers))
        self.read = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, 1))
        nn.init.normal_(self.view, std=0.02)

    def forward(self, pairs: Direction, view_1: TokenMap, view_2: TokenMap) -> Tensor:
        """Return the logit (B, N) of each weight; that of padding means nothing.

        Args:
            pairs: The observed correspondences and the regressed pose; no gradient reaches them.
            view_1: Decoder tokens of view 1; no gradient reaches them.
            view_2: Decoder tokens of view 2; no gradient reaches them.
        """
        used = pairs.truth.used
        memory = torch.cat([self._memory(view_1, 0), self._memory(view_2, 1)], dim=1)
        # Attention over nothing is NaN, so a pair without correspondences attends to its padding.
        keys = (used | ~used.any(-1, keepdim=True))[:, None, None, :]
        x = self.embed(correspondence_features(pairs))
        for layer in self.layers:
            x = layer(x, keys, memory)
        return self.read(x)[..., 0]

    def _memory(self, view: TokenMap, number: int) -> Tensor:
        rows, columns = view.grid
        v, u = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centre = torch.stack([u, v], dim=-1).flatten(0, 1).to(self.view)
        place = self.embed_place(_fourier(_centred(centre, view.grid)))
        return self.embed_token(view.tokens.detach().to(self.view)) + place + self.view[number]


class _Layer(nn.Module):
    """Self-attention over correspondences, cross-attention to tokens, MLP; normalised first."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm_self, self.norm_cross = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.norm_memory, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend_self, self.attend_cross = _Attention(dim, heads), _Attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, keys: Tensor, memory: Tensor) -> Tensor:
        y = self.norm_self(x)
        x = x + self.attend_self(y, y, keys)
        x = x + self.attend_cross(self.norm_cross(x), self.norm_memory(memory), None)
        return x + self.mlp(self.norm_mlp(x))


class _Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(memory).unflatten(-1, (2, self.heads, -1)).unbind(2)
        attended = functional.scaled_dot_product_attention(
            query, key.transpose(1, 2), value.transpose(1, 2), attn_mask=mask
        )
        return self.out(attended.transpose(1, 2).flatten(2))


def _centred(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels over (height, width) ``size``, so that -1 and 1 are the edges of the image."""
    return (2 * pixels + 1) / pixels.new_tensor([size[1], size[0]]) - 1


def _fourier(position: Tensor) -> Tensor:
    """Sines and cosines (..., 4 FREQUENCIES) of positions (..., 2) in octaves."""
    octaves = torch.pi * 2.0 ** torch.arange(FREQUENCIES, device=position.device)
    phase = (position[..., None] * octaves).flatten(-2)
    return torch.cat([phase.sin(), phase.cos()], dim=-1)
