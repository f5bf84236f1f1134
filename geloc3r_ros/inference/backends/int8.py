# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Linear layers with int8 products, for CPUs: weights once, inputs token by token as they come.

Both scales are symmetric: one an output channel, one a token. Products are summed exactly, in
int32; the rest is float32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.model import GeLoc3r

__all__ = ["Int8Linear", "use_int8"]

LEAST_SIDE = 512
"""A layer narrower than this gains less from its products than its scales cost."""

ROWS_AT_ONCE = 512
"""Few enough for the int32 sums to stay in the cache, enough to keep the products busy."""

MOST = 127
LEAST_SCALE = 1e-30


class Int8Linear(nn.Module):
    """What a linear layer computes, in int8; its weights are quantised when it is made."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=LEAST_SCALE) / MOST
        # Plain attributes: .to(bfloat16) is for the rest of the network.
        self.weight = (weight / scale[:, None]).round().to(torch.int8).t()
        self.scale, self.bias = scale, linear.bias.detach().float()

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., in) to (..., out) of its type."""
        rows = x.flatten(0, -2)
        out = x.new_empty(len(rows), len(self.scale))
        for part, result in zip(rows.split(ROWS_AT_ONCE), out.split(ROWS_AT_ONCE), strict=True):
            part = part.float()
            scale = part.abs().amax(-1, keepdim=True).clamp_(min=LEAST_SCALE) / MOST
            quantised = (part / scale).round_().to(torch.int8)
            sums = torch._int_mm(quantised, self.weight).float()
            result.copy_(sums.mul_(scale).mul_(self.scale).add_(self.bias))
        return out.unflatten(0, x.shape[:-1])


def use_int8(network: GeLoc3r) -> None:
    """Replace the wide linear layers in the blocks of a network in float32.

    Raises:
        ConfigError: if it has none.
    """
    wide = [
        (parent, name, child)
        for blocks in (network.enc_blocks, network.dec_blocks)
        for parent in blocks.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear) and min(child.weight.shape) >= LEAST_SIDE
    ]
    if not wide:
        raise ConfigError(
            f"precision int8 is for networks with layers of {LEAST_SIDE} channels or more; "
            f"{network.config.variant} has none: take auto"
        )
    for parent, name, child in wide:
        setattr(parent, name, Int8Linear(child))
