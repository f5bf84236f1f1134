# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far matches lie from their epipolar planes, and how a change of the pose moves them.

Shapes: B pairs, K matches.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Distances", "Epipolar", "Matched", "distances", "epipolar", "parallax", "slope"]

NEAREST = 1e-4
"""Least square of the sine of the angle between rays and baseline: nearer, a plane is open."""


class Epipolar(NamedTuple):
    """What two rays and a direction say of each other; all are linear in the direction."""

    normal: Tensor
    """Of the plane of both rays, as long as their sine, (B, K, 3); slope with the direction."""
    off: Tensor
    """Normal along the direction of the translation, 0 for a true match, (B, K, 1)."""
    turn: Tensor
    """How that changes as R_2_1 is turned further by a vector in camera 1, (B, K, 3)."""
    room: Tensor
    """``off`` over it is the angle to the epipolar plane, for small ones, (B, K, 1)."""


def epipolar(rays1: Tensor, rays2: Tensor, direction: Tensor) -> Epipolar:
    """Compare rays of matches with a pose.

    Args:
        rays1: Unit rays in camera 1, (B, K, 3).
        rays2: Their matches, turned into camera 1 by the rotation of the pose, (B, K, 3).
        direction: Of its translation, in camera 1, (B, 3); 0 where there is none yet.
    """
    along = direction[:, None]
    normal = torch.linalg.cross(rays1, rays2)
    off = (normal * along).sum(-1, keepdim=True)
    square = _across(along, rays1) + _across(along, rays2) + NEAREST
    return Epipolar(normal, off, slope(rays1, rays2, along), square.sqrt())


class Distances(NamedTuple):
    """How far rays are from the epipolar planes of a pose, and how that changes, exactly."""

    angle: Tensor
    """``off`` over ``room``, (B, K, 1)."""
    turn: Tensor
    """Its slope as R_2_1 is turned further by a vector in camera 1, (B, K, 3)."""
    shift: Tensor
    """Its slope with the direction, (B, K, 3)."""


def distances(rays1: Tensor, rays2: Tensor, direction: Tensor) -> Distances:
    """Tell distances from epipolar planes, with the slope of ``room`` in theirs.

    Without that, least squares are drawn towards directions that lie along the rays: there ``off``
    is small whatever the pose. Arguments as of :func:`epipolar`; the direction has length 1.
    """
    normal, off, turn, room = epipolar(rays1, rays2, direction)
    along = direction[:, None].expand_as(rays1)
    cosine1, cosine2 = ((along * rays).sum(-1, keepdim=True) for rays in (rays1, rays2))
    angle = off / room
    part = angle / room.square()
    return Distances(
        angle,
        turn / room - part * cosine2 * torch.linalg.cross(rays2, along),
        normal / room + part * (cosine1 * rays1 + cosine2 * rays2),
    )


class Matched:
    """Rays of matches that are compared with many poses, a few products each.

    Args:
        rays1: Unit rays in camera 1, (B, K, 3).
        rays2: Their matches in camera 2, not turned, (B, K, 3).
    """

    def __init__(self, rays1: Tensor, rays2: Tensor) -> None:
        self.rays1, self.rays2 = rays1, rays2
        self._products = (rays1[..., :, None] * rays2[..., None, :]).flatten(2)
        eye = torch.eye(3, dtype=rays1.dtype, device=rays1.device)
        self._pick = eye[:, None]  # (i, 1, m): the ray of view 1
        # Rows of (k, i): what a ray of view 2 is multiplied by for part k of a normal.
        self._cross = torch.linalg.cross(eye[:, None].expand(3, 3, 3), eye.expand(3, 3, 3))
        self._cross = self._cross.permute(2, 0, 1).flatten(0, 1)

    def distances(self, R_2_1: Tensor, direction: Tensor) -> Tensor:
        """:func:`distances` of a pose: ``turn``, ``shift`` and ``angle`` in one, (B, K, 7).

        What does not depend on the lengths of planes is linear in the nine products of two rays.

        Args:
            R_2_1: Rotation, (B, 3, 3).
            direction: Of the translation, in camera 1, length 1, (B, 3).
        """
        along = direction[..., None]
        there = R_2_1 @ along  # the direction in camera 2
        normal = (self._cross @ R_2_1.mT).unflatten(1, (3, 3)).flatten(2).mT
        turn = self._pick * there[:, None] - R_2_1.mT[..., None] * direction[:, None, None]
        linear = torch.cat((turn.flatten(1, 2), normal, normal @ along), -1)
        found = self._products @ linear
        across = torch.linalg.cross(R_2_1, direction[:, None].expand_as(R_2_1))
        turned = self.rays2 @ torch.cat((R_2_1, across, there), -1)
        rays2, across, cosine2 = turned.split((3, 3, 1), -1)
        cosine1 = self.rays1 @ along
        share = (2 + NEAREST - cosine1.square() - cosine2.square()).rsqrt()
        bend = torch.cat((-cosine2 * across, cosine1 * self.rays1 + cosine2 * rays2), -1)
        bend = nn.functional.pad(bend, (0, 1))
        return share * (found + found[..., 6:] * share.square() * bend)


def parallax(rays1: Tensor, rays2: Tensor, direction: Tensor) -> Tensor:
    """How far rays move away from where the direction points, radians for small ones, (B, K).

    It is positive where the point lies before both cameras, and 0 for points that are infinitely
    far. Arguments as of :func:`epipolar`.
    """
    normal = torch.linalg.cross(rays1, rays2)
    away = torch.linalg.cross(rays2, direction[:, None].expand_as(rays2))
    length = torch.linalg.vector_norm(away, dim=-1).clamp(min=NEAREST**0.5)
    return (normal * away).sum(-1) / length


def slope(rays1: Tensor, rays2: Tensor, direction: Tensor) -> Tensor:
    """How (rays1 x rays2) . direction changes as R_2_1 is turned further, all (..., 3)."""
    return torch.linalg.cross(rays2, torch.linalg.cross(rays1, direction))


def _across(direction: Tensor, rays: Tensor) -> Tensor:
    """Square of the part of a direction that is across rays, (..., 1)."""
    return torch.linalg.cross(direction.expand_as(rays), rays).square().sum(-1, keepdim=True)
