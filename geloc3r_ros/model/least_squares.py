# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Corrections of rotation and direction, six numbers, by weighted least squares.

Shapes: B pairs, K matches, h sets of weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["radial", "second_moments", "shortened", "solve"]

LONGEST = (0.3, 0.7)
"""Beyond it a correction is shortened: of rotation, of direction, radians."""


def second_moments(weights: Tensor, x: Tensor) -> Tensor:
    """Weighted second moments (B, h, n, n) of x (B, K, n) by weights (B, h, K)."""
    weighted = weights[:, :, None] * x.mT[:, None]
    return (weighted.flatten(1, 2) @ x).unflatten(1, weighted.shape[1:3])


def radial(direction: Tensor) -> Tensor:
    """What keeps the last three of six numbers (B, 6, 6) from changing a length, (B, 3)."""
    return nn.functional.pad(direction[:, :, None] * direction[:, None], (3, 0, 3, 0))


def solve(square: Tensor, right: Tensor) -> Tensor:
    """Solve positive definite systems (..., 6, 6) for right sides (..., 6, m), by blocks.

    ONNX has no operator for it.
    """
    first, both, last = square[..., :3, :3], square[..., :3, 3:], square[..., 3:, 3:]
    inverse = _inverted(first)
    through = both.mT @ inverse
    upper, lower = right[..., :3, :], right[..., 3:, :]
    below = _inverted(last - through @ both) @ (lower - through @ upper)
    return torch.cat((inverse @ (upper - both @ below), below), -2)


def _inverted(x: Tensor) -> Tensor:
    """Inverses of positive definite matrices (..., 3, 3), by cofactors."""
    twice = torch.cat((x, x), -2)
    cofactors = torch.linalg.cross(twice[..., 1:4, :], twice[..., 2:5, :])
    return cofactors / (x[..., :1, :] * cofactors[..., :1, :]).sum(-1, keepdim=True)


def shortened(steps: Tensor) -> Tensor:
    """Corrections (..., 6) of rotation and direction, none longer than ``LONGEST``."""
    parts = steps.unflatten(-1, (2, 3))
    length = torch.linalg.vector_norm(parts, dim=-1, keepdim=True)
    # A linspace, as a GPU that records a graph takes no numbers from the host.
    longest = torch.linspace(*LONGEST, 2, dtype=steps.dtype, device=steps.device)[:, None]
    return (parts / (1 + length / longest)).flatten(-2)
