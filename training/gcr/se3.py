# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms, projections and angles on batched torch tensors.

The convention is that of ``geloc3r_ros.geometry``: ``T_a_b`` (..., 4, 4) maps points of frame b
into frame a. Everything here is differentiable, and finite wherever its inputs are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = [
    "angle_between",
    "inverse",
    "make_transform",
    "pose_errors",
    "project",
    "relative_twist",
    "retract",
    "rotation_angle",
    "transform",
]

NEAR = 1e-6
"""Depth at or below which a point counts as behind the camera."""


def make_transform(R_a_b: Tensor, t_a_b: Tensor) -> Tensor:
    """Build ``T_a_b`` (..., 4, 4) from rotations (..., 3, 3) and translations (..., 3)."""
    top = torch.cat([R_a_b, t_a_b[..., None]], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def inverse(T_a_b: Tensor) -> Tensor:
    """Return ``T_b_a`` (..., 4, 4)."""
    R_b_a = T_a_b[..., :3, :3].mT
    return make_transform(R_b_a, -(R_b_a @ T_a_b[..., :3, 3:])[..., 0])


def transform(T_a_b: Tensor, points_b: Tensor) -> Tensor:
    """Map points (..., N, 3) of frame b into frame a."""
    return points_b @ T_a_b[..., :3, :3].mT + T_a_b[..., None, :3, 3]


def project(K: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Pixels (..., N, 2) of points (..., N, 3) in camera axes, and whether they are in front.

    The pixel of a point that is not in front is finite, means nothing and carries no gradient.
    """
    in_front = points[..., 2] > NEAR
    optical_axis = points.new_tensor([0.0, 0.0, 1.0])
    homogeneous = torch.where(in_front[..., None], points, optical_axis) @ K.mT
    return homogeneous[..., :2] / homogeneous[..., 2:], in_front


def rotation_angle(R: Tensor) -> Tensor:
    """Angle (...) of rotations (..., 3, 3) in [0, pi]; its slope is finite at 0 and at pi."""
    trace = R.diagonal(dim1=-2, dim2=-1).sum(-1)
    return torch.atan2(torch.linalg.vector_norm(_axis(R), dim=-1), trace - 1.0)


def angle_between(a: Tensor, b: Tensor) -> Tensor:
    """Angle (...) between vectors (..., 3) in [0, pi]; 0 without slope where one has no length."""
    sine = torch.linalg.vector_norm(torch.linalg.cross(a, b), dim=-1)
    cosine = (a * b).sum(-1)
    defined = (sine > 0) | (cosine != 0)
    return torch.atan2(sine, torch.where(defined, cosine, torch.ones_like(cosine)))


def pose_errors(T_estimated: Tensor, T_true: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation error and translation-direction error (...), radians; the sign is not folded."""
    return (
        rotation_angle(T_estimated[..., :3, :3] @ T_true[..., :3, :3].mT),
        angle_between(T_estimated[..., :3, 3], T_true[..., :3, 3]),
    )


def retract(T_a_b: Tensor, twist: Tensor) -> Tensor:
    """Move poses (..., 4, 4) by twists (..., 6) in axes a: first rotate by the last three numbers,
    a rotation vector, then translate by the first three.
    """
    x, y, z = twist[..., 3:].unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    turns = torch.linalg.vector_norm(twist[..., 3:], dim=-1)[..., None, None] / torch.pi
    rotation = (
        torch.eye(3).to(twist)
        + torch.sinc(turns) * skew
        + 0.5 * torch.sinc(turns / 2).square() * (skew @ skew)
    )
    moved = rotation @ T_a_b[..., :3, :]
    return make_transform(moved[..., :3], moved[..., 3] + twist[..., :3])


def relative_twist(T_from: Tensor, T_to: Tensor) -> Tensor:
    """The twists (..., 6) with ``retract(T_from, twist) == T_to``; turns short of half a turn."""
    rotation = T_to[..., :3, :3] @ T_from[..., :3, :3].mT
    turn = normalize(_axis(rotation), dim=-1) * rotation_angle(rotation)[..., None]
    shift = T_to[..., :3, 3] - (rotation @ T_from[..., :3, 3:])[..., 0]
    return torch.cat([shift, turn], dim=-1)


def _axis(R: Tensor) -> Tensor:
    """Axis of rotations (..., 3), twice the sine of the angle long."""
    return torch.stack(
        [
            R[..., 2, 1] - R[..., 1, 2],
            R[..., 0, 2] - R[..., 2, 0],
            R[..., 1, 0] - R[..., 0, 1],
        ],
        dim=-1,
    )
