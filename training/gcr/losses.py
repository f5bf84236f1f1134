# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The losses of GCR. Each is one number a pair; the caller divides their sum by the batch size.

Written for the direction 1 -> 2; lengths are over the median depth of view 1. The regressed pose
``T_hat_2_1`` carries its unit direction times the true length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from geloc3r_training.gcr.descriptors import DescriptorMap, sample_map
from geloc3r_training.gcr.refine import linearise, normal_equations, robust_score
from geloc3r_training.gcr.se3 import (
    pose_errors,
    project,
    retract,
    transform,
)

__all__ = [
    "candidate_loss",
    "descriptor_loss",
    "gate",
    "gauss_newton_step",
    "pose_loss",
    "reprojection_loss",
    "weight_loss",
]

STRIDES = (1, 4, 8, 16)
"""Strides to which descriptors are blurred: the coarse ones pull a far-off pose, the finest one
places it. At full resolution alone a pose is pulled from within about one degree."""


def pose_loss(T_hat: Tensor, T_target: Tensor, has_direction: Tensor) -> Tensor:
    """Rotation angle plus, where the direction is defined, angle of the translations (B,).

    With the truth for a target this is L_pose (ReLoc3R, arXiv 2412.08376, equation 3); with a
    detached solved pose and times ``gate`` it is L_direct.
    """
    rotation, direction = pose_errors(T_hat, T_target)
    return rotation + torch.where(has_direction, direction, 0.0)


def gate(
    T_hat: Tensor,
    T_solved: Tensor,
    T_true: Tensor,
    has_direction: Tensor,
    inlier_ratio: Tensor,
    trusted: Tensor,
) -> Tensor:
    """Factor (B,) of L_direct: the inlier ratio where the solver is trusted and nearer, else 0."""
    with torch.no_grad():
        nearer = pose_loss(T_solved, T_true, has_direction) < pose_loss(
            T_hat, T_true, has_direction
        )
        return torch.where(trusted & nearer, inlier_ratio, 0.0)


def descriptor_loss(
    T_hat: Tensor,
    points_1: Tensor,
    descriptors_1: Tensor,
    view_2: DescriptorMap,
    weights: Tensor,
    K_2: Tensor,
) -> Tensor:
    """Dissimilarity of points to view 2 where the regressed pose projects them, L_descriptor (B,).

    The gradient reaches ``T_hat`` alone. A point behind the camera or outside view 2 costs the
    constant 1, or leaving the image would lower the loss.

    Args:
        T_hat: Regressed pose, (B, 4, 4).
        points_1: Points in camera 1, (B, N, 3).
        descriptors_1: Their descriptors in view 1, (B, N, C).
        view_2: Descriptors of view 2, whose H and W are multiples of 16.
        weights: Importance, (B, N); 0 is padding.
        K_2: Intrinsics of camera 2, (B, 3, 3).
    """
    descriptors_1, weights = descriptors_1.detach(), weights.detach()
    blurred, finer = view_2.descriptors.detach(), view_2.stride
    pixels, in_front = project(K_2, transform(T_hat, points_1))
    rows, columns = blurred.shape[2] * finer, blurred.shape[3] * finer
    inside = in_front & (
        (pixels >= 0) & (pixels <= pixels.new_tensor([columns - 1, rows - 1]))
    ).all(-1)
    cost = torch.zeros_like(weights)
    strides = [stride for stride in STRIDES if stride >= finer]
    for stride in strides:
        blurred = functional.avg_pool2d(blurred, stride // finer) if stride > finer else blurred
        finer = stride
        level = functional.normalize(blurred, dim=1)
        seen = functional.normalize(sample_map(level, pixels - view_2.shift, stride), dim=-1)
        cost = cost + (1.0 - (descriptors_1 * seen).sum(-1)) / len(strides)
    cost = torch.where(inside, cost, 1.0)
    return (weights * cost).sum(-1) / (weights.sum(-1) + 1e-6)


def reprojection_loss(
    T_hat: Tensor,
    points_1: Tensor,
    pixels_2: Tensor,
    weights: Tensor,
    K_2: Tensor,
    diagonal: float,
) -> Tensor:
    """Mean distance of projections to pixels over the image diagonal, at most 1 a point, (B,)."""
    projected, in_front = project(K_2, transform(T_hat, points_1))
    distance = torch.linalg.vector_norm(projected - pixels_2, dim=-1) / diagonal
    cost = torch.where(in_front, distance.clamp_max(1.0), 1.0)
    return (weights * cost).sum(-1) / (weights.sum(-1) + 1e-6)


def candidate_loss(
    weights: Tensor,
    candidates: Tensor,
    T_true: Tensor,
    has_direction: Tensor,
    points_1: Tensor,
    pixels_2: Tensor,
    K_2: Tensor,
    threshold: float,
    temperature: float,
) -> Tensor:
    """Expected pose error of a candidate drawn by its score (B,), differentiable in the weights.

    Scores are shares of the weight, which a softmax turns into probabilities (DSAC, Brachmann et
    al., CVPR 2017).

    Args:
        weights: Importance, (B, N).
        candidates: Refined hypotheses, (B, k, 4, 4), without gradient.
        T_true: True pose, (B, 4, 4).
        has_direction: Whether the direction of translation is defined, (B,).
        points_1: Points in camera 1, (B, N, 3).
        pixels_2: Where camera 2 sees them, (B, N, 2).
        K_2: Intrinsics of camera 2, (B, 3, 3).
        threshold: Error at which a point no longer scores, pixels.
        temperature: Of the softmax, in shares of the weight.
    """
    scores = robust_score(
        candidates,
        points_1[:, None],
        pixels_2[:, None],
        weights[:, None],
        K_2[:, None],
        threshold,
    )
    share = scores / (weights.sum(-1, keepdim=True) + 1e-6)
    probability = (share / temperature).softmax(-1)
    errors = pose_loss(candidates, T_true[:, None], has_direction[:, None])
    return (probability * errors).sum(-1)


def gauss_newton_step(
    T_start: Tensor,
    points_1: Tensor,
    pixels_2: Tensor,
    weights: Tensor,
    K_2: Tensor,
    huber: float,
) -> Tensor:
    """Move a pose by one weighted Gauss-Newton step under Huber's loss, (B, 4, 4).

    The pose is differentiable in the weights, those of outliers too: all points take part. On the
    inliers alone the weights of outliers would have no gradient.
    """
    T_start, points_1, pixels_2, weights, K_2 = (
        x.double() for x in (T_start.detach(), points_1, pixels_2, weights, K_2)
    )
    error, jacobian, in_front = linearise(T_start, points_1, pixels_2, K_2)
    length = torch.linalg.vector_norm(error, dim=-2)
    kernel = in_front * (huber / length.clamp_min(huber))
    share = weights / (weights.sum(-1, keepdim=True) + 1e-6)
    normal, gradient = normal_equations(error, jacobian, share * kernel)
    damping = 1e-4 * normal.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-6
    damped = normal + damping[:, None, None] * torch.eye(6).to(normal)
    step = torch.linalg.solve_ex(damped, -gradient[..., None])[0][..., 0]
    return retract(T_start, step)


def weight_loss(logits: Tensor, true_match: Tensor, used: Tensor) -> Tensor:
    """Cross-entropy of the weights against the true matches (B,), both classes counting alike.

    Args:
        logits: Of the weights, (B, N).
        true_match: Whether a match lies at the true projection, (B, N).
        used: Which correspondences are none of padding, (B, N).
    """
    loss = functional.binary_cross_entropy_with_logits(
        logits, true_match.to(logits), reduction="none"
    )
    total = torch.zeros_like(loss[:, 0])
    for members in (used & true_match, used & ~true_match):
        total = total + 0.5 * (loss * members).sum(-1) / members.sum(-1).clamp_min(1)
    return total
