# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a stage of a training minimises: the pose, and what helps to find it.

An objective holds all that is trained in ``parts`` (the network, and heads that never leave the
training) and, where there is one, a frozen ``teacher``. Called with a batch, it returns the loss,
its terms and what to log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.model import EncodedView, GeLoc3r
from geloc3r_ros.model.matching import CELL, FINE_CELL, FINEST_CELL, Matcher
from geloc3r_ros.model.network import Evidence
from geloc3r_ros.model.pose_head import pose_from_raw
from geloc3r_training.config import StageConfig
from geloc3r_training.correlation import coarse_loss, draw, draw_lots, fine_loss
from geloc3r_training.gcr import ConsistencyStep, DescriptorMap, Teacher, pose_step
from geloc3r_training.gcr.consistency import Observation
from geloc3r_training.gcr.diagnostics import add_tallies, tally
from geloc3r_training.gcr.pairs import median_depth, scale_lengths
from geloc3r_training.gcr.se3 import inverse
from geloc3r_training.matching import AttentionTap, MatchHead, attention_loss, token_matches
from geloc3r_training.pairs import PairBatch

__all__ = ["ROUND_DISCOUNT", "Objective", "Regressed", "Seen"]

FADE = 0.05
"""Baseline over median depth at which the raw translation is taught to be half a unit long."""

COARSE_DRAWN, FINE_SHARE = 192, 2
"""Cells of a side that teach the comparison, and of how many one teaches the fine one."""

ROUND_DISCOUNT = 0.7
"""Weight of a round of the pose head over that of the round after it."""

Terms = dict[str, Tensor]


class Seen(NamedTuple):
    """What a network makes of B pairs before its head; element 0 is side 1's."""

    views: tuple[EncodedView, EncodedView]
    tokens: tuple[Tensor, Tensor]
    """Decoder tokens (B, N, C) float32."""
    evidence: tuple[Evidence, Evidence]
    """What the pose head is given."""
    scores: Tensor | None
    """Of the cross-attention that is taught."""
    maps: tuple[DescriptorMap, DescriptorMap] | None
    """What the teacher says, where there is one."""
    observed: Sequence[Observation] | None = None
    """What there is to solve a pose of; drawn anew where it is None."""


class Regressed(NamedTuple):
    """What the network says of B pairs; element 0 is ``T_2_1``'s."""

    seen: Seen
    rounds: tuple[Tensor, Tensor]
    """Raw pose numbers after each round of the head, (rounds, B, 12)."""

    @property
    def raw(self) -> tuple[Tensor, Tensor]:
        """Raw pose numbers (B, 12) that count."""
        return self.rounds[0][-1], self.rounds[1][-1]


class Objective(nn.Module):
    """Stage ``pose``, pose and auxiliary terms, which the other stages add to.

    Args:
        config: The stage.
        network: What is trained.
        teacher: Of stage ``consistency``.
        bf16: Run the transformer in bfloat16.
        seed: Of the training.

    Raises:
        ConfigError: if the stage freezes what does not exist, or lacks a teacher.
    """

    def __init__(
        self,
        config: StageConfig,
        network: GeLoc3r,
        teacher: Teacher | None = None,
        bf16: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.bf16, self.seed, self.teacher = config, bf16, seed, teacher
        self.parts = nn.ModuleDict({"network": network, **self._heads(network)})
        freeze(network, config.freeze)

    def _heads(self, network: GeLoc3r) -> dict[str, nn.Module]:
        """What is trained beside the network."""
        if not self.config.auxiliary.match:
            return {}
        return {"match": MatchHead(network.config.decoder_dim)}

    @property
    def network(self) -> GeLoc3r:
        """The network that is trained."""
        network = self.parts["network"]
        assert isinstance(network, GeLoc3r)
        return network

    def forward(self, batch: PairBatch, step: int, seen: Seen | None = None) -> ConsistencyStep:
        """Compute the losses of a batch at a step of the stage.

        Args:
            batch: The pairs.
            step: Of the stage.
            seen: What :meth:`see` returned of them, where that is known.
        """
        seen = self.see(batch) if seen is None else seen
        with self._autocast(batch):
            regressed = Regressed(seen, self._rounds(seen))
        T_2_1 = scale_lengths(batch.T_2_1, 1.0 / median_depth(batch.depth[:, 0]))
        steps = [
            self._pose(batch, regressed, T_2_1, step),
            self._auxiliary(batch, regressed, T_2_1, step),
            self._further(batch, regressed, step),
        ]
        taken = [one for one in steps if one is not None]
        return ConsistencyStep(
            torch.stack([one.total for one in taken]).sum(),
            {name: term for one in taken for name, term in one.terms.items()},
            {name: both for one in taken for name, both in one.tallies.items()},
        )

    def see(self, batch: PairBatch) -> Seen:
        """Run all of the network but its head, and the teacher."""
        auxiliary, network = self.config.auxiliary, self.network
        tap = AttentionTap(network, auxiliary.attention_block, auxiliary.attention_heads)
        with self._autocast(batch), tap:
            images, focals, places = batch.distinct()
            encoded = network.encode(images, focals)
            views = encoded.of(places[:, 0]), encoded.of(places[:, 1])
            tokens = network.decode_tokens(*views)
            scores = tap.scores() if auxiliary.attention else None
            evidence = self._evidence(views, tokens)
            maps = self.teacher(images, places) if self.teacher else None
        return Seen(views, (tokens[0].float(), tokens[1].float()), evidence, scores, maps)

    def _evidence(
        self, views: tuple[EncodedView, EncodedView], tokens: tuple[Tensor, Tensor]
    ) -> tuple[Evidence, Evidence]:
        return self.network.evidence(*views, *tokens)

    def _rounds(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Raw pose numbers after each round of the head, (rounds, B, 12)."""
        return self.network.read(*seen.evidence)

    def _autocast(self, batch: PairBatch) -> torch.autocast:
        return torch.autocast(batch.images.device.type, torch.bfloat16, enabled=self.bf16)

    def _pose(
        self, batch: PairBatch, regressed: Regressed, T_2_1: Tensor, step: int
    ) -> ConsistencyStep | None:
        """L_pose and what regularises it."""
        return pose_step(
            *(pose_from_raw(raw) for raw in regressed.raw),
            T_2_1=T_2_1,
            has_direction=batch.moved(self.config.gcr.min_translation),
            weight=self.config.gcr.pose_weight,
        )

    def _auxiliary(
        self, batch: PairBatch, regressed: Regressed, T_2_1: Tensor, step: int
    ) -> ConsistencyStep | None:
        """Terms beside the pose; distances are logged in patches."""
        weights = self.config.auxiliary
        terms: Terms = {}
        tallies: Terms = {}
        seen = regressed.seen
        if seen.scores is not None or weights.match:
            truth = token_matches(batch, self.network.config.patch_size)
        if seen.scores is not None:
            loss, distance = attention_loss(seen.scores, truth)
            terms["attention"] = weights.attention * loss.mean()
            tallies["match/attention_patches"] = tally(distance, truth.seen)
        if weights.match:
            loss, distance = self.parts["match"](torch.cat(seen.tokens), truth)
            terms["match"] = weights.match * loss.mean()
            tallies["match/head_patches"] = tally(distance, truth.seen)
        if weights.translation:
            poses = torch.cat((T_2_1, inverse(T_2_1)))
            length = torch.linalg.vector_norm(poses[:, :3, 3], dim=-1, keepdim=True)
            target = poses[:, :3, 3] / (length + FADE)
            error = (torch.cat(regressed.raw)[:, :3] - target).square().sum(-1)
            # Without depth the length of a translation is known in no unit.
            with_depth = (batch.depth[:, 0] > 0).flatten(1).any(1).repeat(2)
            terms["translation"] = weights.translation * (error * with_depth).mean()
        if weights.rounds:
            terms["rounds"] = weights.rounds * self._earlier_rounds(batch, regressed, T_2_1)
        if weights.correlation:
            losses, correlation = self._correlation(batch, seen, step)
            terms |= {name: weights.correlation * loss for name, loss in losses.items()}
            tallies |= correlation
        return ConsistencyStep.of(terms, tallies) if terms else None

    def _earlier_rounds(self, batch: PairBatch, regressed: Regressed, T_2_1: Tensor) -> Tensor:
        """L_pose of all rounds of the head but the last, the later the more."""
        moved = batch.moved(self.config.gcr.min_translation)
        losses = [
            pose_step(
                *(pose_from_raw(raw) for raw in raws),
                T_2_1=T_2_1,
                has_direction=moved,
                weight=ROUND_DISCOUNT**age,
            ).total
            for age, raws in enumerate(zip(*(side.flip(0)[1:] for side in regressed.rounds)), 1)
        ]
        return torch.stack(losses).sum()

    def _correlation(self, batch: PairBatch, seen: Seen, step: int) -> tuple[Terms, Terms]:
        """Terms and tallies of the explicit comparison, over both sides."""
        matcher = self.network.matcher
        assert isinstance(matcher, Matcher)
        truth = token_matches(batch, CELL, CELL - 1)
        lots = draw_lots(truth, batch.ids, step, self.seed)
        views = seen.views
        stem = [view.described for view in views if view.described]
        with self._autocast(batch):
            described = [
                matcher.describe(part.coarse, tokens, view.grid)
                for part, view, tokens in zip(stem, views, seen.tokens)
            ]
        coarse_losses, fine_losses, tallies = [], [], []
        for here, there, side in ((0, 1, slice(len(batch))), (1, 0, slice(len(batch), None))):
            drawn = draw(truth, side, COARSE_DRAWN, lots[here])
            loss, distance = coarse_loss(
                matcher, described[here], described[there], drawn, truth.grid
            )
            coarse_losses.append(loss)
            few = drawn._replace(**{k: v[:, ::FINE_SHARE] for k, v in drawn._asdict().items()})
            grids = views[here].grid, views[there].grid
            found = {"match/right_cell": tally((distance < CELL).float(), drawn.counts)}
            for cell, name in ((FINE_CELL, "fine"), (FINEST_CELL, "finest")):
                maps = (getattr(stem[side], name) for side in (here, there))
                loss, distance = fine_loss(matcher, cell, *maps, few, *grids)
                fine_losses.append(loss)
                found[f"match/{name}_px"] = tally(distance, few.counts & (distance < CELL))
            tallies.append(found)
        terms = {"coarse": torch.stack(coarse_losses).mean()}
        terms["fine"] = 2 * torch.stack(fine_losses).mean()  # of either fineness
        return terms, add_tallies(*tallies)

    def _further(
        self, batch: PairBatch, regressed: Regressed, step: int
    ) -> ConsistencyStep | None:
        """Terms that only this stage has."""
        return None


def freeze(network: GeLoc3r, names: Sequence[str]) -> None:
    """Keep the weights of parts of a network.

    Raises:
        ConfigError: if there is no such part.
    """
    parts = dict(network.named_modules())
    for name in names:
        if name == "all":
            network.requires_grad_(False)
        elif name in parts:
            parts[name].requires_grad_(False)
        else:
            known = [child for child, _ in network.named_children()]
            raise ConfigError(f"freeze: no part {name!r}; there are all, {', '.join(known)}")
