# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From matches to a relative pose, by regression in a few rounds.

Each round turns the rays of view 2 by the rotation found so far, looks at what is left between
the rays of the two views, and regresses a correction; all rounds but the first share their
weights.

After the first round the pose is looked for in other directions than the regressed one too, and
what the last round regressed settles, in more steps on weights that are learned too. In the end
the answers of both sides, each found on its own matches, and a last search settle together on all
matches of both, and the one that is borne out best is the pose.

Shapes: B pairs, K matches, D channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.model.pose_head import InFloat32
from geloc3r_ros.model.rotation import rotation_of_vector
from geloc3r_ros.model.rounds import Round
from geloc3r_ros.model.settling import Search, Settling
from geloc3r_ros.model.support import support

__all__ = ["Answer", "MatchPoseHead", "Side", "rays"]


class Side(NamedTuple):
    """Where the other view shows cells of this side's view."""

    here: Tensor
    """Unit rays of the cells in this side's camera, (B, K, 3)."""
    there: Tensor
    """Unit rays of their matches in the other one, (B, K, 3)."""
    features: Tensor
    """How sure each match is, (B, K, 2)."""
    tokens: Tensor | None = None
    """Decoder tokens of the cells, (B, K, C), where there are images."""

    def with_rows(self, other: Side) -> Side:
        """Both as one batch; tokens have both or neither."""
        tokens = None
        if self.tokens is not None and other.tokens is not None:
            tokens = torch.cat((self.tokens, other.tokens))
        pairs = zip(self[:3], other[:3], strict=True)
        here, there, features = (torch.cat(pair) for pair in pairs)
        return Side(here, there, features, tokens)


class Answer(NamedTuple):
    """What a side alone says; R maps this side's camera into the other one."""

    rounds: Tensor
    """t and R by rows after each round, (rounds, B, 12)."""
    R: Tensor
    """Rotation in the end, (B, 3, 3)."""
    direction: Tensor
    """Of the translation, in this side's camera, (B, 3)."""
    sure: Tensor
    """How much each match counts, (B, K)."""


def rays(pixels: Tensor, focal: Tensor, size: tuple[int, int]) -> Tensor:
    """Unit rays (B, K, 3) through pixels (B, K, 2) of views with centred principal points.

    Args:
        pixels: Column and row, integer at pixel centres.
        focal: Focal length in pixels, (B,).
        size: Height and width of the views.
    """
    x, y = pixels[..., 0] - (size[1] - 1) / 2, pixels[..., 1] - (size[0] - 1) / 2
    plane = torch.stack((x, y), -1) / focal[:, None, None]
    ones = torch.ones_like(plane[..., :1])
    return nn.functional.normalize(torch.cat((plane, ones), -1), dim=-1)


class MatchPoseHead(InFloat32):
    """Regress the raw pose numbers of both sides from their matches; always in float32."""

    LATER_ROUNDS = 2

    def __init__(self, token_dim: int, dim: int = 64) -> None:
        super().__init__()
        self.token = nn.Linear(token_dim, dim)
        self.first, self.later = Round(dim), Round(dim)
        self.search = Search(dim, widest=8e-2, narrowest=5e-3, steps=10)
        self.settling = Settling(dim, widest=8e-3, narrowest=2e-3, steps=8)
        self.start_still()

    def start_still(self) -> None:
        """Begin with hardly any correction of its own; all tokens and matches count alike."""
        for layer in (self.token, self.search.sure, self.settling.sure):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            for part in (self.first, self.later):
                part.say.weight.mul_(0.01)
                part.say.bias.zero_()

    def forward(self, side1: Side, side2: Side) -> tuple[Tensor, Tensor]:
        """Regress ``T_2_1`` and ``T_1_2``.

        Returns:
            Raw numbers of each side after each round, of which the last are those of both sides
            together, (rounds, B, 53), float32: t, then R by rows (12), then the :func:`support`
            of the last pose by the side's matches (29), then the pose that the side found alone
            (12).
        """
        with torch.autocast(side1.here.device.type, enabled=False):
            answer1, answer2 = self._answers(side1, side2)
            R_2_1, direction = self._together(side1, side2, answer1, answer2)
            found = (R_2_1, direction), _inverse(R_2_1, direction)
            return (
                _numbers(side1, answer1, *found[0]),
                _numbers(side2, answer2, *found[1]),
            )

    def answer(self, side: Side) -> Answer:
        """What a side says of the other one's pose, by its own matches alone."""
        here, there, features = (x.float() for x in side[:3])
        context = 0.0 if side.tokens is None else self.token(side.tokens.float())
        batch = here.shape[0]
        R = torch.eye(3, device=here.device).expand(batch, 3, 3)
        direction = here.new_zeros(batch, 3)  # of the translation, turned into this camera
        memory = here.new_zeros(batch, Round.MEMORY)
        poses = []
        for part in (self.first, *[self.later] * self.LATER_ROUNDS):
            R, direction = R.detach(), direction.detach()
            step, memory, seen = part(here, there @ R, direction, features, context, memory)
            R = R @ rotation_of_vector(step[:, :3])
            direction = nn.functional.normalize(direction + step[:, 3:], dim=-1)
            poses.append((R, direction))
            if part is self.first:
                R, direction = self.search(here, there, R, direction, self.search.weigh(seen))
                poses.append((R, direction))
        sure = self.settling.weigh(seen)
        R, direction = self.settling(here, there, R, direction, sure)
        poses.append((R, direction))
        return Answer(torch.stack([_raw(*pose) for pose in poses]), R, direction, sure)

    def _answers(self, side1: Side, side2: Side) -> tuple[Answer, Answer]:
        if side1.here.shape[1:] != side2.here.shape[1:]:
            return self.answer(side1), self.answer(side2)
        # The weights of both sides are the same, so two sides are one batch.
        both = self.answer(side1.with_rows(side2))
        rounds = both.rounds.unflatten(1, (2, -1)).unbind(1)
        rest = (x.unflatten(0, (2, -1)).unbind() for x in both[1:])
        answer1, answer2 = (Answer(*x) for x in zip(rounds, *rest, strict=True))
        return answer1, answer2

    def _together(
        self, side1: Side, side2: Side, answer1: Answer, answer2: Answer
    ) -> tuple[Tensor, Tensor]:
        """Rotation and direction of ``T_2_1`` that all matches of both sides bear out best."""
        by_side = (
            (side1.here.float(), side2.there.float()),
            (side1.there.float(), side2.here.float()),
            (answer1.sure, answer2.sure),
        )
        half = self.search.MATCHES // 2
        some1, some2, some_sure = (torch.cat([x[:, :half] for x in x12], 1) for x12 in by_side)
        rays1, rays2, sure = (torch.cat(x12, 1) for x12 in by_side)
        axes = self.search.axes(sure.device).expand(sure.shape[0], -1, -1)
        turned = answer1.R[:, None].expand(-1, axes.shape[1], -1, -1)
        starts = (
            (answer1.R, answer1.direction),
            _inverse(answer2.R, answer2.direction),
            self.search.best(some1, some2, turned, axes, some_sure),
        )
        turns, directions = (torch.stack(parts, 1) for parts in zip(*starts, strict=True))
        R_2_1, direction = self.settling.best(rays1, rays2, turns, directions, sure)
        return R_2_1, self.settling.ahead(rays1, rays2, R_2_1, direction, sure)


def _inverse(R: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation (B, 3, 3) and direction (B, 3) of the pose of the other side.

    A direction is that of the translation turned into the camera the pose maps from.
    """
    return R.mT, -(R @ direction[..., None])[..., 0]


def _raw(R: Tensor, direction: Tensor) -> Tensor:
    """t, then R by rows, (B, 12)."""
    return torch.cat(((R @ direction[..., None])[..., 0], R.flatten(1)), -1)


def _numbers(side: Side, answer: Answer, R: Tensor, direction: Tensor) -> Tensor:
    """Raw numbers of a side after each round, (rounds, B, 53), the given pose the last."""
    here, there, features = (x.float() for x in side[:3])
    poses = torch.cat((answer.rounds, _raw(R, direction)[None]))
    borne = support(here, there @ R, direction, features)
    rest = torch.cat((borne, _raw(answer.R, answer.direction)), -1)
    return torch.cat((poses, rest.expand(poses.shape[0], -1, -1)), -1)
