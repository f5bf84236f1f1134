# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One step of GCR: from what the network said of a batch of pairs to its losses and logs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_training.gcr import losses, records
from geloc3r_training.gcr.config import GcrConfig
from geloc3r_training.gcr.correspondences import Correspondences, sample_correspondences
from geloc3r_training.gcr.descriptors import Matches, match
from geloc3r_training.gcr.diagnostics import add_tallies
from geloc3r_training.gcr.fusion_transformer import FusionTransformer
from geloc3r_training.gcr.pairs import (
    Direction,
    TokenMap,
    View,
    median_depth,
    scale_lengths,
    with_true_length,
)
from geloc3r_training.gcr.sampling import pair_generators
from geloc3r_training.gcr.se3 import inverse, retract
from geloc3r_training.gcr.steps import ConsistencyStep, full_precision, pose_step
from geloc3r_training.gcr.weighted_ransac import RansacResult, weighted_ransac

__all__ = ["GeometricConsistency", "Observation", "Solution", "direction", "observe"]


class Observation(NamedTuple):
    """What there is to solve a pose of, in one direction; lengths are over the median depth."""

    truth: Correspondences
    matches: Matches


@torch.no_grad()
def observe(
    view_1: View,
    view_2: View,
    T_2_1: Tensor,
    config: GcrConfig,
    seed: int,
    step: int,
    pair_ids: Sequence[int],
) -> list[Observation]:
    """Draw true correspondences of both directions, and look for them in the other view.

    It has no part in what is regressed, so that it may be done once for many heads. Arguments are
    those of :class:`GeometricConsistency`.
    """
    unit = median_depth(view_1.depth)
    T_2_1 = scale_lengths(T_2_1, 1.0 / unit)
    generators = pair_generators(seed, step, pair_ids)
    found = []
    with full_precision(T_2_1):
        for first, second, T_true in (
            (view_1, view_2, T_2_1),
            (view_2, view_1, inverse(T_2_1)),
        ):
            truth = sample_correspondences(
                first.depth / unit[:, None, None],
                second.depth / unit[:, None, None],
                first.K,
                second.K,
                T_true,
                config.points,
                config.depth_tolerance,
                generators,
            )
            seen = truth.pixels_2 if config.observation == "gt" else None
            matches = match(first.descriptors, second.descriptors, truth.pixels_1, config, seen)
            found.append(Observation(truth, matches))
    return found


class Solution(NamedTuple):
    """How one direction was solved."""

    pairs: Direction
    logits: Tensor | None
    """Of the weights, (B, N); None where all points count alike."""
    weights: Tensor
    """Importance of each point, (B, N); 0 is padding."""
    result: RansacResult


def direction(
    first: View,
    second: View,
    T_hat: Tensor,
    T_true: Tensor,
    has_direction: Tensor,
    observed: Observation,
) -> Direction:
    """Put together what GCR works on; lengths of the poses are over the median depth."""
    return Direction(
        T_hat=with_true_length(T_hat.float(), T_true),
        T_true=T_true,
        has_direction=has_direction,
        K_2=second.K,
        size_1=(first.depth.shape[1], first.depth.shape[2]),
        size_2=(second.depth.shape[1], second.depth.shape[2]),
        truth=observed.truth,
        matches=observed.matches,
    )


class GeometricConsistency(nn.Module):
    """The losses of GCR. Its parameters are the FusionTransformer's, trained with the network.

    A step of training::

        views = model.encode_pair(image_1, image_2)
        tokens = model.decode_tokens(*views)
        T_hats = [pose_from_raw(model.pose_head(side)) for side in tokens]
        maps = teacher(torch.cat((image_1, image_2)), places)
        view_1 = View(depth_1, K_1, TokenMap(tokens[0], views[0].grid), maps[0])
        view_2 = View(depth_2, K_2, TokenMap(tokens[1], views[1].grid), maps[1])
        key = {"pair_ids": pair_ids, "step": step, "seed": seed}
        result = gcr(view_1, view_2, *T_hats, T_2_1, has_direction=moved, **key)
        result.total.backward()

    Args:
        config: Settings.
        token_dim: Channels of the network's decoder tokens.
        descriptor_dim: Channels of the teacher's descriptors.
    """

    def __init__(self, config: GcrConfig, token_dim: int, descriptor_dim: int = 24) -> None:
        super().__init__()
        self.config = config
        learned = config.weighting != "uniform"
        self.fusion = FusionTransformer(descriptor_dim, token_dim, config) if learned else None

    def forward(
        self,
        view_1: View,
        view_2: View,
        T_hat_2_1: Tensor,
        T_hat_1_2: Tensor,
        T_2_1: Tensor,
        *,
        has_direction: Tensor,
        pair_ids: Sequence[int],
        step: int,
        seed: int = 0,
        observed: Sequence[Observation] | None = None,
    ) -> ConsistencyStep:
        """Compute the losses and logs of a batch, in float32 and float64 even under autocast.

        Args:
            view_1: The first views of the pairs.
            view_2: The second views.
            T_hat_2_1: Regressed pose of camera 1 in camera 2, (B, 4, 4).
            T_hat_1_2: Regressed pose of camera 2 in camera 1, (B, 4, 4).
            T_2_1: True pose, (B, 4, 4), in the unit of the depths.
            has_direction: Which pairs moved far enough for their translation to have one, (B,).
            pair_ids: A number a pair that the batch layout does not change.
            step: Step of training.
            seed: Seed of training.
            observed: What :func:`observe` returned of both directions, where that is known.
        """
        key = (seed, step, pair_ids)
        observed = observed or observe(view_1, view_2, T_2_1, self.config, *key)
        T_2_1 = scale_lengths(T_2_1, 1.0 / median_depth(view_1.depth))
        pose = pose_step(T_hat_2_1, T_hat_1_2, T_2_1, has_direction, self.config.pose_weight)
        generators = pair_generators(*key, use=1)

        terms, tallies = dict(pose.terms), pose.tallies
        with full_precision(T_2_1):
            for first, second, T_hat, T_true, found in (
                (view_1, view_2, T_hat_2_1, T_2_1, observed[0]),
                (view_2, view_1, T_hat_1_2, inverse(T_2_1), observed[1]),
            ):
                pairs = direction(first, second, T_hat, T_true, has_direction, found)
                solution = self.solve(pairs, first.tokens, second.tokens, generators)
                more, record = self._regularise(solution, second, step)
                for name, term in more.items():
                    terms[name] = terms.get(name, 0.0) + 0.5 * term
                tallies = add_tallies(tallies, record)
        return ConsistencyStep.of(terms, tallies)

    def solve(
        self,
        pairs: Direction,
        tokens_1: TokenMap,
        tokens_2: TokenMap,
        generators: Sequence[torch.Generator],
    ) -> Solution:
        """Weigh the correspondences of one direction, and solve its poses."""
        uniform = pairs.truth.used.float()
        logits = self.fusion(pairs, tokens_1, tokens_2) if self.fusion else None
        weights = uniform if logits is None else logits.sigmoid() * uniform
        solver_weights = weights if self.config.weighting == "learned" else uniform
        return Solution(pairs, logits, weights, self._ransac(pairs, solver_weights, generators))

    def _regularise(
        self, solution: Solution, second: View, step: int
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Pull the regressed pose to the solved one; terms and tallies of one direction."""
        config = self.config
        pairs, logits, weights, solved = solution
        opening = losses.gate(
            pairs.T_hat,
            solved.T_2_1.to(pairs.T_hat),
            pairs.T_true,
            pairs.has_direction,
            solved.inlier_ratio.to(pairs.T_hat),
            solved.valid & (solved.condition < config.gate_condition),
        )
        direct = losses.pose_loss(pairs.T_hat, solved.T_2_1.to(pairs.T_hat), pairs.has_direction)
        descriptor, slope = self._descriptor(pairs, second, weights)
        ramp = config.ramp(step)
        terms = {
            "direct": ramp * config.direct_weight * (opening * direct).mean(),
            "descriptor": ramp * config.descriptor_weight * descriptor.mean(),
        }
        if logits is not None:
            fusion = self._fusion_loss(pairs, logits, weights, solved)
            terms["fusion"] = config.fusion_weight * fusion.mean()
        if config.reprojection_weight:
            plain = losses.reprojection_loss(
                pairs.T_hat,
                pairs.truth.points_1,
                pairs.truth.pixels_2,
                pairs.truth.used.float(),
                pairs.K_2,
                math.hypot(*pairs.size_2),
            )
            terms["reprojection"] = ramp * config.reprojection_weight * plain.mean()
        tallies = {
            **records.of_matches(pairs, weights, config.true_match),
            **records.of_solver(pairs, solved, opening),
            **records.of_descriptor(pairs, slope),
        }
        return terms, tallies

    def _ransac(
        self, pairs: Direction, weights: Tensor, generators: Sequence[torch.Generator]
    ) -> RansacResult:
        solved = weighted_ransac(
            pairs.truth.points_1,
            pairs.matches.pixels_2,
            weights,
            pairs.K_2,
            hypotheses=self.config.hypotheses,
            threshold=self.config.threshold,
            generator=generators,
            candidates=self.config.candidates,
        )
        if self.config.target == "solved":
            return solved
        return replace(
            solved,
            T_2_1=pairs.T_true.to(solved.T_2_1),
            inlier_ratio=torch.ones_like(solved.inlier_ratio),
            condition=torch.ones_like(solved.condition),
            valid=pairs.truth.used.any(-1),
        )

    def _descriptor(
        self, pairs: Direction, second: View, weights: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """L_descriptor (B,), and its slope (B, 6) along the twist of the regressed pose."""
        twist = pairs.T_hat.new_zeros(len(pairs.T_hat), 6, requires_grad=True)
        loss = losses.descriptor_loss(
            retract(pairs.T_hat, twist),
            pairs.truth.points_1,
            pairs.matches.descriptors_1,
            second.descriptors,
            weights,
            pairs.K_2,
        )
        if not torch.is_grad_enabled():
            return loss, None
        return loss, torch.autograd.grad(loss.sum(), twist, retain_graph=True)[0]

    def _fusion_loss(
        self, pairs: Direction, logits: Tensor, weights: Tensor, solved: RansacResult
    ) -> Tensor:
        """L_fusion (B,): what the weights do to the solved pose, and whether they are right."""
        config, used = self.config, pairs.truth.used
        seen = (pairs.truth.points_1, pairs.matches.pixels_2)
        expected = losses.candidate_loss(
            weights,
            solved.candidates.to(weights),
            pairs.T_true,
            pairs.has_direction,
            *seen,
            pairs.K_2,
            config.threshold,
            config.score_temperature,
        )
        moved = losses.gauss_newton_step(pairs.T_hat, *seen, weights, pairs.K_2, config.huber)
        stepped = losses.pose_loss(moved.to(weights), pairs.T_true, pairs.has_direction)
        classified = losses.weight_loss(logits, pairs.match_errors() < config.true_match, used)
        return torch.where(used.sum(-1) >= 4, expected + stepped, 0.0) + classified
