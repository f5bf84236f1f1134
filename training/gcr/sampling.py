# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random minimal sets: neither the batch layout nor padding changes those of a pair."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Generators", "draw_sets", "pair_generators"]

Generators = torch.Generator | Sequence[torch.Generator] | None

SHARPNESS = (1.0, 2.0, 4.0, 8.0)
"""Powers of the weights to which sets are drawn in turn. The first is plain importance sampling;
the others draw the few best points together, which matters where nine of ten points are outliers.
Where the weights are equal all powers are the same."""

DRAWS = 12
"""Draws with replacement for one set; its four points are the first four that differ."""


def pair_generators(
    seed: int, step: int, pair_ids: Sequence[int], use: int = 0
) -> list[torch.Generator]:
    """One CPU generator a pair, a function of (seed, step, pair id, use) and of nothing else."""
    generators = []
    for pair_id in pair_ids:
        key = 0
        for part in (seed, step, pair_id, use):
            key = _scatter(key + part + 0x9E3779B97F4A7C15)
        generators.append(torch.Generator().manual_seed(key))
    return generators


def draw_sets(weights: Tensor, sets: int, generator: Generators) -> tuple[Tensor, Tensor]:
    """Draw minimal sets without replacement, in proportion to powers of the weights.

    The first four different of a row of independent draws are distributed as four successive draws
    without replacement, hence as the Gumbel top-k of the logarithms, for much less work.

    Args:
        weights: Finite, at least 0, (B, N).
        sets: How many to draw for a pair, M.
        generator: One for the batch, one a pair, or None for the default one; on the CPU.

    Returns:
        Indices (B, M, 4), and whether four different points of positive weight were found (B, M).
    """
    uniform = _uniform((len(weights), sets, DRAWS), generator).to(weights)
    relative = weights / weights.amax(-1, keepdim=True).clamp_min(1e-300)
    indices = torch.empty(uniform.shape, dtype=torch.long, device=weights.device)
    for turn, power in enumerate(SHARPNESS):
        cumulative = relative.pow(power).cumsum(-1)
        wanted = uniform[:, turn :: len(SHARPNESS)]
        found = torch.searchsorted(
            cumulative, wanted.flatten(1) * cumulative[:, -1:], right=True
        ).clamp_max(weights.shape[-1] - 1)
        indices[:, turn :: len(SHARPNESS)] = found.view(wanted.shape)
    repeated = (indices[..., :, None] == indices[..., None, :]).tril(-1).any(-1)
    first = repeated.to(torch.uint8).argsort(dim=-1, stable=True)[..., :4]
    indices, repeated = indices.gather(-1, first), repeated.gather(-1, first)
    positive = weights.gather(-1, indices.flatten(1)).view(indices.shape) > 0
    return indices, (positive & ~repeated).all(-1)


def _uniform(shape: tuple[int, int, int], generator: Generators) -> Tensor:
    if generator is None or isinstance(generator, torch.Generator):
        return torch.rand(shape, dtype=torch.float64, generator=generator)
    rows = [torch.rand(shape[1:], dtype=torch.float64, generator=one) for one in generator]
    return torch.stack(rows)


def _scatter(value: int) -> int:
    """Scatter the bits of a number (splitmix64; Steele, Lea and Flood 2014)."""
    value &= 2**64 - 1
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & 2**64 - 1
    value = (value ^ value >> 27) * 0x94D049BB133111EB & 2**64 - 1
    return value ^ value >> 31
