# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tree of axis-aligned boxes over a scene's primitives, laid out for walks without a stack."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["bounding_tree"]


@njit(nogil=True, cache=True)
def bounding_tree(low, high):
    """Split at the median along the longest axis until each leaf holds one primitive.

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
        members = order[begin:end]
        for axis in range(3):
            bounds[node, axis] = low[members, axis].min()
            bounds[node, 3 + axis] = high[members, axis].max()
        skip[node] = node + 2 * (end - begin) - 1
        if end - begin == 1:
            leaf[node] = members[0]
            continue
        longest = np.argmax(bounds[node, 3:] - bounds[node, :3])
        order[begin:end] = members[np.argsort(low[members, longest] + high[members, longest])]
        middle = (begin + end) // 2
        pending.append((node + 2 * (middle - begin), middle, end))
        pending.append((node + 1, begin, middle))
    return bounds, skip, leaf
