# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measured covisibility against a loop over pixels, and reprojection by hand."""

import numpy as np
import pytest
import torch

from geloc3r_ros import geometry
from geloc3r_training.data.covisibility import covisibility, reproject

K = torch.tensor([[20.0, 0, 9.5], [0, 20, 7.5], [0, 0, 1]]).double()


def two_views(depth, T_a_b):
    poses = torch.from_numpy(np.stack([np.eye(4), T_a_b]))
    return torch.as_tensor(depth), K.expand(2, 3, 3), poses


def test_reproject_by_hand():
    # Camera b stands 1 m to the right: a point at 4 m moves 20 / 4 = 5 pixels to the left.
    depth = torch.full((2, 16, 20), 4.0)
    uv, z, known = reproject(*two_views(depth, geometry.make_transform(np.eye(3), [1, 0, 0])))
    assert uv.shape == (2, 2, 320, 2)
    assert uv[0, 1, 3 * 20 + 12].tolist() == pytest.approx([7, 3], abs=1e-5)
    assert uv[1, 0, 3 * 20 + 12].tolist() == pytest.approx([17, 3], abs=1e-5)
    assert uv[0, 0, 3 * 20 + 12].tolist() == pytest.approx([12, 3], abs=1e-5)
    assert z[0, 1] == pytest.approx(4)
    assert known.all()


def by_loop(depth, K, T_a_b, tolerance):
    K, T_b_a = K.numpy(), geometry.inverse(T_a_b)
    seen = valid = 0
    h, w = depth.shape[1:]
    for v in range(h):
        for u in range(w):
            z = depth[0, v, u]
            if z <= 0:
                continue
            valid += 1
            point = np.append(np.linalg.inv(K) @ [u, v, 1] * z, 1)
            x, y, z, _ = T_b_a @ point
            if z <= 0:
                continue
            p = K @ [x, y, z]
            column, row = round(p[0] / p[2]), round(p[1] / p[2])
            if 0 <= column < w and 0 <= row < h:
                seen += abs(z - depth[1, row, column]) < tolerance * z
    return seen / max(valid, 1)


def test_covisibility_against_a_loop():
    rng = np.random.default_rng(0)
    depth = rng.uniform(3.5, 4.5, (2, 16, 20))
    depth[:, :3] = 0
    T_a_b = geometry.make_transform(geometry.rotation_about([0, 1, 0], 0.2), [0.3, 0.1, -0.2])
    measured = covisibility(*two_views(depth, T_a_b), stride=1, tolerance=0.1)
    assert measured[0, 1] == pytest.approx(by_loop(depth, K, T_a_b, 0.1), abs=1e-6)
    back = by_loop(depth[::-1], K, geometry.inverse(T_a_b), 0.1)
    assert measured[1, 0] == pytest.approx(back, abs=1e-6)
    assert 0.1 < measured[0, 1] < 0.6
    assert measured.diagonal().tolist() == [1, 1]


def test_nothing_is_shared_back_to_back_nor_without_depth():
    depth = np.full((2, 16, 20), 4.0)
    behind = geometry.make_transform(geometry.rotation_about([0, 1, 0], np.pi), [0, 0, 0])
    assert covisibility(*two_views(depth, behind))[0, 1] == 0
    assert covisibility(*two_views(np.zeros_like(depth), np.eye(4))).tolist() == [[0, 0], [0, 0]]


def test_batches_are_independent():
    depth = torch.rand(3, 2, 16, 20, generator=torch.Generator().manual_seed(0)) + 3
    _, intrinsics, poses = two_views(depth[0], geometry.make_transform(np.eye(3), [0.2, 0, 0]))
    together = covisibility(depth, intrinsics.expand(3, 2, 3, 3), poses.expand(3, 2, 4, 4))
    for i in range(3):
        assert torch.equal(together[i], covisibility(depth[i], intrinsics, poses))
