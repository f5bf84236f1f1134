# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much of one view another one sees, measured by reprojection through depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["covisibility", "on_one_canvas", "reproject"]


def on_one_canvas(depths: Sequence[npt.NDArray[np.float32]]) -> torch.Tensor:
    """Depth maps (H, W) of several sizes as one tensor (N, H, W); 0 is added right and below."""
    canvas = np.zeros((len(depths), *np.max([d.shape for d in depths], axis=0)), np.float32)
    for layer, depth in zip(canvas, depths, strict=True):
        layer[: depth.shape[0], : depth.shape[1]] = depth
    return torch.from_numpy(canvas)


def reproject(
    depth: torch.Tensor,
    K: torch.Tensor,
    T_world_camera: torch.Tensor,
    stride: int = 1,
    start: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Carry the pixels of every view into every view.

    Args:
        depth: (..., V, H, W) z, 0 where unknown.
        K: (..., V, 3, 3) pixels, centres at the integers.
        T_world_camera: (..., V, 4, 4).
        stride: take every so many rows and columns.
        start: the first of them; ``stride // 2`` by default.

    Returns:
        For N pixels of view a, carried into view b: image points (..., a, b, N, 2), depths there
        (..., a, b, N), and which pixels of a have a depth (..., a, N).
    """
    h, w = depth.shape[-2:]
    start = stride // 2 if start is None else start
    v, u = torch.meshgrid(
        torch.arange(start, h, stride, device=depth.device, dtype=depth.dtype),
        torch.arange(start, w, stride, device=depth.device, dtype=depth.dtype),
        indexing="ij",
    )
    pixels = torch.stack([u, v, torch.ones_like(u)]).flatten(1)  # (3, N)
    z = depth[..., start::stride, start::stride].flatten(-2)  # (..., V, N)
    K, T = K.to(depth.dtype), T_world_camera.double()
    points = (torch.linalg.inv(K) @ pixels) * z[..., None, :]  # (..., V, 3, N)
    T_b_a = (torch.linalg.inv(T)[..., None, :, :, :] @ T[..., :, None, :, :]).to(depth.dtype)
    carried = T_b_a[..., :3, :3] @ points[..., :, None, :, :] + T_b_a[..., :3, 3:]
    image = K[..., None, :, :, :] @ carried
    deep = image[..., 2, :]
    uv = image[..., :2, :] / torch.where(deep.abs() > 1e-9, deep, 1e-9)[..., None, :]
    return uv.transpose(-1, -2), carried[..., 2, :], z > 0


def covisibility(
    depth: torch.Tensor,
    K: torch.Tensor,
    T_world_camera: torch.Tensor,
    stride: int = 4,
    tolerance: float = 0.02,
) -> torch.Tensor:
    """Share of the pixels of view a that view b sees, (..., a, b) in [0, 1].

    A pixel with depth counts as seen when it lands in front of b and inside its image, and its
    depth there differs from that of b's nearest pixel by less than ``tolerance`` of itself.
    Arguments as in :func:`reproject`. A view without any depth sees, and is seen, 0.
    """
    h, w = depth.shape[-2:]
    uv, z, known = reproject(depth, K, T_world_camera, stride)
    column, row = uv.round().unbind(-1)
    inside = (z > 0) & (column >= 0) & (column < w) & (row >= 0) & (row < h)
    index = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).long()  # (..., a, b, N)
    target = depth.flatten(-2)[..., None, :, :].expand(*index.shape[:-1], h * w)
    there = target.gather(-1, index)
    seen = inside & ((z - there).abs() < tolerance * z) & known[..., :, None, :]
    return seen.float().sum(-1) / known.float().sum(-1).clamp(min=1)[..., :, None]
