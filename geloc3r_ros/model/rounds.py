# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look at what is left between the rays of two views, and regress a correction of the pose.

Points see each other through pooling alone, and moments of second order are pooled beside their
features: those of Rockwell et al. (3DV 2022, arXiv 2208.08988), which the eight-point algorithm
reads a pose off too. What is read off here is learned.

How a correction follows from moments is a quotient of polynomials, which layers approximate badly
and never to the last digit. So a round is offered it: four sets of learned weights, as in Yi et
al. (CVPR 2018, arXiv 1711.05971), each with the correction that brings the matches nearest to
their epipolar planes (one step of Gauss and Newton), and regresses how much of each it takes,
beside its own.

Shapes: B pairs, K matches, D channels, h heads of pooling.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.model.epipolar import Epipolar, distances, epipolar
from geloc3r_ros.model.least_squares import radial, second_moments, shortened, solve

__all__ = ["Round"]

NEAR = 5e-3
"""Sine of the angle between two rays from which on the plane they span is well defined."""

# What stands where in the vector of a match whose moments are pooled.
ONE, OFF, PLANE, PRODUCTS, SLOPE = 0, 1, range(2, 5), range(5, 14), range(14, 20)

MOMENTS = 3 + 9 + 6 + 45 + 21 + 6
"""How many moments are read: means, second moments by parts, pull."""

CLOSE = 4e-3
"""Radians from its epipolar plane at which a match is half-way from right to wrong; a pixel."""


class Left(NamedTuple):
    """What is left between the rays of two views, those of view 2 turned into camera 1."""

    rays1: Tensor
    """Rays in camera 1, (B, K, 3)."""
    rays2: Tensor
    """Their matches, (B, K, 3)."""
    direction: Tensor
    """Of the translation so far, in camera 1, (B, 3)."""
    planes: Epipolar
    """What all of them say of each other."""
    sine: Tensor
    """Of the angle between the rays, (B, K, 1)."""
    plane: Tensor
    """Unit normals, shorter where the plane is open, (B, K, 3)."""


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
        left = _left(rays1, rays2, direction)
        seen, pooled, scale, steps = self._look(left, features, context)
        x = self.read(torch.cat((pooled, direction, memory, 5 * steps.flatten(1)), -1))
        for layer in self.layers:
            x = x + layer(x)
        parts = self.say(nn.functional.gelu(x)).split((6, 6, self.MEMORY, self.HEADS + 1), -1)
        coarse, fine, news, taken = parts
        memory = nn.functional.layer_norm(memory + news, (self.MEMORY,))
        by_squares = (taken.softmax(-1)[:, 1:, None] * steps).sum(1)
        return coarse + scale * fine + by_squares, memory, seen

    def _look(
        self, left: Left, features: Tensor, context: Tensor | float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pool what is left between rays; the other arguments are those of :meth:`forward`.

        Returns:
            What is made of each match (B, K, D), numbers (B, P), scale (B, 1), corrections by
            least squares (B, h, 6).
        """
        x = self.match(_sight(left, features)) + context
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        weights = self.weigh(x).softmax(1).mT  # (B, h, K)
        spread = weights @ left.sine.square() + 1e-6
        size = spread.mean(1, keepdim=True).sqrt()
        pooled, error = _pooled(left, weights, spread, size)
        angle, by_turn, by_shift = distances(left.planes, left.rays1, left.rays2, left.direction)
        rows = torch.cat((by_turn, by_shift / size, angle), -1)
        steps = self._least_squares(self.trust(x).softmax(1).mT, rows, left.direction)
        steps = torch.cat((steps[..., :3], steps[..., 3:] / size), -1)
        return (
            x,
            torch.cat((self.pool(x).mean(1), pooled.flatten(1)), -1),
            20 * error.mean(1).sqrt(),
            shortened(steps),
        )

    def _least_squares(self, weights: Tensor, rows: Tensor, direction: Tensor) -> Tensor:
        """Corrections (B, h, 6) that bring weighted matches nearest to their epipolar planes.

        In the first round there is no direction yet, and they are 0.

        Args:
            weights: Of each match, (B, h, K).
            rows: How the distance of each changes with six numbers, and the distance, (B, K, 7).
            direction: The last three of the six leave its length, (B, 3).
        """
        moments = second_moments(weights, rows)
        damping = self.damping.exp().repeat_interleave(3, -1).diag_embed()
        square = moments[..., :6, :6] + damping + radial(direction)[:, None]
        return solve(square, -moments[..., :6, 6:])[..., 0]


def _left(rays1: Tensor, rays2: Tensor, direction: Tensor) -> Left:
    planes = epipolar(rays1, rays2, direction)
    sine = torch.linalg.vector_norm(planes.normal, dim=-1, keepdim=True)
    return Left(rays1, rays2, direction, planes, sine, planes.normal / (sine + NEAR))


def _sight(left: Left, features: Tensor) -> Tensor:
    """What is seen of each match, (B, K, 18); features (B, K, 2) say how sure it is."""
    rays1, rays2, _, planes, sine, plane = left
    distance = planes.angle.abs()
    seen = (
        rays1,
        rays2 - rays1,
        5 * planes.normal,
        plane,
        20 * planes.off,
        (sine + 1e-3).log(),
        features,
        (distance + 1e-3).log(),
        distance / (distance + CLOSE),
    )
    return torch.cat(seen, -1)


def _pooled(left: Left, weights: Tensor, spread: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Read the weighted moments of second order of the matches.

    Args:
        left: What is left between the rays.
        weights: Of each match, each head's of sum 1, (B, h, K).
        spread: Weighted mean of the squares of the sines between rays, (B, h, 1).
        size: Root of its mean over the heads, (B, 1, 1).

    Returns:
        What is read of the moments (B, h, P), and the weighted mean square of ``planes.off``
        (B, h, 1).
    """
    rays1, rays2, _, planes, _, plane = left
    products = (rays2[..., :, None] * rays1[..., None, :]).flatten(2)
    normal, off, turn, _ = planes
    vector = (torch.ones_like(off), off, plane, products, turn, normal / size)
    moments = second_moments(weights, torch.cat(vector, -1))
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
    return torch.cat(pooled, -1), error


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
