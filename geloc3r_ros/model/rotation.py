# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rotation matrices of rotation vectors, in batches."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["rotation_of_vector", "turned"]


def rotation_of_vector(vector: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) of rotation vectors (B, 3)."""
    angle = torch.linalg.vector_norm(vector, dim=-1).clamp(min=1e-8)[:, None, None]
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    hat = torch.stack((o, -z, y, z, o, -x, -y, x, o), -1).unflatten(-1, (3, 3)) / angle
    eye = torch.eye(3, device=vector.device)
    return eye + angle.sin() * hat + (1 - angle.cos()) * (hat @ hat)


def turned(R: Tensor, step: Tensor) -> Tensor:
    """Rotations (B, 3, 3) turned further by small vectors (B, 3), by Cayley's formula.

    The angle is the vector's length to second order, in fewer operations than
    :func:`rotation_of_vector` takes; it is a rotation in any case.
    """
    vector = step[:, None].expand_as(R)
    once = torch.linalg.cross(R, vector)
    both = torch.add(once, torch.linalg.cross(once, vector), alpha=0.5)
    return R + both / (1 + step.square().sum(-1)[:, None, None] / 4)
