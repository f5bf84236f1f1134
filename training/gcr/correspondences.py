# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""True 3D-2D correspondences of two views with depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geloc3r_training.gcr.se3 import project, transform

__all__ = ["Correspondences", "sample_correspondences", "unproject"]

CELLS = 8
"""View 2 is divided into CELLS x CELLS cells that share the drawn points evenly."""


@dataclass(frozen=True)
class Correspondences:
    """Points of view 1 and where view 2 truly sees them; what is not ``used`` is padding.

    Attributes:
        pixels_1: Integer pixels of view 1, (B, N, 2).
        points_1: The points, in camera 1, (B, N, 3).
        pixels_2: Their true projections into view 2, (B, N, 2).
        used: Whether an entry is a correspondence, (B, N).
        covisibility: Share of the valid pixels of view 1 that view 2 sees, (B,).
    """

    pixels_1: Tensor
    points_1: Tensor
    pixels_2: Tensor
    used: Tensor
    covisibility: Tensor


def unproject(depth: Tensor, K: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turn a depth map into points in camera axes.

    Args:
        depth: Depth along the optical axis, (B, H, W); not finite or not positive is no depth.
        K: Intrinsics, (B, 3, 3), for integer pixel centres.

    Returns:
        Pixels (H W, 2), points (B, H W, 3) and whether they have depth (B, H W).
    """
    rows, columns = depth.shape[1:]
    v, u = torch.meshgrid(
        torch.arange(rows, device=depth.device),
        torch.arange(columns, device=depth.device),
        indexing="ij",
    )
    pixels = torch.stack([u.flatten(), v.flatten()], dim=-1).to(depth)
    rays = torch.nn.functional.pad(pixels, (0, 1), value=1.0) @ torch.linalg.inv(K).mT
    depth = depth.flatten(1)
    valid = depth.isfinite() & (depth > 0)
    return pixels, rays * torch.where(valid, depth, 1.0)[..., None], valid


def sample_correspondences(
    depth_1: Tensor,
    depth_2: Tensor,
    K_1: Tensor,
    K_2: Tensor,
    T_2_1: Tensor,
    count: int,
    depth_tolerance: float,
    generators: Sequence[torch.Generator],
) -> Correspondences:
    """Draw points of view 1 that view 2 sees, spread evenly over view 2.

    A point is seen where it lies in front of camera 2, projects into view 2 and is as deep as the
    nearest pixel there; where view 2 has no depth the last is taken for granted.

    Args:
        depth_1: Depth of view 1, (B, H, W); not finite or not positive is no depth.
        depth_2: Depth of view 2, (B, H2, W2).
        K_1: Intrinsics of camera 1, (B, 3, 3).
        K_2: Intrinsics of camera 2, (B, 3, 3).
        T_2_1: True pose of camera 1 in camera 2, (B, 4, 4), in the unit of the depths.
        count: How many to draw, N; a pair with fewer is padded.
        depth_tolerance: Relative difference of depths beyond which a point is hidden.
        generators: One a pair.
    """
    pixels_1, points_1, valid = unproject(depth_1, K_1)
    points_2 = transform(T_2_1, points_1)
    pixels_2, in_front = project(K_2, points_2)
    inside, nearest = _nearest_pixel(pixels_2, depth_2.shape[1:])
    depth_seen = depth_2.flatten(1).gather(1, nearest)
    difference = (points_2[..., 2] - depth_seen).abs()
    unknown = ~(depth_seen.isfinite() & (depth_seen > 0))
    seen = valid & in_front & inside
    seen &= unknown | (difference < depth_tolerance * points_2[..., 2])

    chosen, used = _draw_evenly(pixels_2, seen, depth_2.shape[1:], count, generators)
    expanded = pixels_1.expand(len(chosen), -1, -1)
    return Correspondences(
        pixels_1=_take(expanded, chosen, used),
        points_1=_take(points_1, chosen, used),
        pixels_2=_take(pixels_2, chosen, used),
        used=used,
        covisibility=seen.sum(1) / valid.sum(1).clamp_min(1),
    )


def _nearest_pixel(pixels: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Whether pixels (B, M, 2) lie in an image, and the flat index of the nearest one there."""
    rows, columns = shape
    u, v = pixels.unbind(-1)
    inside = (u >= -0.5) & (u < columns - 0.5) & (v >= -0.5) & (v < rows - 0.5)
    column = u.round().clamp(0, columns - 1).long()
    return inside, v.round().clamp(0, rows - 1).long() * columns + column


def _draw_evenly(
    pixels_2: Tensor,
    seen: Tensor,
    shape: Sequence[int],
    count: int,
    generators: Sequence[torch.Generator],
) -> tuple[Tensor, Tensor]:
    """Indices (B, count) of seen points, each as likely as its cell of view 2 is empty."""
    batch, size = seen.shape
    cell_size = pixels_2.new_tensor([shape[1] / CELLS, shape[0] / CELLS])
    column, row = ((pixels_2 + 0.5) / cell_size).floor().clamp(0, CELLS - 1).long().unbind(-1)
    cell = row * CELLS + column
    crowd = torch.zeros(batch, CELLS * CELLS, device=seen.device)
    crowd = crowd.scatter_add(1, cell, seen.float()).gather(1, cell)
    uniform = torch.stack([torch.rand(size, generator=one) for one in generators])
    # The smallest of exponential times of rate 1 / crowd are a draw without replacement.
    time = -torch.log1p(-uniform.to(crowd)) * crowd
    time = torch.where(seen, time, torch.inf)
    first = time.topk(min(count, size), dim=1, largest=False)
    return first.indices, first.values.isfinite()


def _take(values: Tensor, indices: Tensor, used: Tensor) -> Tensor:
    taken = values.gather(1, indices[..., None].expand(-1, -1, values.shape[-1]))
    return torch.where(used[..., None], taken, 0.0)
