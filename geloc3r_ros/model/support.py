# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How well the matches of two views bear out the pose that was read off them.

A network gives a pose for any two images. Where they show nothing, or nothing in common, no match
is sure. Where the camera hardly moved, or what is seen leaves it open whereto, several directions
of the translation explain the matches equally well.

Shapes: B pairs, K matches.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["support"]

TOLERANCE = 0.01
"""Sine of the angle to its epipolar plane at which a match counts half; two pixels or so."""


@torch.no_grad()
def support(rays1: Tensor, rays2: Tensor, direction: Tensor, features: Tensor) -> Tensor:
    """Tell the numbers that speak for or against a pose.

    Args:
        rays1: Unit rays in camera 1, (B, K, 3).
        rays2: Their matches, turned into camera 1 by the rotation of the pose, (B, K, 3).
        direction: Of its translation, in camera 1, unit length, (B, 3).
        features: How sure each match is, as :class:`~geloc3r_ros.model.matching.Matches` has it.

    Returns:
        (B, 7): mean probability of the matches; second moments of the normals of their epipolar
        planes, the upper triangle by rows, in which matches far from the plane count little.
    """
    probability = (2 * (features[..., :1] - 1)).exp()  # the geometric mean of both ways
    along = direction[:, None].expand_as(rays2)
    normal = torch.linalg.cross(rays1, rays2)
    room = torch.linalg.vector_norm(torch.linalg.cross(along, rays2), dim=-1, keepdim=True)
    off = (normal * along).sum(-1, keepdim=True) / (room + 1e-6)
    weight = probability / (1 + (off / TOLERANCE).square())
    weight = weight / (weight.sum(1, keepdim=True) + 1e-6)
    moments = (weight * normal).mT @ normal
    row, column = torch.triu_indices(3, 3, device=moments.device).unbind()
    return torch.cat((probability.mean(1), moments[:, row, column]), -1)
