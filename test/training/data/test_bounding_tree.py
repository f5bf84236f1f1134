# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The walk through the tree against a search through everything."""

import numpy as np

from geloc3r_training.data.bounding_tree import bounding_tree
from geloc3r_training.data.raycast import BOX, FAR, NEAR, nearest


def random_boxes(rng, count):
    centre, half = rng.uniform(-5, 5, (count, 3)), rng.uniform(0.1, 1.0, (count, 3))
    local_world = np.zeros((count, 12), np.float32)
    for axis in range(3):
        local_world[:, 5 * axis] = 1 / half[:, axis]
        local_world[:, 4 * axis + 3] = -centre[:, axis] / half[:, axis]
    return centre - half, centre + half, local_world


def search(low, high, o, d):
    """First box on each ray from outside all boxes, or -1."""
    a, b = (low - o) / d, (high - o) / d
    enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
    t = np.where((enter <= leave) & (enter > 1e-3), enter, np.inf)
    return int(np.argmin(t)) if np.isfinite(t).any() else -1


def test_the_nearest_of_many_boxes():
    rng = np.random.default_rng(0)
    low, high, local_world = random_boxes(rng, 60)
    bounds, skip, leaf = bounding_tree(low, high)
    kind = np.full(60, BOX, np.int32)
    hits = 0
    for _ in range(300):
        o = rng.normal(0, 1, 3)
        o = (20 * o / np.linalg.norm(o)).astype(np.float32)
        d = (rng.uniform(-4, 4, 3) - o).astype(np.float32)
        walk = nearest(
            0, len(skip), bounds, skip, leaf, kind, local_world, tuple(o), tuple(d),
            NEAR, FAR, -1, False,
        )  # fmt: skip
        expected = search(low, high, o, d)
        assert walk[0] == expected
        hits += expected >= 0
    assert hits > 100


def test_layout_of_the_tree():
    low = np.array([[0.0, 0, 0], [5, 0, 0], [9, 0, 0]])
    bounds, skip, leaf = bounding_tree(low, low + 1)
    assert sorted(leaf[leaf >= 0]) == [0, 1, 2]
    assert skip[0] == len(skip) == 5
    assert bounds[0].tolist() == [0, 0, 0, 10, 1, 1]
    for node in range(5):
        if leaf[node] >= 0:
            assert skip[node] == node + 1
            assert bounds[node, :3].tolist() == low[leaf[node]].tolist()


def test_one_primitive_is_one_leaf():
    _, skip, leaf = bounding_tree(np.zeros((1, 3)), np.ones((1, 3)))
    assert (skip.tolist(), leaf.tolist()) == ([1], [0])
