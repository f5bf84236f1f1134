# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pose from three points, batched: every operation is closed form, none is an iterative solver.

The idea is Persson and Nordberg's Lambda Twist (ECCV 2018): the depths of the three points satisfy
two homogeneous quadratic equations, whose pencil holds a degenerate conic; its two lines meet
either conic in at most four points. The lines come from the adjugate of the degenerate conic
(Richter-Gebert, Perspectives on Projective Geometry, section 11) rather than its eigenvectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["p3p"]

SMALLEST = 1e-30
"""Added where a division by an exact zero would give NaN; far below any value that matters."""


def p3p(points_1: Tensor, bearings_2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Poses of camera 2 from which three known points are seen along three given rays.

    Args:
        points_1: Three points in frame 1, (..., 3, 3), one a row, float64.
        bearings_2: Their unit rays in camera 2, (..., 3, 3), one a row.

    Returns:
        ``R_2_1`` (..., 4, 3, 3), ``t_2_1`` (..., 4, 3) and which of the four are solutions
        (..., 4). What is not a solution may hold any number, NaN too.
    """
    first, second = [0, 0, 1], [1, 2, 2]
    squared_sides = (points_1[..., first, :] - points_1[..., second, :]).square().sum(-1)
    cosines = (bearings_2[..., first, :] * bearings_2[..., second, :]).sum(-1)
    size = squared_sides.mean(-1, keepdim=True) + SMALLEST
    depths, real = _depths(squared_sides / size, cosines)
    depths = depths * size.sqrt()[..., None]
    points_2 = depths[..., None] * bearings_2[..., None, :, :]
    R_2_1 = _triangle_axes(points_2) @ _triangle_axes(points_1)[..., None, :, :].mT
    centre_1 = points_1.mean(-2)[..., None, :, None]
    t_2_1 = points_2.mean(-2) - (R_2_1 @ centre_1)[..., 0]
    # Points on a line carry no axes, and points that are not finite none that are.
    rigid = (_determinant(R_2_1) - 1.0).abs() < 1e-6
    return R_2_1, t_2_1, real & rigid & t_2_1.isfinite().all(-1) & (depths > 0).all(-1)


def _depths(squared_sides: Tensor, cosines: Tensor) -> tuple[Tensor, Tensor]:
    """Depths (..., 4, 3) along the rays, and whether each of the four is real (..., 4).

    They solve ``d_i^2 + d_j^2 - 2 c_ij d_i d_j = s_ij`` for (i, j) = (0, 1), (0, 2), (1, 2).
    """
    M_01, M_02, M_12 = _side_forms(cosines)
    s_01, s_02, s_12 = (s[..., None, None] for s in squared_sides.unbind(-1))
    conic_a, conic_b = M_01 * s_12 - M_12 * s_01, M_02 * s_12 - M_12 * s_02
    swap = (_determinant(conic_a).abs() > _determinant(conic_b).abs())[..., None, None]
    conic_a, conic_b = torch.where(swap, conic_b, conic_a), torch.where(swap, conic_a, conic_b)

    mix = _pencil_root(conic_a, conic_b)[..., None, None]
    lines, real = _lines_of(conic_a + mix * conic_b)
    other = torch.where(mix.abs() > 1, conic_a, conic_b)
    directions, meets = _meet(lines, other[..., None, :, :])
    directions = directions.flatten(-3, -2)
    form = (M_01 + M_02 + M_12)[..., None, :, :]
    length = ((directions[..., None, :] @ form)[..., 0, :] * directions).sum(-1)
    scale = (squared_sides.sum(-1)[..., None] / length).sqrt()
    depths = directions * (scale * directions.sum(-1).sign())[..., None]
    depths = _polish(depths, squared_sides[..., None, :], cosines[..., None, :])
    return depths, real[..., None] & meets.flatten(-2)


def _side_forms(cosines: Tensor) -> list[Tensor]:
    """Matrices M (..., 3, 3) with ``d^T M d = d_i^2 + d_j^2 - 2 c_ij d_i d_j``, one a pair."""
    forms = []
    for pair, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        M = cosines.new_zeros(*cosines.shape[:-1], 3, 3)
        M[..., i, i] = M[..., j, j] = 1.0
        M[..., i, j] = M[..., j, i] = -cosines[..., pair]
        forms.append(M)
    return forms


def _adjugate(M: Tensor) -> Tensor:
    """Adjugate (..., 3, 3) of a matrix: ``M @ adjugate = det(M) I``."""
    a, b, c = M.unbind(-2)
    columns = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    return torch.stack(columns, dim=-1)


def _determinant(M: Tensor) -> Tensor:
    a, b, c = M.unbind(-2)
    return (a * torch.linalg.cross(b, c)).sum(-1)


def _pencil_root(A: Tensor, B: Tensor) -> Tensor:
    """A real x (...) with ``det(A + x B) = 0``: of three real ones the one that stands apart."""
    leading = _determinant(B)
    leading = torch.where(leading.abs() < SMALLEST, SMALLEST, leading)
    c_2 = (_adjugate(B).mT * A).sum((-2, -1)) / leading
    c_1 = (_adjugate(A).mT * B).sum((-2, -1)) / leading
    c_0 = _determinant(A) / leading
    p, q = c_1 - c_2.square() / 3, c_2 * (2 * c_2.square() - 9 * c_1) / 27 + c_0
    discriminant = q.square() / 4 + (p / 3) ** 3
    side = torch.where(q > 0, -1.0, 1.0)
    radius = (-p / 3).clamp_min(SMALLEST).sqrt()
    three = 2 * radius * torch.cos(torch.acos((q.abs() / 2 / radius**3).clamp(0, 1)) / 3)
    cube = (q.abs() / 2 + discriminant.clamp_min(0).sqrt()) ** (1 / 3) + SMALLEST
    x = side * torch.where(discriminant < 0, three, cube - p / (3 * cube)) - c_2 / 3
    for _ in range(2):
        slope = (3 * x + 2 * c_2) * x + c_1
        step = (((x + c_2) * x + c_1) * x + c_0) / slope
        x = torch.where(step.abs() < x.abs(), x - step, x)
    return x


def _lines_of(conic: Tensor) -> tuple[Tensor, Tensor]:
    """Both lines (..., 2, 3) of a degenerate conic (..., 3, 3), and whether they are real."""
    adjugate = _adjugate(conic)
    diagonal = adjugate.diagonal(dim1=-2, dim2=-1)
    largest = diagonal.abs().argmax(-1)[..., None]
    squared = -diagonal.gather(-1, largest)
    meeting = adjugate.gather(-1, largest[..., None].expand_as(adjugate[..., :1]))[..., 0]
    x, y, z = (meeting / (squared.abs().sqrt() + SMALLEST)).unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    rank_one = conic + skew
    largest = rank_one.flatten(-2).abs().argmax(-1)[..., None, None]
    row = rank_one.gather(-2, (largest // 3).expand_as(rank_one[..., :1, :]))
    column = rank_one.gather(-1, (largest % 3).expand_as(rank_one[..., :1]))
    lines = torch.cat([row, column.mT], dim=-2)
    return lines, squared[..., 0] > 0


def _meet(line: Tensor, conic: Tensor) -> tuple[Tensor, Tensor]:
    """Both points (..., 2, 3) where a line (..., 3) meets a conic, and whether they are real."""
    line = line / (torch.linalg.vector_norm(line, dim=-1, keepdim=True) + SMALLEST)
    axis = torch.nn.functional.one_hot(line.abs().argmin(-1), 3).to(line)
    u = torch.nn.functional.normalize(torch.linalg.cross(line, axis), dim=-1)
    v = torch.linalg.cross(line, u)
    u_conic, v_conic = (u[..., None, :] @ conic)[..., 0, :], (v[..., None, :] @ conic)[..., 0, :]
    a, b, c = (u_conic * u).sum(-1), (u_conic * v).sum(-1), (v_conic * v).sum(-1)
    discriminant = b.square() - a * c
    real = discriminant > -1e-9 * (b.square() + (a * c).abs())
    root = -(b + torch.where(b < 0, -1.0, 1.0) * discriminant.clamp_min(0).sqrt())
    first = root[..., None] * u + a[..., None] * v
    second = c[..., None] * u + root[..., None] * v
    return torch.stack([first, second], dim=-2), torch.stack([real, real], dim=-1)


def _polish(depths: Tensor, squared_sides: Tensor, cosines: Tensor) -> Tensor:
    """Two Newton steps on the three equations of the depths; a step that is not finite stays."""
    for _ in range(2):
        d_0, d_1, d_2 = depths.unbind(-1)
        c_01, c_02, c_12 = cosines.unbind(-1)
        zero = torch.zeros_like(d_0)
        rows = [
            torch.stack([d_0 - c_01 * d_1, d_1 - c_01 * d_0, zero], dim=-1),
            torch.stack([d_0 - c_02 * d_2, zero, d_2 - c_02 * d_0], dim=-1),
            torch.stack([zero, d_1 - c_12 * d_2, d_2 - c_12 * d_1], dim=-1),
        ]
        half_slope = torch.stack(rows, dim=-2)
        value = (half_slope @ depths[..., None])[..., 0] - squared_sides
        determinant = _determinant(half_slope)[..., None]
        step = (_adjugate(half_slope) @ value[..., None])[..., 0] / (2 * determinant)
        depths = torch.where(step.abs() < depths.abs(), depths - step, depths)
    return depths


def _triangle_axes(corners: Tensor) -> Tensor:
    """Orthonormal axes (..., 3, 3), columns, that a triangle (..., 3, 3) carries with it."""
    side = torch.nn.functional.normalize(corners[..., 1, :] - corners[..., 0, :], dim=-1)
    normal = torch.linalg.cross(side, corners[..., 2, :] - corners[..., 0, :])
    normal = torch.nn.functional.normalize(normal, dim=-1)
    return torch.stack([side, torch.linalg.cross(normal, side), normal], dim=-1)
