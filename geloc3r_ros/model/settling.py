# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bring a pose to where its matches agree, from near or from far.

They are layers like others: differentiable, of fixed length, trained end to end. Unlike RANSAC
they draw no samples: the same directions are tried for every pair.

Shapes: B pairs, K matches, D channels, S starts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from geloc3r_ros.model.epipolar import Matched, epipolar, parallax
from geloc3r_ros.model.least_squares import radial, shortened, solve
from geloc3r_ros.model.rotation import turned

__all__ = ["Search", "Settling"]

SUREST = 6.0
"""Logarithm of how much more a match may count than usual, or less."""


class Settling(nn.Module):
    """Bring a pose that is nearly right to where its matches agree, in steps of least squares.

    How much a match counts is learned, and so is how far off it may be in the last step; in those
    before it is given. Matches that are farther count the less (the weights of Cauchy's
    distribution). Matches fit either sign of
    a direction; in the end it is the one by which points lie before the cameras.

    Args:
        dim: Of what is made of each match.
        widest: How far off, radians, a match may be in the first step.
        narrowest: The same of the last step, to begin the training with.
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
            square = moments[:, :6, :6] + damping + size[:, None, None] * radial(direction)
            step = shortened(solve(square, -moments[:, :6, 6:])[..., 0])
            R_2_1 = turned(R_2_1, step[:, :3])
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
        aligned = rays2 @ R_2_1
        angle = epipolar(rays1, aligned, direction).angle[..., 0]
        weights = sure * _near(angle, self.tolerance[-1].exp())
        forth = (weights * parallax(rays1, aligned, direction)).sum(1, keepdim=True)
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


def _near(angle: Tensor, tolerance: Tensor) -> Tensor:
    """Weights of matches at these angles from their epipolar planes, of any shape."""
    return 1 / (1 + (angle / tolerance).square())
