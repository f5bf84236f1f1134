# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log lines of GCR, as tallies of one direction of a batch. Angles are degrees.

What must hold for GCR to do anything: the gate is neither always open nor always shut
(``gate/open``); where it opens the solved pose is much the better (``gate/error_ratio`` below
0.5); learned weights tell true matches better than similarity does (``weights/auc_gain`` at least
0.03); L_descriptor pulls towards the truth (``descriptor/cosine`` above 0).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from geloc3r_training.gcr.diagnostics import roc_auc, tally, tally_bins
from geloc3r_training.gcr.pairs import Direction
from geloc3r_training.gcr.se3 import pose_errors, relative_twist
from geloc3r_training.gcr.weighted_ransac import RansacResult

__all__ = ["of_descriptor", "of_match_errors", "of_matches", "of_pose", "of_solver"]

Tallies = dict[str, Tensor]


def of_pose(T_hat: Tensor, T_true: Tensor, has_direction: Tensor) -> Tallies:
    """Errors of the regressed pose; of rotation alone where the direction is undefined."""
    rotation, direction = pose_errors(T_hat, T_true)
    return {
        "regressed/rotation": tally(rotation.rad2deg()),
        "regressed/direction": tally(direction.rad2deg(), has_direction),
        "regressed/rotation_without_baseline": tally(rotation.rad2deg(), ~has_direction),
    }


def of_match_errors(errors: Tensor, used: Tensor) -> Tallies:
    """How far matches (B, N) lie from the true projections, pixels."""
    median = torch.where(used, errors, torch.nan).nanmedian(-1).values
    return {
        "match/median_px": tally(median),
        "match/within_2px": tally(errors < 2.0, used),
    }


def of_matches(pairs: Direction, weights: Tensor, true_match: float) -> Tallies:
    """How good the teacher's matches are, and who tells the true ones better."""
    used = pairs.truth.used
    true = pairs.match_errors() < true_match
    auc_weights = roc_auc(weights, true, used)
    auc_similarity = roc_auc(pairs.matches.similarity, true, used)
    regressed, in_front = pairs.regressed_pixels()
    offset = torch.linalg.vector_norm(regressed - pairs.truth.pixels_2, dim=-1)
    return {
        "pairs/covisibility": tally(pairs.truth.covisibility, used.any(-1)),
        "pairs/correspondences": tally(used.sum(-1), used.any(-1)),
        **of_match_errors(pairs.match_errors(), used),
        "weights/auc": tally(auc_weights),
        "weights/auc_of_similarity": tally(auc_similarity),
        "weights/auc_gain": tally(auc_weights - auc_similarity),
        "regressed/inconsistency_px": tally(
            torch.where(used & in_front, offset, torch.nan).nanmedian(-1).values
        ),
    }


def of_solver(pairs: Direction, solved: RansacResult, opening: Tensor) -> Tallies:
    """How good the solved pose is, when the gate opens, and by how much it then is better.

    Of pairs with points to solve it of: those without depth have none.
    """
    T_solved = solved.T_2_1.to(pairs.T_true)
    rotation, direction = pose_errors(T_solved, pairs.T_true)
    error, direction_hat = pose_errors(pairs.T_hat.detach(), pairs.T_true)
    total = rotation + direction * pairs.has_direction
    total_hat = error + direction_hat * pairs.has_direction
    open_ = opening > 0
    there = pairs.truth.used.any(-1)
    return {
        "solver/failed": tally(~solved.valid, there),
        "solver/inlier_ratio": tally(solved.inlier_ratio, solved.valid),
        "solver/condition_log10": tally(solved.condition.log10(), solved.valid),
        "solver/rotation": tally(rotation.rad2deg(), solved.valid),
        "solver/direction": tally(direction.rad2deg(), solved.valid & pairs.has_direction),
        "gate/open": tally(open_, there),
        "gate/error_ratio": tally(total / total_hat, open_),
        **tally_bins("gate/open", open_, error, there),
    }


def of_descriptor(pairs: Direction, slope: Tensor | None) -> Tallies:
    """Whether descending L_descriptor (slope (B, 6) along the pose's twist) corrects the pose."""
    if slope is None:
        return {}
    correction = relative_twist(pairs.T_hat.detach(), pairs.T_true)
    cosine = functional.cosine_similarity(-slope, correction, dim=-1)
    moved = (slope != 0).any(-1)
    error, _ = pose_errors(pairs.T_hat.detach(), pairs.T_true)
    return {
        "descriptor/cosine": tally(cosine, moved),
        **tally_bins("descriptor/cosine", cosine, error, moved),
    }
