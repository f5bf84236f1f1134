# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import torch

from geloc3r_ros.model.rotation import rotation_of_vector
from geloc3r_ros.model.rounds import Round, _along, _left


def test_epipolar_planes_tell_the_direction():
    # Without rotation all planes hold the baseline: what they leave room for is its projector.
    t = torch.nn.functional.normalize(torch.tensor([0.6, -0.2, 0.5]), dim=0)
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(50, 3, generator=generator) + torch.tensor([0.0, 0.0, 4.0])
    normals = torch.linalg.cross(points, t.expand(50, 3))
    normals = torch.nn.functional.normalize(normals, dim=-1)
    across = (normals[:, :, None] * normals[:, None]).mean(0)
    torch.testing.assert_close(_along(across), t[:, None] * t, atol=1e-4, rtol=0)


def test_least_squares_find_a_small_error_of_the_pose():
    """By hand: the pose is wrong by a turn and a tilt of the direction; matches are true."""
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(2, 60, 3, generator=generator) * 2 + torch.tensor([-1.0, -1.0, 2.0])
    t = torch.nn.functional.normalize(torch.tensor([[0.9, -0.2, 0.3], [0.1, 0.5, -0.4]]), dim=-1)
    turn = torch.tensor([[0.01, -0.02, 0.005], [-0.004, 0.01, 0.02]])
    tilt = torch.linalg.cross(t, torch.tensor([[0.0, 0.01, 0.02], [0.02, 0.0, -0.01]]))
    rays1 = torch.nn.functional.normalize(points, dim=-1)
    rays2 = torch.nn.functional.normalize(points + 0.4 * t[:, None], dim=-1)
    features = torch.zeros(2, 60, 2)
    later, turned = Round(64), rays2 @ rotation_of_vector(turn)
    with torch.no_grad():  # all matches count alike
        torch.nn.init.zeros_(later.trust.weight)
        *_, steps = later._look(_left(rays1, turned, t + tilt), features, 0.0)
    torch.testing.assert_close(steps[:, 0, :3], -turn, atol=2e-3, rtol=0.1)
    torch.testing.assert_close(steps[:, 0, 3:], -tilt, atol=4e-3, rtol=0.2)
