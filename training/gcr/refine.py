# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reprojection errors of poses and their robust refinement by Levenberg-Marquardt on SE(3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from geloc3r_training.gcr.se3 import NEAR, retract

__all__ = ["linearise", "normal_equations", "refine", "robust_score", "squared_errors"]


def squared_errors(T_2_1: Tensor, points_1: Tensor, pixels_2: Tensor, K_2: Tensor) -> Tensor:
    """Squared reprojection errors (..., N), pixels^2; infinite behind the camera.

    Args:
        T_2_1: Poses, (..., 4, 4).
        points_1: Points in camera 1, (..., N, 3).
        pixels_2: Where camera 2 sees them, (..., N, 2).
        K_2: Intrinsics of camera 2, (..., 3, 3), last row 0 0 1.
    """
    homogeneous = torch.nn.functional.pad(points_1, (0, 1), value=1.0)
    x, y, z = (K_2 @ T_2_1[..., :3, :] @ homogeneous.mT).unbind(-2)
    in_front = z > NEAR
    z = torch.where(in_front, z, 1.0)
    errors = (x / z - pixels_2[..., 0]).square() + (y / z - pixels_2[..., 1]).square()
    return torch.where(in_front, errors, torch.inf)


def robust_score(
    T_2_1: Tensor,
    points_1: Tensor,
    pixels_2: Tensor,
    weights: Tensor,
    K_2: Tensor,
    threshold: float,
) -> Tensor:
    """Score of poses (...): ``sum_i w_i max(0, 1 - r_i^2 / threshold^2)``."""
    errors = squared_errors(T_2_1, points_1, pixels_2, K_2)
    return (weights * (1.0 - errors / threshold**2).clamp_min(0.0)).sum(-1)


def refine(
    T_2_1: Tensor,
    points_1: Tensor,
    pixels_2: Tensor,
    weights: Tensor,
    K_2: Tensor,
    widths: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """Refine poses by damped Gauss-Newton steps under Tukey's biweight, one step a width.

    Args:
        T_2_1: Poses to start from, (..., 4, 4).
        points_1: Points in camera 1, (..., N, 3).
        pixels_2: Where camera 2 sees them, (..., N, 2).
        weights: Finite and at least 0, (..., N).
        K_2: Intrinsics of camera 2, (..., 3, 3).
        widths: Error at which the kernel of each step reaches 0, pixels.

    Returns:
        The poses and the normal matrices (..., 6, 6) of the last step (translation, rotation).
    """
    damping = T_2_1.new_full(T_2_1.shape[:-2], 1e-6)
    for width in widths:
        error, jacobian, in_front = linearise(T_2_1, points_1, pixels_2, K_2)
        squared = torch.where(in_front, error.square().sum(-2), torch.inf)
        kernel = weights * (1.0 - squared / width**2).clamp_min(0.0).square()
        normal, gradient = normal_equations(error, jacobian, kernel)
        diagonal = normal.diagonal(dim1=-2, dim2=-1)
        damped = normal + torch.diag_embed(diagonal * damping[..., None] + 1e-12)
        step, failed = torch.linalg.solve_ex(damped, -gradient[..., None])
        moved = retract(T_2_1, step[..., 0])
        squared_moved = squared_errors(moved, points_1, pixels_2, K_2)
        better = _cost(squared_moved, weights, width) < _cost(squared, weights, width)
        better &= failed == 0
        T_2_1 = torch.where(better[..., None, None], moved, T_2_1)
        damping = torch.where(better, damping / 10, damping * 100)
    return T_2_1, normal


def _cost(squared: Tensor, weights: Tensor, width: float) -> Tensor:
    """Tukey's loss, scaled to at most 1 a point, weighted and summed (...)."""
    rest = (1.0 - squared / width**2).clamp_min(0.0)
    return (weights * (1.0 - rest**3)).sum(-1)


def linearise(
    T_2_1: Tensor, points_1: Tensor, pixels_2: Tensor, K_2: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Reprojection errors (..., 2, N), their Jacobian (..., 6, 2, N), what is in front (..., N).

    The Jacobian is that of the twist of ``retract`` at 0. Where a point is not in front both mean
    nothing. The points come last, which is the faster layout.
    """
    points_2 = T_2_1[..., :3, :3] @ points_1.mT + T_2_1[..., :3, 3:]
    in_front = points_2[..., 2, :] > NEAR
    z = torch.where(in_front, points_2[..., 2, :], 1.0)
    projected = (K_2[..., :2, :] @ points_2) / z[..., None, :]
    optical_axis = torch.eye(3).to(z)[2, :, None, None]
    slope = K_2[..., :2, :].mT[..., None] - optical_axis * projected[..., None, :, :]
    slope = slope / z[..., None, None, :]
    turn = torch.linalg.cross(points_2[..., None, :].expand_as(slope), slope, dim=-3)
    return projected - pixels_2.mT, torch.cat([slope, turn], dim=-3), in_front


def normal_equations(error: Tensor, jacobian: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Normal matrix (..., 6, 6) and gradient (..., 6) of errors with weights (..., N)."""
    weighted = (jacobian * kernel[..., None, None, :]).flatten(-2)
    normal = weighted @ jacobian.flatten(-2).mT
    return normal, (weighted @ error.flatten(-2)[..., None])[..., 0]
