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

from geloc3r_ros.model.epipolar import epipolar

__all__ = ["INFORMATION", "SUPPORT", "support"]

TOLERANCE = 0.01
"""Sine of the angle to its epipolar plane at which a match counts half; two pixels or so."""
INFORMATION = 21
"""Numbers of the upper triangle, by rows, of the information on rotation and direction."""
SUPPORT = 1 + 6 + 1 + INFORMATION
"""Numbers in all."""


@torch.no_grad()
def support(rays1: Tensor, rays2: Tensor, direction: Tensor, features: Tensor) -> Tensor:
    """Tell the numbers that speak for or against a pose.

    Matches far from their epipolar plane count little. What matches of noise of variance 1 would
    tie down, were all of them one match, is the information; its inverse times the noise is how
    sure the pose is if the matches that count are right but for noise (Hartley and Zisserman,
    Multiple View Geometry, section 5.1.3).

    Args:
        rays1: Unit rays in camera 1, (B, K, 3).
        rays2: Their matches, turned into camera 1 by the rotation of the pose, (B, K, 3).
        direction: Of its translation, in camera 1, unit length, (B, 3).
        features: How sure each match is, as :class:`~geloc3r_ros.model.matching.Matches` has it.

    Returns:
        (B, 29): mean probability of the matches, which counts the less the farther they are from
        these planes; second moments of the normals of their epipolar
        planes (6); variance of the mean of their distances from these planes, square radians;
        information (21) on a turn of R_2_1, as a vector in camera 1, and on a shift of the
        direction. Matrices are upper triangles by rows.
    """
    probability = (2 * (features[..., :1] - 1)).exp()  # the geometric mean of both ways
    normal, off, turn, room = epipolar(rays1, rays2, direction)
    along = direction[:, None].expand_as(rays2)
    aside = torch.linalg.vector_norm(torch.linalg.cross(along, rays2), dim=-1, keepdim=True)
    borne_out = probability / (1 + (off / (aside + 1e-6) / TOLERANCE).square())
    weight = borne_out / (borne_out.sum(1, keepdim=True) + 1e-6)
    noise = (weight * (off / room).square()).sum(1) * weight.square().sum(1)
    rows = torch.cat((turn, normal), -1) / room
    return torch.cat(
        (
            borne_out.mean(1),
            _triangle((weight * normal).mT @ normal),
            noise,
            _triangle((weight * rows).mT @ rows),
        ),
        -1,
    )


def _triangle(matrices: Tensor) -> Tensor:
    """Upper triangles by rows, (B, n (n + 1) / 2), of (B, n, n)."""
    row, column = torch.triu_indices(*matrices.shape[1:], device=matrices.device).unbind()
    return matrices[:, row, column]
