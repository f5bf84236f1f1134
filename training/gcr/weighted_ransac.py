# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weighted RANSAC: the pose of camera 1 in camera 2 from weighted 3D-2D correspondences.

A batch of pairs at once, in float64, on the device of the points. Lengths are divided by the
median distance of the points inside, so that their unit changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from geloc3r_training.gcr.pnp import p3p
from geloc3r_training.gcr.refine import refine, robust_score, squared_errors
from geloc3r_training.gcr.sampling import Generators, draw_sets
from geloc3r_training.gcr.se3 import make_transform

__all__ = ["RansacResult", "weighted_ransac"]

WIDE = (4.0, 3.0, 2.0, 2.0, 2.0)
"""Kernel widths, in thresholds, of the steps that refine a candidate. Wide ones first: a pose from
three noisy points leaves many inliers beyond the threshold."""

FINAL = (3.0, 3.0, 3.0, 3.0, 3.0)
"""Kernel widths of the steps that polish the best candidate. With a threshold of two standard
deviations its estimate spreads 1.4 % wider than that of least squares on the true inliers."""

MAX_CONDITION = 1e8
"""Condition number of the normal matrix above which the points do not determine a pose."""


@dataclass(frozen=True)
class RansacResult:
    """Poses of a batch of B pairs. Where ``valid`` is false the pose is the identity.

    Attributes:
        T_2_1: Pose of camera 1 in camera 2, (B, 4, 4) float64.
        inliers: Points of positive weight that reproject within the threshold, (B, N).
        inlier_ratio: Share of the weight that the inliers hold, (B,).
        condition: Condition number of the normal matrix, with lengths scaled, (B,).
        valid: Whether at least four inliers determine the pose, (B,).
        candidates: The k refined hypotheses, best first, (B, k, 4, 4).
    """

    T_2_1: Tensor
    inliers: Tensor
    inlier_ratio: Tensor
    condition: Tensor
    valid: Tensor
    candidates: Tensor


@torch.no_grad()
def weighted_ransac(
    points_1: Tensor,
    pixels_2: Tensor,
    weights: Tensor,
    K_2: Tensor,
    hypotheses: int = 256,
    threshold: float = 2.0,
    generator: Generators = None,
    candidates: int = 4,
) -> RansacResult:
    """Solve for the poses that explain most of the weight. The result carries no gradient.

    Args:
        points_1: Points in camera 1, (B, N, 3).
        pixels_2: Where camera 2 sees them, (B, N, 2).
        weights: Importance, (B, N), at least 0; 0 is padding, and so is what is not finite.
        K_2: Intrinsics of camera 2, (B, 3, 3).
        hypotheses: Minimal sets drawn for a pair.
        threshold: Reprojection error of an inlier, pixels.
        generator: One a pair (``pair_generators``): then nothing else in the batch, nor padding,
            changes the result of a pair. Or one for the batch; None is torch's own.
        candidates: How many of the best hypotheses are refined, k.

    Returns:
        The poses. Input that determines none gives ``valid`` False, never an exception.
    """
    points, pixels, weights, K_2 = _usable(points_1, pixels_2, weights, K_2)
    scale = _scale(points, weights)
    points = points / scale[:, None, None]

    hypothesis = _hypothesise(points, pixels, weights, K_2, hypotheses, generator)
    scores = [
        robust_score(*pair, threshold)
        for pair in zip(hypothesis, points, pixels, weights, K_2, strict=True)
    ]
    T = _best(hypothesis, torch.stack(scores), candidates)
    repeated = (points[:, None], pixels[:, None], weights[:, None], K_2[:, None])
    T, _ = refine(T, *repeated, [factor * threshold for factor in WIDE])
    T = _best(T, robust_score(T, *repeated, threshold), candidates)
    T_2_1, normal = refine(
        T[:, 0], points, pixels, weights, K_2, [factor * threshold for factor in FINAL]
    )

    inliers = squared_errors(T_2_1, points, pixels, K_2) < threshold**2
    inliers &= weights > 0
    condition = _condition(normal)
    valid = (inliers.sum(-1) >= 4) & (condition < MAX_CONDITION)
    return RansacResult(
        T_2_1=_with_scale(T_2_1, scale, valid),
        inliers=inliers & valid[:, None],
        inlier_ratio=valid * (inliers * weights).sum(-1) / weights.sum(-1).clamp_min(1e-300),
        condition=condition,
        valid=valid,
        candidates=_with_scale(T, scale[:, None], valid[:, None].expand(T.shape[:2])),
    )


def _usable(points: Tensor, pixels: Tensor, weights: Tensor, K: Tensor) -> tuple[Tensor, ...]:
    """The input in float64, with harmless numbers and weight 0 where something is not finite."""
    points, pixels, weights, K = (x.detach().double() for x in (points, pixels, weights, K))
    camera = K.flatten(1).isfinite().all(-1)
    usable = points.isfinite().all(-1) & pixels.isfinite().all(-1) & weights.isfinite()
    usable &= camera[:, None]
    return (
        torch.where(usable[..., None], points, 0.0),
        torch.where(usable[..., None], pixels, 0.0),
        torch.where(usable, weights.clamp_min(0.0), 0.0),
        torch.where(camera[:, None, None], K, torch.eye(3).to(K)),
    )


def _scale(points: Tensor, weights: Tensor) -> Tensor:
    """Median distance (B,) of the points that have weight; 1 where there are none."""
    distance = torch.linalg.vector_norm(points, dim=-1)
    median = torch.where(weights > 0, distance, torch.nan).nanmedian(-1).values
    return torch.where(median > 0, median, 1.0)


def _hypothesise(
    points: Tensor,
    pixels: Tensor,
    weights: Tensor,
    K_2: Tensor,
    hypotheses: int,
    generator: Generators,
) -> Tensor:
    """Poses (B, M, 4, 4) of minimal sets: P3P of three points, its root chosen by the fourth.

    A set without a solution gives the identity, which scores what it scores.
    """
    sets, drawn = draw_sets(weights, hypotheses, generator)
    pick = sets.flatten(1)[..., None]
    corners = points.gather(1, pick.expand(-1, -1, 3)).unflatten(1, (hypotheses, 4))
    seen = pixels.gather(1, pick.expand(-1, -1, 2)).unflatten(1, (hypotheses, 4))
    rays = torch.nn.functional.pad(seen, (0, 1), value=1.0)
    rays = torch.linalg.solve_ex(K_2[:, None], rays.mT)[0].mT
    rays = torch.nn.functional.normalize(rays, dim=-1)

    R_2_1, t_2_1, solved = p3p(corners[..., :3, :], rays[..., :3, :])
    T = make_transform(R_2_1, t_2_1)
    error = squared_errors(
        T, corners[..., None, 3:, :], seen[..., None, 3:, :], K_2[:, None, None]
    )[..., 0]
    error = torch.where(solved & drawn[..., None] & error.isfinite(), error, torch.inf)
    least, root = error.min(-1)
    T = T.gather(2, root[..., None, None, None].expand(-1, -1, 1, 4, 4))[:, :, 0]
    return torch.where(least.isfinite()[..., None, None], T, torch.eye(4).to(T))


def _best(T: Tensor, scores: Tensor, count: int) -> Tensor:
    """The poses (B, count, 4, 4) of highest score, best first; of equal scores the first ones."""
    order = scores.argsort(dim=1, descending=True, stable=True)[:, :count]
    return T.gather(1, order[..., None, None].expand(-1, -1, 4, 4))


def _condition(normal: Tensor) -> Tensor:
    """Condition number (B,) in the Frobenius norm, which needs no singular values."""
    inverse, failed = torch.linalg.inv_ex(normal)
    norms = torch.linalg.matrix_norm(normal) * torch.linalg.matrix_norm(inverse)
    return torch.where((failed == 0) & norms.isfinite(), norms, torch.inf)


def _with_scale(T: Tensor, scale: Tensor, valid: Tensor) -> Tensor:
    """The poses with their translations in the caller's unit; the identity where not valid."""
    T = make_transform(T[..., :3, :3], T[..., :3, 3] * scale[..., None])
    return torch.where(valid[..., None, None], T, torch.eye(4).to(T))
