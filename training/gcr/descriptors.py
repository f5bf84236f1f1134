# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dense descriptors of a frozen teacher: matching them, and the loss that trains them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from geloc3r_training.gcr.config import GcrConfig
from geloc3r_training.gcr.correspondences import Correspondences

__all__ = ["DescriptorMap", "Matches", "infonce", "match", "sample_map"]


class DescriptorMap(NamedTuple):
    """Descriptors of every pixel of a view, or of every cell of some pixels."""

    descriptors: Tensor
    """(B, C, H / stride, W / stride), unit length over C."""
    confidence: Tensor
    """(B, H / stride, W / stride), positive."""
    stride: int = 1
    """Pixels a cell."""
    shift: float = 0.0
    """How far right of its middle, and below, lies what a cell describes; pixels."""

    def at(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Descriptors (B, N, C) of unit length and confidences (B, N) at pixels (B, N, 2)."""
        places = pixels - self.shift
        descriptors = sample_map(self.descriptors, places, self.stride)
        confidence = sample_map(self.confidence[:, None], places, self.stride)[..., 0]
        return functional.normalize(descriptors, dim=-1), confidence


@dataclass(frozen=True)
class Matches:
    """Where view 2 shows the points of view 1, by their descriptors.

    Attributes:
        pixels_2: The match, between pixels, (B, N, 2).
        descriptors_1: Descriptors in view 1, (B, N, C).
        descriptors_2: Descriptors at the match, (B, N, C).
        similarity: Cosine of the two, (B, N).
        sharpness: How far the coarse match is more similar than the next best place, (B, N).
        confidence: Logarithm of the product of both confidences, (B, N).
    """

    pixels_2: Tensor
    descriptors_1: Tensor
    descriptors_2: Tensor
    similarity: Tensor
    sharpness: Tensor
    confidence: Tensor


def sample_map(values: Tensor, pixels: Tensor, stride: int = 1) -> Tensor:
    """Read a map (B, C, H, W) at pixels (B, N, 2), bilinearly: (B, N, C).

    Args:
        values: The map; a cell of it covers ``stride`` x ``stride`` pixels.
        pixels: Where; beyond the map the value at its border holds.
        stride: Pixels a cell.
    """
    rows, columns = values.shape[2:]
    cells = pixels.new_tensor([columns, rows])
    # With align_corners off, -1 and 1 are the outer edges of the map.
    grid = (pixels + 0.5) * (2.0 / stride) / cells - 1.0
    sampled = functional.grid_sample(
        values.to(grid), grid[:, None], padding_mode="border", align_corners=False
    )
    return sampled[:, :, 0].mT


@torch.no_grad()
def match(
    view_1: DescriptorMap,
    view_2: DescriptorMap,
    pixels_1: Tensor,
    config: GcrConfig,
    observed_2: Tensor | None = None,
) -> Matches:
    """Find pixels of view 1 in view 2, coarse to fine, with no regard to any pose.

    Args:
        view_1: Descriptors of view 1.
        view_2: Descriptors of view 2.
        pixels_1: What to look for, (B, N, 2).
        config: Strides, window and temperature.
        observed_2: Where view 2 is to be taken to show it, (B, N, 2), instead of the best match.
    """
    descriptors_1, confidence_1 = view_1.at(pixels_1)
    coarse, sharpness = _coarse(descriptors_1, view_2, config.coarse_stride)
    if observed_2 is None:
        observed_2 = _fine(descriptors_1, view_2, coarse, config)
    descriptors_2, confidence_2 = view_2.at(observed_2)
    return Matches(
        pixels_2=observed_2,
        descriptors_1=descriptors_1,
        descriptors_2=descriptors_2,
        similarity=(descriptors_1 * descriptors_2).sum(-1),
        sharpness=sharpness,
        confidence=(confidence_1 * confidence_2).clamp_min(1e-6).log(),
    )


def _coarse(descriptors: Tensor, view: DescriptorMap, stride: int) -> tuple[Tensor, Tensor]:
    """Best cell of the whole view, its centre in pixels (B, N, 2), and its lead (B, N)."""
    pooled = functional.avg_pool2d(view.descriptors, stride // view.stride, ceil_mode=True)
    pooled = functional.normalize(pooled, dim=1)
    columns = pooled.shape[3]
    similarity = descriptors @ pooled.flatten(2)
    best, index = similarity.max(-1)
    column, row = index % columns, index // columns
    cell = torch.arange(similarity.shape[-1], device=index.device)
    near = ((cell % columns - column[..., None]).abs() <= 1) & (
        (cell // columns - row[..., None]).abs() <= 1
    )
    runner_up = similarity.masked_fill(near, -1.0).amax(-1)
    centre = (torch.stack([column, row], dim=-1) + 0.5) * stride - 0.5 + view.shift
    return centre, best - runner_up


def _fine(descriptors: Tensor, view: DescriptorMap, coarse: Tensor, config: GcrConfig) -> Tensor:
    """Refine coarse matches (B, N, 2) to a fraction of a cell within a window round them."""
    batch, channels, rows, columns = view.descriptors.shape
    side = min(2 * -(-config.fine_radius // view.stride) + 1, rows, columns)
    limit = coarse.new_tensor([columns - side, rows - side])
    middle = (coarse - view.shift + 0.5) / view.stride - 0.5
    corner = (middle - side // 2 + 0.5).floor().clamp_min(0.0).minimum(limit).long()
    step = torch.arange(side, device=coarse.device)
    u = corner[..., 0, None, None] + step
    v = corner[..., 1, None, None] + step[:, None]
    offset = torch.arange(batch, device=coarse.device)[:, None, None, None] * rows * columns
    index = (offset + v * columns + u).flatten(2)
    window = view.descriptors.movedim(1, -1).reshape(-1, channels)[index]
    similarity = (window @ descriptors[..., None])[..., 0]

    # Soft-argmax over the 5x5 cells round the maximum.
    peak = similarity.argmax(-1, keepdim=True)
    place = torch.arange(side * side, device=coarse.device)
    near = ((place % side - peak % side).abs() <= 2) & ((place // side - peak // side).abs() <= 2)
    share = (similarity / config.temperature).masked_fill(~near, -torch.inf).softmax(-1)
    mean = torch.stack([(share * (place % side)).sum(-1), (share * (place // side)).sum(-1)], -1)
    return (corner + mean + 0.5) * view.stride - 0.5 + view.shift


def infonce(
    view_1: DescriptorMap, view_2: DescriptorMap, truth: Correspondences, config: GcrConfig
) -> Tensor:
    """Contrast true correspondences with the other points of the same pair (InfoNCE), per pair.

    Points that lie next to each other in view 2 are not told apart: there a neighbour would be
    punished for being similar. The confidence of a point learns the inverse of its loss, without
    a say in what the descriptors learn.

    Returns:
        Loss (B,), 0 for a pair without correspondences; negatives never come from another pair.
    """
    first, confidence_1 = view_1.at(truth.pixels_1)
    second, confidence_2 = view_2.at(truth.pixels_2)
    logits = first @ second.mT / config.infonce_temperature
    same = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    distance = torch.cdist(truth.pixels_2, truth.pixels_2)
    ignored = (distance < config.infonce_exclusion) | ~truth.used[:, None, :]
    logits = logits.masked_fill(ignored & ~same, -torch.inf)
    transposed = logits.mT.masked_fill(~truth.used[:, None, :] & ~same, -torch.inf)
    positive = logits.diagonal(dim1=-2, dim2=-1)
    loss = 0.5 * (logits.logsumexp(-1) + transposed.logsumexp(-1)) - positive
    confidence = (confidence_1 * confidence_2).clamp_min(1e-6).sqrt()
    loss = loss + (confidence - 1.0) * loss.detach() - confidence.log()
    return (loss * truth.used).sum(-1) / truth.used.sum(-1).clamp_min(1)
