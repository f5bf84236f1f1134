# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional rotary position embedding (Su et al., arXiv 2104.09864, as in CroCo v2).

The first half of a head's channels turns with the row of a token, the second half with its
column. Within a half of d channels, channel i and channel i + d/2 form the pair that turns by
``position * 100**(-2i / d)`` radians.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["RotaryTable", "rotary_table", "rotate"]

BASE = 100.0


class RotaryTable(NamedTuple):
    """Factors (N, 1, D) of each token and channel; the middle axis runs over the heads."""

    cos: Tensor
    signed_sin: Tensor


@functools.cache
def rotary_table(
    grid: tuple[int, int], head_size: int, dtype: torch.dtype, device: torch.device
) -> RotaryTable:
    """Return the table of a grid of (rows, columns) tokens in row-major order, and keep it.

    Framing allows a few dozen grids, and a recorded GPU graph goes on reading the tables it saw.

    Args:
        grid: Rows and columns of tokens.
        head_size: Channels D of one attention head, a multiple of 4.
        dtype: Precision of the factors; the angles are computed in float64.
        device: Where the factors lie.
    """
    rows, columns = grid
    # Kept tensors must serve training too, where an inference tensor is refused.
    with torch.inference_mode(False):
        half = head_size // 2
        frequency = BASE ** (-torch.arange(0, half, 2, dtype=torch.float64) / half)
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        angle = torch.stack((y.flatten(), x.flatten()), -1)[..., None] * frequency
        cos, sin = angle.cos(), angle.sin()  # (N, 2 axes, D/4)
        return RotaryTable(
            torch.stack((cos, cos), 2).flatten(1)[:, None].to(device, dtype),
            torch.stack((-sin, sin), 2).flatten(1)[:, None].to(device, dtype),
        )


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Turn the channels of ``x`` (..., N, heads, D) by the position of each token."""
    a, b, c, d = x.chunk(4, -1)
    partner = torch.cat((b, a, d, c), -1)
    return torch.addcmul(x * table.cos, partner, table.signed_sin)
