# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far matches lie from their epipolar planes, and how a change of the pose moves them.

Shapes: B pairs, K matches.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = [
    "Distances",
    "Epipolar",
    "Matched",
    "distances",
    "epipolar",
    "forms_of_bases",
    "parallax",
    "slope",
]

NEAREST = 1e-4
"""Least square of the sine of the angle between rays and baseline: nearer, a plane is open."""


PARTS = 7 * 9, 2 * 3, 8 * 2 * 3
"""How many numbers of a pose products of rays are multiplied by, see :func:`_forms`."""


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

    @property
    def angle(self) -> Tensor:
        """Angle to the epipolar plane, radians for small ones, with a sign, (B, K, 1)."""
        return self.off / self.room


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


def distances(planes: Epipolar, rays1: Tensor, rays2: Tensor, direction: Tensor) -> Distances:
    """Tell distances from epipolar planes, with the slope of ``room`` in theirs.

    Without that, least squares are drawn towards directions that lie along the rays: there ``off``
    is small whatever the pose.

    Args:
        planes: What :func:`epipolar` says of the other three, the direction having length 1.
    """
    along = direction[:, None].expand_as(rays1)
    cosine1, cosine2 = ((along * rays).sum(-1, keepdim=True) for rays in (rays1, rays2))
    angle = planes.angle
    part = angle / planes.room.square()
    return Distances(
        angle,
        planes.turn / planes.room - part * cosine2 * torch.linalg.cross(rays2, along),
        planes.normal / planes.room + part * (cosine1 * rays1 + cosine2 * rays2),
    )


class Matched:
    """Rays of matches that are compared with many poses, a few products each.

    :func:`distances` tells the same of one pose, and is how to read this. With the cosines c1, c2
    of the direction with the two rays, ``room² = 2 + NEAREST - c1² - c2²``, so that a slope of
    ``angle = off / room`` is ``off' / room + off / room³ (c1 c1' + c2 c2')``. Here ``off``, its
    slopes and all of what is squared or in brackets are products of the parts of two rays, times
    numbers of the pose: only these are computed anew for another pose.

    Args:
        rays1: Unit rays in camera 1, (B, K, 3).
        rays2: Their matches in camera 2, not turned, (B, K, 3).
    """

    def __init__(self, rays1: Tensor, rays2: Tensor) -> None:
        rays1, rays2 = rays1.mT.contiguous(), rays2.mT.contiguous()  # matches last: far faster
        self._between = _products(rays1, rays2)
        self._within = torch.cat((_products(rays1, rays1), _products(rays2, rays2)), 1)
        self._forms = forms_of_bases(rays1.dtype, rays1.device)

    def distances(self, R_2_1: Tensor, direction: Tensor) -> Tensor:
        """:func:`distances` of a pose: ``turn``, ``shift`` and ``angle`` in one, (B, 7, K).

        Args:
            R_2_1: Rotation, (B, 3, 3).
            direction: Of the translation, in camera 1, length 1, (B, 3).
        """
        R = nn.functional.pad(R_2_1.flatten(1), (0, 1), value=1.0)
        t = nn.functional.pad(direction, (0, 1), value=1.0)
        forms = (R[:, :, None] * t[:, None]).flatten(1) @ self._forms
        slopes, cosines, factors = forms.split(PARTS, -1)
        linear = slopes.unflatten(-1, (7, 9)) @ self._between
        factors = factors.unflatten(-1, (8, 2, 1, 3)) * cosines.unflatten(-1, (1, 2, 3, 1))
        bend, room = (factors.flatten(2) @ self._within).split((7, 1), 1)
        share = (room + (2 + NEAREST)).rsqrt()
        return share * torch.addcmul(linear, linear[:, 6:] * share.square(), bend)


def _products(rays1: Tensor, rays2: Tensor) -> Tensor:
    """Products (B, 9, K) of each part of one ray (B, 3, K) with each of the other."""
    return (rays1[:, :, None] * rays2[:, None]).flatten(1, 2)


def _forms(R: Tensor, r: Tensor, t: Tensor, u: Tensor) -> Tensor:
    """Numbers of a pose that products of rays are multiplied by, (..., 117), in ``PARTS``.

    They are linear in R (..., 3, 3) and r, which is 1 of a pose, and in t (..., 3) and u, 1 too.

    Returns:
        63: for ray 1 times ray 2, how ``off`` changes with a turn, the normal, and ``off``.
        6: what ray 1, and what ray 2, is multiplied by for its cosine with the direction.
        48: what these are to be multiplied by, for ray 1 times ray 1, and ray 2 times ray 2: how
        minus half the square of ``room`` changes with a turn and with the direction, 0, and
        minus the square of the cosine.
    """
    eye = torch.eye(3, dtype=R.dtype)
    cross = torch.linalg.cross(eye[:, None].expand(3, 3, 3), eye.expand(3, 3, 3))
    there = torch.einsum("...jl,...l->...j", R, t)  # the direction in camera 2
    normal = torch.einsum("ilk,...jl->...kij", cross, R)
    turn = torch.einsum("ki,...j->...kij", eye, there) - torch.einsum("...k,...ji->...kij", t, R)
    off = torch.einsum("...kij,...k->...ij", normal, t)
    across = torch.einsum("lnk,...jl,...n->...kj", cross, R, t)
    normal, along = normal * u[..., None, None, None], t * r[..., None]
    none = torch.zeros_like(across)
    ray1 = none, eye * (r * u)[..., None, None], none[..., :1, :], -along[..., None, :]
    ray2 = -across, R.mT * u[..., None, None], none[..., :1, :], -there[..., None, :]
    factors = torch.stack((torch.cat(ray1, -2), torch.cat(ray2, -2)), -2)
    linear = torch.cat((turn, normal, off[..., None, :, :]), -3)
    return torch.cat((linear.flatten(-3), along, there, factors.flatten(-3)), -1)


@functools.cache
def forms_of_bases(dtype: torch.dtype, device: torch.device) -> Tensor:
    """:func:`_forms` as a matrix (40, 117), by what they are of each part of R with each of t."""
    # Kept tensors must serve training too, where an inference tensor is refused.
    with torch.inference_mode(False):
        R = torch.eye(10, dtype=torch.float64)[:, None].expand(10, 4, 10).flatten(0, 1)
        t = torch.eye(4, dtype=torch.float64).repeat(10, 1)
        forms = _forms(R[:, :9].unflatten(-1, (3, 3)), R[:, 9], t[:, :3], t[:, 3])
        return forms.to(device, dtype)


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
