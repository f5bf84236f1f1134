# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera would see, by a few rays: for choosing viewpoints before anything is rendered."""

from __future__ import annotations

import numpy as np
from numba import njit

from geloc3r_training.data.raycast import FAR, NEAR, OFF_SURFACE, OPTIONS, Buffers, nearest

__all__ = ["glance", "overlap"]

COLUMNS, ROWS = 14, 10  # rays of a glance


def glance(buffers: Buffers, T_world_camera: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """Depth z and primitive (ROWS, COLUMNS, 2) on a grid of rays; depth 0 and -1 at the sky.

    Args:
        buffers: one scene, scene 0.
        T_world_camera: (4, 4).
        tangent: (2,) tangents of half the horizontal and vertical field of view.
    """
    found = np.empty((ROWS, COLUMNS, 2), np.float32)
    _glance(buffers, T_world_camera.astype(np.float32), tangent.astype(np.float32), found)
    return found


def overlap(
    buffers: Buffers, T_world_a: np.ndarray, T_world_b: np.ndarray, tangent: np.ndarray
) -> float:
    """Share of what camera a sees that camera b sees too: in its image and not hidden there."""
    found = glance(buffers, T_world_a, tangent)
    return float(
        _overlap(
            buffers,
            T_world_a.astype(np.float32),
            T_world_b.astype(np.float32),
            tangent.astype(np.float32),
            found,
        )
    )


@njit(**OPTIONS)
def _ray(T_world_camera, x, y):
    return (
        T_world_camera[0, 0] * x + T_world_camera[0, 1] * y + T_world_camera[0, 2],
        T_world_camera[1, 0] * x + T_world_camera[1, 1] * y + T_world_camera[1, 2],
        T_world_camera[2, 0] * x + T_world_camera[2, 1] * y + T_world_camera[2, 2],
    )


@njit(**OPTIONS)
def _grid(row, column, tangent):
    x = np.float32((2 * column + 1) / COLUMNS - 1) * tangent[0]
    y = np.float32((2 * row + 1) / ROWS - 1) * tangent[1]
    return x, y


@njit(**OPTIONS)
def _first(buffers, o, d, t_max, any_hit):
    return nearest(
        buffers.first_node[0],
        buffers.first_node[1],
        buffers.bounds,
        buffers.skip,
        buffers.leaf,
        buffers.kind,
        buffers.local_world,
        o,
        d,
        NEAR,
        t_max,
        -1,
        any_hit,
    )


@njit(**OPTIONS)
def _glance(buffers, T_world_camera, tangent, found):
    o = T_world_camera[0, 3], T_world_camera[1, 3], T_world_camera[2, 3]
    for row in range(ROWS):
        for column in range(COLUMNS):
            x, y = _grid(row, column, tangent)
            hit, t = _first(buffers, o, _ray(T_world_camera, x, y), FAR, False)
            found[row, column, 0] = t if hit >= 0 else np.float32(0)
            found[row, column, 1] = hit


@njit(**OPTIONS)
def _overlap(buffers, T_world_a, T_world_b, tangent, found):
    known, seen = 0, 0
    eye = T_world_b[0, 3], T_world_b[1, 3], T_world_b[2, 3]
    clear = np.float32(1) - OFF_SURFACE
    for row in range(ROWS):
        for column in range(COLUMNS):
            z = found[row, column, 0]
            if z <= 0:
                continue
            known += 1
            x, y = _grid(row, column, tangent)
            d = _ray(T_world_a, x, y)
            to_point = (
                T_world_a[0, 3] + z * d[0] - eye[0],
                T_world_a[1, 3] + z * d[1] - eye[1],
                T_world_a[2, 3] + z * d[2] - eye[2],
            )
            a = b = c = np.float32(0)
            for k in range(3):
                a += T_world_b[k, 0] * to_point[k]
                b += T_world_b[k, 1] * to_point[k]
                c += T_world_b[k, 2] * to_point[k]
            if c > NEAR and abs(a) < c * tangent[0] and abs(b) < c * tangent[1]:
                blocker, _ = _first(buffers, eye, to_point, clear, True)
                seen += 1 if blocker < 0 else 0
    return seen / max(known, 1)
