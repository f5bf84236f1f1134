# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What JPEG does to pixels, on whole batches and on any device; no bytes are written.

Source: ITU-T T.81, annexes A.3 and K; quality scales the tables as the IJG library does.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F  # noqa: N812

__all__ = ["jpeg"]

LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)
CHROMINANCE = torch.full((8, 8), 99.0)
CHROMINANCE[:4, :4] = torch.tensor(
    [[17.0, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
)
DCT = torch.tensor(
    [
        [math.cos((2 * x + 1) * k * math.pi / 16) * (0.5 if k else math.sqrt(0.125))
         for x in range(8)]
        for k in range(8)
    ]
)  # fmt: skip
YCC_RGB = torch.tensor(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
RGB_YCC = torch.tensor([[1.0, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])


def jpeg(image: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Compress and restore RGB (B, 3, H, W) in [0, 1], 4:2:0, at ``quality`` (B,) 1 to 100."""
    h, w = image.shape[-2:]
    padded = F.pad(image, (0, -w % 16, 0, -h % 16), mode="replicate")
    ycc = torch.einsum("ij,bjhw->bihw", YCC_RGB.to(image), 255 * padded)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None] / 100
    luma = _quantised(ycc[:, :1] - 128, (LUMINANCE.to(image) * scale).round().clamp(1, 255))
    table = (CHROMINANCE.to(image) * scale).round().clamp(1, 255)
    chroma = _quantised(F.avg_pool2d(ycc[:, 1:], 2), table)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    restored = torch.cat([luma + 128, chroma], dim=1)
    rgb = torch.einsum("ij,bjhw->bihw", RGB_YCC.to(image), restored)[..., :h, :w]
    return (rgb.round() / 255).clamp(0, 1)


def _quantised(planes: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Round the cosine coefficients of each 8x8 block of (B, C, H, W) to multiples of a table."""
    b, c, h, w = planes.shape
    blocks = planes.reshape(b, c, h // 8, 8, w // 8, 8)
    D = DCT.to(planes)
    step = table[:, None, None, :, None, :]
    coefficients = torch.einsum("ki,bcyixj,lj->bcykxl", D, blocks, D)
    coefficients = (coefficients / step).round() * step
    return torch.einsum("ki,bcykxl,lj->bcyixj", D, coefficients, D).reshape(b, c, h, w)
