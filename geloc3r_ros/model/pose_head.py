# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From decoder tokens to a relative pose (ReLoc3R, arXiv 2412.08376, section 3.2).

The head regresses twelve raw numbers: a translation t (3), whose length carries no meaning, and
a matrix M (3, 3) in row-major order, from which the rotation follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from geloc3r_ros.geometry import make_transform, nearest_rotation

__all__ = [
    "InFloat32",
    "PoseHead",
    "pose_from_raw",
    "pose_from_raw_on_host",
    "rotation_from_matrix",
]


class ResidualConv(nn.Module):
    """Three 1x1 convolutions, each followed by a ReLU, beside an identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.res_conv1 = nn.Conv2d(dim, dim, 1)
        self.res_conv2 = nn.Conv2d(dim, dim, 1)
        self.res_conv3 = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, N, C) to (B, N, C); a 1x1 convolution is a linear layer on tokens."""
        y = x
        for conv in (self.res_conv1, self.res_conv2, self.res_conv3):
            y = nn.functional.relu(nn.functional.linear(y, conv.weight.flatten(1), conv.bias))
        return x + y


class InFloat32(nn.Module):
    """A module that ``.to(bfloat16)`` and the like move, but whose precision they leave alone."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> InFloat32:
        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        super()._apply(move, recurse)
        return self


class PoseHead(InFloat32):
    """Regress the raw pose numbers of one side; always in float32.

    ``.to(bfloat16)`` and the like move the head but leave its precision alone, and autocast does
    not reach it: a pose deserves more than three digits, and the head costs 1.5 % of a pair.
    """

    def __init__(self, token_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(token_dim, dim)
        self.res_conv = nn.ModuleList([ResidualConv(dim), ResidualConv(dim)])
        self.more_mlps = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU()
        )
        self.fc_t = nn.Linear(dim, 3)
        self.fc_rot = nn.Linear(dim, 9)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map decoder tokens (B, N, C) to raw numbers (B, 12), float32: t, then M by rows."""
        with torch.autocast(tokens.device.type, enabled=False):
            x = self.proj(tokens.float())
            for block in self.res_conv:
                x = block(x)
            x = self.more_mlps(x.mean(1))
            return torch.cat((self.fc_t(x), self.fc_rot(x)), -1)


class _NearestRotation(torch.autograd.Function):
    """The rotation nearest to N = V S U^T, R = V D U^T, with D = diag(1, 1, det(V U^T)).

    The derivative of an SVD divides by differences of singular values, which vanish at a
    rotation. That of R alone does not: with N = R H and H = U D S U^T, the antisymmetric
    W = R^T dR solves W H + H W = R^T dN - dN^T R, and divides by sums of the entries of D S.
    """

    # Below this sum the nearest rotation is ambiguous, and its true derivative without bound.
    SMALLEST_SUM = 1e-4

    @staticmethod
    def forward(ctx: Any, N: Tensor) -> Tensor:
        V, S, Ut = torch.linalg.svd(N)
        D = torch.ones_like(S)
        D[..., 2] = torch.linalg.det(V @ Ut).sign()
        VD = V * D[..., None, :]
        ctx.save_for_backward(VD, D * S, Ut)
        return VD @ Ut

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_R: Tensor) -> Tensor:
        VD, H, Ut = ctx.saved_tensors
        K = VD.mT @ grad_R @ Ut.mT
        sums = (H[..., :, None] + H[..., None, :]).clamp(min=_NearestRotation.SMALLEST_SUM)
        return VD @ ((K - K.mT) / sums) @ Ut


def rotation_from_matrix(M: Tensor) -> Tensor:
    """Return the rotation (..., 3, 3) nearest to ``M`` (..., 3, 3) with its rows made unit length.

    Computed in float64 and returned in the type of ``M``. Gradients are finite wherever ``M`` is,
    at exact rotations too; where ``M`` is not finite the rotation is NaN.
    """
    N = nn.functional.normalize(M.double(), dim=-1)
    finite = N.isfinite().all(-1).all(-1)[..., None, None]
    R = _NearestRotation.apply(N.where(finite, torch.eye(3, dtype=N.dtype, device=N.device)))
    return R.where(finite, torch.nan).to(M.dtype)


def pose_from_raw(raw: Tensor) -> Tensor:
    """Turn raw numbers (B, 12 or more) into transforms (B, 4, 4), differentiably, in their type.

    The first 12 are read: t, then a matrix by rows.
    """
    t, M = raw[:, :3], raw[:, 3:12]
    T = torch.eye(4, dtype=raw.dtype, device=raw.device).repeat(len(raw), 1, 1)
    T[:, :3, :3] = rotation_from_matrix(M.unflatten(-1, (3, 3)))
    T[:, :3, 3] = t
    return T


def pose_from_raw_on_host(raw: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn raw numbers (12 or more,) into a transform (4, 4), in float64 on numpy.

    Raises:
        ValueError: if a raw number is not finite.
    """
    raw = np.asarray(raw, np.float64)
    M = raw[3:12].reshape(3, 3)
    lengths = np.linalg.norm(M, axis=1, keepdims=True)
    return make_transform(nearest_rotation(M / np.maximum(lengths, 1e-12)), raw[:3])
