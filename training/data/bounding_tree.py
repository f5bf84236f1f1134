# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tree of axis-aligned boxes over a scene's primitives, laid out for walks without a stack."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["bounding_tree"]


@njit(nogil=True, cache=True)
def bounding_tree(low, high):
    """Split by the surface area heuristic until each leaf holds one primitive.

    Source: Goldsmith & Salmon 1987; a ray meets a box as often as the box has area, so the split
    with the least sum of area times count over both sides is taken.

    Args:
        low: (P, 3) low corner of each primitive's box, metres.
        high: (P, 3) high corner.

    Returns:
        bounds (2 P - 1, 6), skip (2 P - 1,), leaf (2 P - 1,) as in ``raycast.Buffers``, nodes in
        depth-first order: a subtree of n primitives is 2 n - 1 nodes in a row.
    """
    count = len(low)
    bounds = np.empty((2 * count - 1, 6), np.float32)
    skip = np.empty(2 * count - 1, np.int32)
    leaf = np.full(2 * count - 1, -1, np.int32)
    order = np.arange(count)
    pending = [(0, 0, count)]
    while len(pending):
        node, begin, end = pending.pop()
        members = order[begin:end].copy()
        for axis in range(3):
            bounds[node, axis] = low[members, axis].min()
            bounds[node, 3 + axis] = high[members, axis].max()
        skip[node] = node + 2 * (end - begin) - 1
        if end - begin == 1:
            leaf[node] = members[0]
            continue
        best, middle = np.inf, begin
        for axis in range(3):
            by_axis = members[np.argsort(low[members, axis] + high[members, axis])]
            costs = _areas(low, high, by_axis)[:-1] * np.arange(1, len(members))
            costs += (_areas(low, high, by_axis[::-1])[:-1] * np.arange(1, len(members)))[::-1]
            if costs.min() < best:
                best, middle = costs.min(), begin + 1 + np.argmin(costs)
                order[begin:end] = by_axis
        pending.append((node + 2 * (middle - begin), middle, end))
        pending.append((node + 1, begin, middle))
    return bounds, skip, leaf


@njit(nogil=True, cache=True)
def _areas(low, high, members):
    """Half the surface of the box around the first 1, 2, ... of ``members``."""
    areas = np.empty(len(members))
    a, b = low[members[0]].copy(), high[members[0]].copy()
    for i, member in enumerate(members):
        for axis in range(3):
            a[axis] = min(a[axis], low[member, axis])
            b[axis] = max(b[axis], high[member, axis])
        x, y, z = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        areas[i] = x * y + y * z + z * x
    return areas
