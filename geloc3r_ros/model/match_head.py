# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From matches to a relative pose, by regression in a few rounds.

Each round turns the rays of view 2 by the rotation found so far, looks at what is left between
the rays of the two views, and regresses a correction; all rounds but the first share their
weights. Points see each other through pooling alone, and moments of second order are pooled beside
their features: those of Rockwell et al. (3DV 2022, arXiv 2208.08988), which the eight-point
algorithm reads a pose off too. What is read off here is learned.

How a correction follows from moments is a quotient of polynomials, which layers approximate badly
and never to the last digit. So a round is offered it: four sets of learned weights, as in Yi et
al. (CVPR 2018, arXiv 1711.05971), each with the correction that brings the matches nearest to
their epipolar planes (one step of Gauss and Newton), and regresses how much of each it takes,
beside its own.

After the first round the pose is looked for in other directions than the regressed one too, and
what the last round regressed settles, in more such steps on weights that are learned too. In the
end the answers of both sides, each found on its own matches, and a last search settle together on
all matches of both, and the one that is borne out best is the pose. They are layers like others:
differentiable, of fixed length, trained end to end. Unlike RANSAC they draw no samples: the same
directions are tried for every pair.

Shapes: B pairs, K matches, D channels, h heads of pooling.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.model.epipolar import Matched, distances, epipolar, parallax
from geloc3r_ros.model.pose_head import InFloat32
from geloc3r_ros.model.support import support

__all__ = ["Answer", "MatchPoseHead", "Side", "rays", "rotation_of_vector"]

NEAR = 5e-3
"""Sine of the angle between two rays from which on the plane they span is well defined."""

# What stands where in the vector of a match whose moments are pooled.
ONE, OFF, PLANE, PRODUCTS, SLOPE = 0, 1, range(2, 5), range(5, 14), range(14, 20)

MOMENTS = 3 + 9 + 6 + 45 + 21 + 6
"""How many moments are read: means, second moments by parts, pull."""

CLOSE = 4e-3
"""Radians from its epipolar plane at which a match is half-way from right to wrong; a pixel."""
SUREST = 6.0
"""Logarithm of how much more a match may count than usual, or less."""
LONGEST = (0.3, 0.7)
"""Beyond it a correction by least squares is shortened: of rotation, of direction, radians."""


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


class PointBlock(nn.Module):
    """A residual MLP on each match that also sees what is pooled over all of them."""

    HEADS = 4

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.weigh = nn.Linear(dim, self.HEADS)
        self.own = nn.Linear(dim, dim)
        self.pooled = nn.Linear(2 * dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map matches (B, K, D) to (B, K, D)."""
        y = self.norm(x)
        own = self.own(y)
        weights = self.weigh(y).softmax(1)
        chosen = (own.unflatten(-1, (self.HEADS, -1)) * weights[..., None]).sum(1)
        pooled = self.pooled(torch.cat((chosen.flatten(1), y.mean(1)), -1))
        return x + self.out(nn.functional.gelu(own + pooled[:, None]))


class Round(nn.Module):
    """Look at what is left between the rays of two views, and regress a correction."""

    HEADS = 4
    MEMORY = 128
    WIDTH = 384

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.match = nn.Linear(3 + 3 + 3 + 3 + 1 + 1 + 2 + 2, dim)
        self.blocks = nn.ModuleList([PointBlock(dim), PointBlock(dim)])
        self.norm = nn.LayerNorm(dim)
        self.weigh = nn.Linear(dim, self.HEADS)
        self.trust = nn.Linear(dim, self.HEADS)
        self.damping = nn.Parameter(torch.full((self.HEADS, 2), 1e-4).log())
        self.pool = nn.Linear(dim, dim)
        moments = self.HEADS * (MOMENTS + 6 + 3)
        self.read = nn.Linear(dim + moments + 3 + self.MEMORY + 6 * self.HEADS, self.WIDTH)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(self.WIDTH),
                nn.Linear(self.WIDTH, self.WIDTH),
                nn.GELU(),
                nn.Linear(self.WIDTH, self.WIDTH),
            )
            for _ in range(3)
        )
        self.say = nn.Linear(self.WIDTH, 12 + self.MEMORY + self.HEADS + 1)

    def forward(
        self,
        rays1: Tensor,
        rays2: Tensor,
        direction: Tensor,
        features: Tensor,
        context: Tensor | float,
        memory: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Correct rotation and direction.

        Args:
            rays1: Rays in camera 1, (B, K, 3).
            rays2: Their matches, turned into camera 1 by the rotation so far, (B, K, 3).
            direction: Of the translation so far, in camera 1, (B, 3); 0 at first.
            features: How sure each match is, (B, K, 2).
            context: What the tokens say, (B, K, D).
            memory: Of the rounds before, (B, M).

        Returns:
            Corrections of the rotation vector and of the direction (B, 6), memory (B, M), and
            what is made of each match (B, K, D).
        """
        seen, pooled, scale, steps = self._look(rays1, rays2, direction, features, context)
        x = self.read(torch.cat((pooled, direction, memory, 5 * steps.flatten(1)), -1))
        for layer in self.layers:
            x = x + layer(x)
        parts = self.say(nn.functional.gelu(x)).split((6, 6, self.MEMORY, self.HEADS + 1), -1)
        coarse, fine, news, taken = parts
        memory = nn.functional.layer_norm(memory + news, (self.MEMORY,))
        by_squares = (taken.softmax(-1)[:, 1:, None] * steps).sum(1)
        return coarse + scale * fine + by_squares, memory, seen

    def _look(
        self,
        rays1: Tensor,
        rays2: Tensor,
        direction: Tensor,
        features: Tensor,
        context: Tensor | float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pool what is left between rays (B, K, 3) of one frame.

        Returns:
            What is made of each match (B, K, D), numbers (B, P), scale (B, 1), corrections by
            least squares (B, h, 6).
        """
        planes = epipolar(rays1, rays2, direction)
        normal, off, turn = planes[:3]
        sine = torch.linalg.vector_norm(normal, dim=-1, keepdim=True)
        plane = normal / (sine + NEAR)
        distance = planes.angle.abs()
        doubt = (distance + 1e-3).log(), distance / (distance + CLOSE)
        sight = (rays1, rays2 - rays1, 5 * normal, plane, 20 * off, (sine + 1e-3).log())
        seen = (*sight, features, *doubt)
        x = self.match(torch.cat(seen, -1)) + context
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weights = self.weigh(x).softmax(1).mT  # (B, h, K)
        spread = weights @ sine.square() + 1e-6
        size = spread.mean(1, keepdim=True).sqrt()
        products = (rays2[..., :, None] * rays1[..., None, :]).flatten(2)
        vector = (torch.ones_like(off), off, plane, products, turn, normal / size)
        moments = _moments(weights, torch.cat(vector, -1))
        error = moments[..., OFF, OFF, None] + 1e-8
        across = moments[..., PLANE.start : PLANE.stop, PLANE.start : PLANE.stop]
        pull = moments[..., OFF, SLOPE.start : SLOPE.stop]
        pooled = (
            moments[..., ONE, SLOPE.start + 3 : SLOPE.stop] * size / spread.sqrt(),
            moments[..., ONE, PRODUCTS.start : PRODUCTS.stop],
            _upper(moments, PLANE),
            *(part[..., i:] for i, part in enumerate(_along(across).unbind(-2))),  # its upper half
            0.3 * spread.log(),
            3 * _upper(moments, PRODUCTS),
            2 * _upper(moments, SLOPE),
            2 * pull / error.sqrt(),
            0.2 * error.log(),
            0.2 * (torch.linalg.vector_norm(pull, dim=-1, keepdim=True) + 1e-6).log(),
        )
        scale = 20 * error.mean(1).sqrt()
        angle, by_turn, by_shift = distances(planes, rays1, rays2, direction)
        rows = torch.cat((by_turn, by_shift / size, angle), -1)
        steps = self._least_squares(self.trust(x).softmax(1).mT, rows, direction)
        steps = torch.cat((steps[..., :3], steps[..., 3:] / size), -1)
        return (
            x,
            torch.cat((self.pool(x).mean(1), torch.cat(pooled, -1).flatten(1)), -1),
            scale,
            _shortened(steps),
        )

    def _least_squares(self, weights: Tensor, rows: Tensor, direction: Tensor) -> Tensor:
        """Corrections (B, h, 6) that bring weighted matches nearest to their epipolar planes.

        In the first round there is no direction yet, and they are 0.

        Args:
            weights: Of each match, (B, h, K).
            rows: How the distance of each changes with six numbers, and the distance, (B, K, 7).
            direction: The last three of the six leave its length, (B, 3).
        """
        moments = _moments(weights, rows)
        damping = self.damping.exp().repeat_interleave(3, -1).diag_embed()
        square = moments[..., :6, :6] + damping + _radial(direction)[:, None]
        return _solve(square, -moments[..., :6, 6:])[..., 0]


class Settling(nn.Module):
    """Bring a pose that is nearly right to where its matches agree, in steps of least squares.

    How much a match counts is learned, and so is how far off it may be in each step; matches that
    are farther count the less (the weights of Cauchy's distribution). Matches fit either sign of
    a direction; in the end it is the one by which points lie before the cameras.

    Args:
        dim: Of what is made of each match.
        widest: How far off, radians, a match may be in the first step, to begin with.
        narrowest: The same of the last step.
        steps: How many there are, each with a tolerance of its own.
    """

    DAMPING = 1e-6
    """Of the second moments of slopes; what matches leave open stays as it is."""

    def __init__(self, dim: int, widest: float, narrowest: float, steps: int) -> None:
        super().__init__()
        self.sure = nn.Linear(dim, 1)
        self.tolerance = nn.Parameter(torch.linspace(math.log(widest), math.log(narrowest), steps))

    def forward(
        self, rays1: Tensor, rays2: Tensor, R_2_1: Tensor, direction: Tensor, sure: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Settle a pose.

        Args:
            rays1: Rays in camera 1, (B, K, 3).
            rays2: Their matches in camera 2, (B, K, 3).
            R_2_1: Rotation (B, 3, 3).
            direction: Of the translation, in camera 1, unit length, (B, 3).
            sure: How much each match counts, (B, K); see :meth:`weigh`.

        Returns:
            Rotation and direction.
        """
        R_2_1, direction = self.settle(rays1, rays2, R_2_1, direction, sure)
        return R_2_1, self.ahead(rays1, rays2, R_2_1, direction, sure)

    def weigh(self, seen: Tensor) -> Tensor:
        """How much each match (B, K, D) counts, (B, K)."""
        return self.sure(seen)[..., 0].clamp(-SUREST, SUREST).exp()

    def settle(
        self, rays1: Tensor, rays2: Tensor, R_2_1: Tensor, direction: Tensor, sure: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take all steps; arguments as of :meth:`forward`."""
        matched = Matched(rays1, rays2)
        damping = self.DAMPING * torch.eye(6, device=rays1.device)
        sure = sure[:, None]
        for tolerance in self.tolerance.exp():
            # Where a pose has settled, its last step alone knows how it hangs together with the
            # matches; before, the gradients of all steps together grow without bound.
            R_2_1, direction = R_2_1.detach(), direction.detach()
            rows = matched.distances(R_2_1, direction)
            weights = sure * _near(rows[:, 6:], tolerance)
            moments = (weights / weights.sum(-1, keepdim=True) * rows) @ rows.mT
            size = moments[:, 3:6, 3:6].diagonal(dim1=-2, dim2=-1).sum(-1) + self.DAMPING
            square = moments[:, :6, :6] + damping + size[:, None, None] * _radial(direction)
            step = _shortened(_solve(square, -moments[:, :6, 6:])[..., 0])
            R_2_1 = _turned(R_2_1, step[:, :3])
            direction = nn.functional.normalize(direction + step[:, 3:], dim=-1)
        return R_2_1, direction

    def best(
        self, rays1: Tensor, rays2: Tensor, turns: Tensor, directions: Tensor, sure: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Settle from S rotations (B, S, 3, 3) and directions (B, S, 3), and keep the best.

        The other arguments are those of :meth:`forward`.
        """
        count = directions.shape[1]
        rays1, rays2, sure = (x.repeat_interleave(count, 0) for x in (rays1, rays2, sure))
        turns, directions = turns.flatten(0, 1), directions.flatten(0, 1)
        turns, directions = self.settle(rays1, rays2, turns, directions, sure)
        borne_out = self.agreement(rays1, rays2, turns, directions, sure)
        best = borne_out.unflatten(0, (-1, count)).argmax(1, keepdim=True)
        first = count * torch.arange(best.shape[0], device=rays1.device)[:, None]
        best = (best + first)[:, 0]
        return turns[best], directions[best]

    def agreement(
        self, rays1: Tensor, rays2: Tensor, R_2_1: Tensor, direction: Tensor, sure: Tensor
    ) -> Tensor:
        """How far the matches bear a pose out, 0 to 1, (B,); arguments as of :meth:`settle`."""
        angle = epipolar(rays1, rays2 @ R_2_1, direction).angle[..., 0]
        near = _near(angle, self.tolerance[-1].exp())
        return (sure * near).sum(1) / sure.sum(1)

    def ahead(
        self, rays1: Tensor, rays2: Tensor, R_2_1: Tensor, direction: Tensor, sure: Tensor
    ) -> Tensor:
        """The direction (B, 3) or its opposite; arguments as of :meth:`settle`."""
        turned = rays2 @ R_2_1
        angle = epipolar(rays1, turned, direction).angle[..., 0]
        weights = sure * _near(angle, self.tolerance[-1].exp())
        forth = (weights * parallax(rays1, turned, direction)).sum(1, keepdim=True)
        return torch.where(forth < 0, -direction, direction)


class Search(Settling):
    """Settle from several directions, and go on from the pose that most matches bear out.

    Turning and moving aside look alike where points are about as far as each other, so that a
    pose that is far off may settle where few matches agree.
    """

    MATCHES = 160
    """That are looked at, the most mutual ones."""

    def forward(
        self, rays1: Tensor, rays2: Tensor, R_2_1: Tensor, direction: Tensor, sure: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Find a pose; arguments and result as of :class:`Settling`."""
        axes = self.axes(rays1.device).expand(rays1.shape[0], -1, -1)
        starts = torch.cat((direction[:, None], axes), 1)
        turns = R_2_1[:, None].expand(-1, starts.shape[1], -1, -1)
        some1, some2, some_sure = (x[:, : self.MATCHES] for x in (rays1, rays2, sure))
        R_2_1, direction = self.best(some1, some2, turns, starts, some_sure)
        return R_2_1, self.ahead(rays1, rays2, R_2_1, direction, sure)

    @staticmethod
    def axes(device: torch.device) -> Tensor:
        """Where it starts beside what was regressed, (7, 3): no line is 40 degrees from all."""
        eye = torch.eye(3, device=device)
        corners = torch.cat((torch.ones_like(eye[:1]), 1 - 2 * eye))
        return torch.cat((eye, nn.functional.normalize(corners, dim=-1)))


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


def _moments(weights: Tensor, x: Tensor) -> Tensor:
    """Weighted second moments (B, h, n, n) of x (B, K, n) by weights (B, h, K)."""
    weighted = weights[:, :, None] * x.mT[:, None]
    return (weighted.flatten(1, 2) @ x).unflatten(1, weighted.shape[1:3])


def _near(angle: Tensor, tolerance: Tensor) -> Tensor:
    """Weights of matches at these angles from their epipolar planes, of any shape."""
    return 1 / (1 + (angle / tolerance).square())


def _radial(direction: Tensor) -> Tensor:
    """What keeps the last three of six numbers (B, 6, 6) from changing a length, (B, 3)."""
    return nn.functional.pad(direction[:, :, None] * direction[:, None], (3, 0, 3, 0))


def _solve(square: Tensor, right: Tensor) -> Tensor:
    """Solve positive definite systems (..., 6, 6) for right sides (..., 6, m), by blocks.

    ONNX has no operator for it.
    """
    first, both, last = square[..., :3, :3], square[..., :3, 3:], square[..., 3:, 3:]
    inverse = _inverted(first)
    through = both.mT @ inverse
    upper, lower = right[..., :3, :], right[..., 3:, :]
    below = _inverted(last - through @ both) @ (lower - through @ upper)
    return torch.cat((inverse @ (upper - both @ below), below), -2)


def _inverted(x: Tensor) -> Tensor:
    """Inverses of positive definite matrices (..., 3, 3), by cofactors."""
    twice = torch.cat((x, x), -2)
    cofactors = torch.linalg.cross(twice[..., 1:4, :], twice[..., 2:5, :])
    return cofactors / (x[..., :1, :] * cofactors[..., :1, :]).sum(-1, keepdim=True)


def _shortened(steps: Tensor) -> Tensor:
    """Corrections (..., 6) of rotation and direction, none longer than ``LONGEST``."""
    parts = steps.unflatten(-1, (2, 3))
    length = torch.linalg.vector_norm(parts, dim=-1, keepdim=True)
    # A linspace, as a GPU that records a graph takes no numbers from the host.
    longest = torch.linspace(*LONGEST, 2, dtype=steps.dtype, device=steps.device)[:, None]
    return (parts / (1 + length / longest)).flatten(-2)


def _turned(R: Tensor, step: Tensor) -> Tensor:
    """Rotations (B, 3, 3) turned further by small vectors (B, 3), by Cayley's formula.

    The angle is the vector's length to second order, in fewer operations than
    :func:`rotation_of_vector` takes; it is a rotation in any case.
    """
    vector = step[:, None].expand_as(R)
    once = torch.linalg.cross(R, vector)
    both = torch.add(once, torch.linalg.cross(once, vector), alpha=0.5)
    return R + both / (1 + step.square().sum(-1)[:, None, None] / 4)


def _upper(moments: Tensor, part: range) -> Tensor:
    """Upper triangle, by rows, of the second moments (..., n, n) of a part of the vector."""
    row, column = part.start + torch.triu_indices(len(part), len(part), device=moments.device)
    return moments[..., row, column]


def _along(across: Tensor) -> Tensor:
    """Where normals (their second moments, (..., 3, 3)) leave room: cofactors, of trace 1.

    Epipolar planes share the direction of the translation, so that this is near its projector.
    """
    cofactors = torch.linalg.cross(across.roll(-1, -2), across.roll(1, -2))
    trace = cofactors.diagonal(dim1=-2, dim2=-1).sum(-1)
    return cofactors / (trace + 1e-6)[..., None, None]


def rotation_of_vector(vector: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) of rotation vectors (B, 3)."""
    angle = torch.linalg.vector_norm(vector, dim=-1).clamp(min=1e-8)[:, None, None]
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    hat = torch.stack((o, -z, y, z, o, -x, -y, x, o), -1).unflatten(-1, (3, 3)) / angle
    eye = torch.eye(3, device=vector.device)
    return eye + angle.sin() * hat + (1 - angle.cos()) * (hat @ hat)
