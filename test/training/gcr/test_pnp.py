# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import poselib
import pytest
import torch
from torch.nn.functional import normalize

from geloc3r_training.gcr.pnp import p3p
from geloc3r_training.gcr.se3 import transform


@pytest.fixture(scope="module")
def triples(simulate):
    """Points, rays and true poses of 2000 minimal problems."""
    scene = simulate(batch=2000, count=3)
    rays = normalize(transform(scene.T_2_1, scene.points_1), dim=-1)
    return scene.points_1, rays, scene.T_2_1


def test_the_true_pose_is_among_the_solutions(triples):
    points, rays, T = triples
    R, t, solved = p3p(points, rays)
    difference = (R - T[:, None, :3, :3]).abs().amax((-1, -2))
    difference += (t - T[:, None, :3, 3]).abs().amax(-1)
    assert torch.where(solved, difference, torch.inf).amin(1).max() < 1e-6


def test_every_solution_is_a_rotation_that_sees_the_points_along_the_rays(triples):
    points, rays, _ = triples
    R, t, solved = p3p(points, rays)
    R, t = R[solved], t[solved]
    which = solved.nonzero()[:, 0]
    torch.testing.assert_close(R @ R.mT, torch.eye(3).double().expand_as(R))
    assert torch.linalg.det(R).min() > 0
    seen = normalize(points[which] @ R.mT + t[:, None], dim=-1)
    assert (seen - rays[which]).abs().max() < 1e-8


def test_the_solutions_are_those_of_poselib(triples):
    points, rays, _ = triples
    R, t, solved = p3p(points[:200], rays[:200])
    for index in range(200):
        theirs = np.array(
            [pose.Rt for pose in poselib.p3p(rays[index].numpy(), points[index].numpy())]
        )
        ours = torch.cat([R[index], t[index][..., None]], dim=-1)[solved[index]].numpy()
        distance = np.abs(ours[:, None] - theirs[None]).max((-1, -2))
        assert distance.min(0).max() < 1e-5, "a solution of poselib is missing"
        assert distance.min(1).max() < 1e-5, "a solution that poselib does not have"


def test_a_hand_computed_pose():
    # Camera 2 stands at the origin of frame 1, turned by 90 degrees about the optical axis.
    points = torch.tensor([[1.0, 0, 4], [0, 1, 5], [-1, -1, 6]], dtype=torch.float64)
    R_2_1 = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    R, t, solved = p3p(points, normalize(points @ R_2_1.T, dim=-1))
    distance = (R - R_2_1).abs().amax((-1, -2)) + t.abs().amax(-1)
    assert distance[solved].min() < 1e-9


@pytest.mark.parametrize(
    "points",
    [
        [[1.0, 2, 3], [1, 2, 3], [1, 2, 3]],
        [[0.0, 0, 3], [0.1, 0, 3], [0.2, 0, 3]],
        [[0.0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[float("nan"), 0, 3], [0, 1, 3], [1, 0, 3]],
        [[float("inf"), 0, 3], [0, 1, 3], [1, 0, 3]],
    ],
    ids=["coincident", "collinear", "zero", "nan", "infinite"],
)
def test_degenerate_points_give_no_exception_and_no_wrong_solution(points):
    points = torch.tensor(points, dtype=torch.float64)
    rays = normalize(points, dim=-1)
    R, t, solved = p3p(points, rays)
    assert R[solved].isfinite().all()
    assert t[solved].isfinite().all()
    assert torch.allclose(R[solved] @ R[solved].mT, torch.eye(3).double(), atol=1e-9)
