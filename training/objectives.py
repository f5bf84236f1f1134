# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The objectives of all stages; see :class:`Objective`, which is that of stage ``pose``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.model import EncodedView, GeLoc3r
from geloc3r_ros.model.match_head import MatchPoseHead, Side
from geloc3r_ros.model.network import Evidence
from geloc3r_ros.model.pose_head import pose_from_raw
from geloc3r_training.gcr import (
    ConsistencyStep,
    DescriptorHeads,
    DescriptorMap,
    GeometricConsistency,
    Teacher,
    TokenMap,
    View,
    descriptor_step,
)
from geloc3r_training.gcr.consistency import Solution, direction, observe
from geloc3r_training.gcr.diagnostics import tally
from geloc3r_training.gcr.pairs import median_depth, scale_lengths
from geloc3r_training.gcr.sampling import pair_generators
from geloc3r_training.gcr.se3 import pose_errors
from geloc3r_training.objective import ROUND_DISCOUNT, Objective, Regressed, Seen
from geloc3r_training.pairs import PairBatch
from geloc3r_training.simulated_matches import MatchBatch

__all__ = ["NO_TEACHER", "OBJECTIVES", "Consistency", "own_teacher"]


NO_TEACHER = (
    "stage consistency has no teacher: put a stage descriptors before it, start from a checkpoint "
    "of one, or set teacher to a checkpoint of MASt3R"
)


class SimulatedMatches(Objective):
    """Stage ``simulated``: the pose head alone, on matches without images."""

    def forward(self, batch: MatchBatch, step: int, seen: Seen | None = None) -> ConsistencyStep:
        """Compute the losses of a batch at a step of the stage; there is no view to be seen."""
        head = self.network.pose_head
        assert isinstance(head, MatchPoseHead)
        rounds = head.answer(Side(batch.rays1, batch.rays2, batch.features)).rounds
        loss, tallies = torch.zeros(()), {}
        for age, raw in enumerate(rounds.flip(0)):
            rotation, direction = pose_errors(pose_from_raw(raw), batch.T_2_1)
            loss = loss + ROUND_DISCOUNT**age * (2 * rotation + direction).mean()
            if age == 0:
                tallies = {
                    "regressed/rotation": tally(rotation.rad2deg()),
                    "regressed/direction": tally(direction.rad2deg()),
                    "regressed/within_20deg": tally((rotation.maximum(direction) < 0.35).float()),
                }
        return ConsistencyStep.of({"simulated": loss}, tallies)


class WithoutPose(Objective):
    """A stage that regresses no pose."""

    def _evidence(
        self, views: tuple[EncodedView, EncodedView], tokens: tuple[Tensor, Tensor]
    ) -> tuple[Evidence, Evidence]:
        return (), ()

    def _rounds(self, seen: Seen) -> tuple[Tensor, Tensor]:
        still = seen.views[0].focal.new_tensor([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])
        return (
            still.expand(1, len(seen.tokens[0]), 12),
            still.expand(1, len(seen.tokens[1]), 12),
        )

    def _pose(
        self, batch: PairBatch, regressed: Regressed, T_2_1: Tensor, step: int
    ) -> ConsistencyStep | None:
        return None


class Correspondence(WithoutPose):
    """Stage ``matching``: the explicit comparison alone, before there is a pose to speak of."""


class Descriptors(WithoutPose):
    """Stage ``descriptors``: descriptor heads on the tokens of a frozen network, by InfoNCE."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        for name, part in self.parts.items():  # heads of other stages are handed on as they are
            part.requires_grad_(name == "descriptor")

    def _heads(self, network: GeLoc3r) -> dict[str, nn.Module]:
        descriptor = DescriptorHeads(network.config, self.config.descriptor_width)
        return {**super()._heads(network), "descriptor": descriptor}

    def _auxiliary(
        self, batch: PairBatch, regressed: Regressed, T_2_1: Tensor, step: int
    ) -> ConsistencyStep | None:
        return None

    def _further(self, batch: PairBatch, regressed: Regressed, step: int) -> ConsistencyStep:
        seen = regressed.seen
        encoded = [view._replace(tokens=view.tokens.float()) for view in seen.views]
        maps = self.parts["descriptor"](encoded, seen.tokens)
        return descriptor_step(
            *_views(batch, seen, maps),
            batch.T_2_1,
            self.config.gcr,
            pair_ids=batch.ids,
            step=step,
            seed=self.seed,
        )


class Consistency(Objective):
    """Stage ``consistency``: the pose is regularised by GCR, with a frozen teacher."""

    def _heads(self, network: GeLoc3r) -> dict[str, nn.Module]:
        if self.teacher is None:
            raise ConfigError(NO_TEACHER)
        consistency = GeometricConsistency(
            self.config.gcr, network.config.decoder_dim, self.teacher.channels
        )
        return {**super()._heads(network), "consistency": consistency}

    def _pose(
        self, batch: PairBatch, regressed: Regressed, T_2_1: Tensor, step: int
    ) -> ConsistencyStep:
        assert regressed.seen.maps is not None
        return self.parts["consistency"](
            *_views(batch, regressed.seen, regressed.seen.maps),
            *(pose_from_raw(raw) for raw in regressed.raw),
            batch.T_2_1,
            has_direction=batch.moved(self.config.gcr.min_translation),
            pair_ids=batch.ids,
            step=step,
            seed=self.seed,
            observed=regressed.seen.observed,
        )

    def solve(self, batch: PairBatch) -> Solution:
        """Weigh and solve direction 1 -> 2 of a batch, as a step does."""
        seen = self.observe(batch, self.see(batch), step=0)
        raw, _ = Regressed(seen, self._rounds(seen)).raw
        assert seen.maps is not None
        assert seen.observed is not None
        T_2_1 = scale_lengths(batch.T_2_1, 1.0 / median_depth(batch.depth[:, 0]))
        view_1, view_2 = _views(batch, seen, seen.maps)
        has_direction = batch.moved(self.config.gcr.min_translation)
        consistency = self.parts["consistency"]
        assert isinstance(consistency, GeometricConsistency)
        pairs = direction(
            view_1, view_2, pose_from_raw(raw), T_2_1, has_direction, seen.observed[0]
        )
        generators = pair_generators(self.seed, 0, batch.ids, use=1)
        return consistency.solve(pairs, view_1.tokens, view_2.tokens, generators)

    def observe(self, batch: PairBatch, seen: Seen, step: int) -> Seen:
        """Draw what the pose is solved of, once for all heads that are given the result."""
        assert seen.maps is not None
        gcr = self.config.gcr
        views = _views(batch, seen, seen.maps)
        observed = observe(*views, batch.T_2_1, gcr, self.seed, step, batch.ids)
        return seen._replace(observed=observed)


OBJECTIVES: dict[str, type[Objective]] = {
    "simulated": SimulatedMatches,
    "matching": Correspondence,
    "pose": Objective,
    "descriptors": Descriptors,
    "consistency": Consistency,
}


def _views(
    batch: PairBatch, seen: Seen, maps: tuple[DescriptorMap, DescriptorMap]
) -> Iterator[View]:
    """What GCR takes of both views."""
    for i, (view, tokens) in enumerate(zip(seen.views, seen.tokens)):
        yield View(batch.depth[:, i], batch.K[:, i], TokenMap(tokens, view.grid), maps[i])


def own_teacher(network: GeLoc3r, parts: Mapping[str, Tensor]) -> Teacher | None:
    """Freeze what the stages before trained; None where that describes nothing.

    Args:
        network: Any network of the right dimensions; it is copied.
        parts: Weights of ``Objective.parts``.
    """
    heads = None
    if "descriptor.view_1.fc1.weight" in parts:
        hidden, channels = parts["descriptor.view_1.fc1.weight"].shape
        heads = DescriptorHeads(network.config, hidden // channels)
    elif "network.matcher.sharpness" not in parts:
        return None
    teacher = Teacher(network, heads)
    for module, prefix in ((teacher.trunk, "network."), (teacher.heads, "descriptor.")):
        if module is not None:
            own = {n.removeprefix(prefix): x for n, x in parts.items() if n.startswith(prefix)}
            module.load_state_dict(own)
    return teacher
