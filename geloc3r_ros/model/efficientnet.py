# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0 up to stride 16: a convolutional stem that knows photographs.

A network that learns from synthetic places alone has never seen a photograph. One whose first
layers were trained on ImageNet has, and where it looks alike in two views it matches from the
first step on. Architecture: Tan and Le, ICML 2019 (arXiv 1905.11946); its Lite form has no
squeeze-and-excitation and ReLU6 throughout, which keeps it fast on CPUs and exact in ONNX.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["FEATURES", "EfficientNetLite0", "Features"]

STAGES = (
    # (expansion, kernel, stride, channels, blocks)
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
)
FEATURES = {2: 16, 4: 24, 8: 40, 16: 112}
"""Channels by stride."""


class Features(NamedTuple):
    """Maps of a batch of images of height H and width W."""

    half: Tensor
    """(B, 16, H/2, W/2)."""
    quarter: Tensor
    """(B, 24, H/4, W/4)."""
    eighth: Tensor
    """(B, 40, H/8, W/8)."""
    sixteenth: Tensor
    """(B, 112, H/16, W/16)."""


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: the odd pixel on the right and at the bottom."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(channels, out, kernel, stride, groups=groups)
        missing = kernel - stride
        self.before, self.after = missing // 2, missing - missing // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out, H / stride, W / stride)."""
        # The odd pixel is a row and a column of zeros in the kernel: cheaper than a padded image.
        odd = self.after - self.before
        weight = nn.functional.pad(self.weight, (odd, 0, odd, 0)) if odd else self.weight
        return nn.functional.conv2d(x, weight, self.bias, self.stride, self.after, 1, self.groups)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; beside an identity where shapes allow.

    Batch normalisation is folded into the convolutions: it is never trained again.
    """

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = SameConv(channels, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, out, 1)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, out, H / stride, W / stride)."""
        y = self.expand(x)
        if not isinstance(self.expand, nn.Identity):
            y = nn.functional.relu6(y, inplace=True)
        y = self.project(nn.functional.relu6(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """The stem; 0.69 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = SameConv(3, 32, 3, 2)
        channels = 32
        stages = []
        for expansion, kernel, stride, out, count in STAGES:
            blocks = []
            for i in range(count):
                blocks.append(
                    InvertedResidual(channels, out, expansion, kernel, stride if i == 0 else 1)
                )
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> Features:
        """Map RGB in [-1, 1], (B, 3, H, W) with H and W multiples of 16, to its features."""
        image = image.contiguous(memory_format=torch.channels_last)
        x = nn.functional.relu6(self.first(image), inplace=True)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return Features(maps[0], maps[1], maps[2], maps[4])
