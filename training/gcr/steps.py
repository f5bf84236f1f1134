# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Steps of training that need no GCR: of the pose alone, and of the descriptor heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geloc3r_training.gcr import losses, records
from geloc3r_training.gcr.config import GcrConfig
from geloc3r_training.gcr.correspondences import sample_correspondences
from geloc3r_training.gcr.descriptors import infonce, match
from geloc3r_training.gcr.diagnostics import add_tallies, tally
from geloc3r_training.gcr.pairs import View
from geloc3r_training.gcr.sampling import pair_generators
from geloc3r_training.gcr.se3 import inverse

__all__ = ["ConsistencyStep", "descriptor_step", "full_precision", "pose_step"]


@dataclass(frozen=True)
class ConsistencyStep:
    """What a step of training is made of.

    Attributes:
        total: The loss to minimise.
        terms: Its terms, weighted and ramped; they add up to ``total``.
        tallies: Sum and count (2,) of all that is logged; see ``diagnostics``.
    """

    total: Tensor
    terms: dict[str, Tensor]
    tallies: dict[str, Tensor]

    @classmethod
    def of(cls, terms: dict[str, Tensor], tallies: dict[str, Tensor]) -> ConsistencyStep:
        """Add up the terms and log each of them."""
        values = {f"loss/{name}": tally(term) for name, term in terms.items()}
        return cls(torch.stack(list(terms.values())).sum(), terms, {**tallies, **values})


def full_precision(example: Tensor) -> torch.autocast:
    """Switch autocast off: angles and projections in bfloat16 would be wrong by degrees."""
    return torch.autocast(example.device.type, enabled=False)


def pose_step(
    T_hat_2_1: Tensor,
    T_hat_1_2: Tensor,
    T_2_1: Tensor,
    has_direction: Tensor | None = None,
    weight: float = 1.0,
) -> ConsistencyStep:
    """L_pose of both directions: all there is for pairs without depth.

    Args:
        T_hat_2_1: Regressed pose of camera 1 in camera 2, (B, 4, 4).
        T_hat_1_2: Regressed pose of camera 2 in camera 1, (B, 4, 4).
        T_2_1: True pose, (B, 4, 4).
        has_direction: Whether the direction of translation is defined, (B,); all by default.
        weight: Of the term.
    """
    if has_direction is None:
        has_direction = torch.linalg.vector_norm(T_2_1[:, :3, 3], dim=-1) > 0
    loss = torch.zeros_like(T_2_1[:, 0, 0])
    tallies: dict[str, Tensor] = {}
    with full_precision(T_2_1):
        for T_hat, T_true in ((T_hat_2_1, T_2_1), (T_hat_1_2, inverse(T_2_1))):
            loss = loss + 0.5 * losses.pose_loss(T_hat, T_true, has_direction)
            tallies = add_tallies(tallies, records.of_pose(T_hat, T_true, has_direction))
    return ConsistencyStep.of({"pose": weight * loss.mean()}, tallies)


def descriptor_step(
    view_1: View,
    view_2: View,
    T_2_1: Tensor,
    config: GcrConfig,
    *,
    pair_ids: Sequence[int],
    step: int,
    seed: int = 0,
) -> ConsistencyStep:
    """InfoNCE on the descriptors of the views, which trains their heads in the first stage.

    Args:
        view_1: The first views of the pairs, with the descriptors to train.
        view_2: The second views.
        T_2_1: True pose, (B, 4, 4), in the unit of the depths.
        config: How to draw points, and the temperature.
        pair_ids: A number a pair that the batch layout does not change.
        step: Step of training.
        seed: Seed of training.
    """
    with full_precision(T_2_1):
        truth = sample_correspondences(
            view_1.depth,
            view_2.depth,
            view_1.K,
            view_2.K,
            T_2_1,
            config.points,
            config.depth_tolerance,
            pair_generators(seed, step, pair_ids),
        )
        loss = infonce(view_1.descriptors, view_2.descriptors, truth, config)
        found = match(view_1.descriptors, view_2.descriptors, truth.pixels_1, config)
    errors = torch.linalg.vector_norm(found.pixels_2 - truth.pixels_2, dim=-1)
    return ConsistencyStep.of(
        {"infonce": loss.mean()}, records.of_match_errors(errors, truth.used)
    )
