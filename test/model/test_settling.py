# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from geloc3r_ros.model.rotation import rotation_of_vector
from geloc3r_ros.model.settling import Search, Settling


@pytest.mark.parametrize(("turn", "tilt"), [(0.0, 0.0), (0.15, 0.9), (-0.05, -0.3)])
def test_a_pose_settles_where_its_matches_agree(facade, turn, tilt):
    """Directions 17 and 52 degrees off are found again.

    Without the slope of the room of planes they end 36 and 109 degrees off.
    """
    rays1, rays2, R_2_1, direction = facade
    settling = Settling(4, widest=8e-3, narrowest=2e-3, steps=16)
    about = torch.tensor([[0.0, 1.0, 0.0]])
    start = R_2_1 @ rotation_of_vector(turn * about)
    tilted = (rotation_of_vector(tilt * about) @ direction[..., None])[..., 0]
    sure = torch.ones(rays1.shape[:2])
    with torch.no_grad():
        R, found = settling(rays1, rays2, start, tilted, sure)
    angle = torch.arccos((((R[0].mT @ R_2_1[0]).trace() - 1) / 2).clamp(-1, 1))
    assert torch.rad2deg(angle) < 1
    assert torch.rad2deg(torch.arccos((found * direction).sum().clamp(-1, 1))) < 2


def test_matches_that_do_not_count_change_nothing(facade):
    rays1, rays2, R_2_1, direction = facade
    settling = Settling(4, widest=8e-3, narrowest=2e-3, steps=8)
    start = R_2_1 @ rotation_of_vector(torch.tensor([[0.01, 0.02, 0.0]])), direction
    few = slice(0, 150)
    sure = torch.zeros(rays1.shape[:2])
    sure[:, few] = 1.0
    with torch.no_grad():
        found = settling(rays1, rays2, *start, sure)
        expected = settling(rays1[:, few], rays2[:, few], *start, sure[:, few])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.1, -0.5, 0.0), (0.0, 0.3, 0.2)])
def test_a_search_finds_a_pose_from_far_off(facade, turn):
    """Whatever the first direction, here the opposite of the true one, and 29 degrees off."""
    rays1, rays2, R_2_1, direction = facade
    search = Search(4, widest=8e-2, narrowest=5e-3, steps=10)
    sure = torch.ones(2, rays1.shape[1])
    start = R_2_1 @ rotation_of_vector(torch.tensor([turn]))
    with torch.no_grad():  # of two pairs, each has a pose of its own
        R, found = search(
            torch.cat((rays1, rays2)),
            torch.cat((rays2, rays1)),
            torch.cat((start, start.mT)),
            torch.cat((-direction, direction)),
            sure,
        )
    angle = torch.arccos((((R[0].mT @ R_2_1[0]).trace() - 1) / 2).clamp(-1, 1))
    assert torch.rad2deg(angle) < 5
    assert torch.rad2deg(torch.arccos((found[0] * direction).sum().clamp(-1, 1))) < 15
    torch.testing.assert_close(R[1], R[0].mT, atol=0.1, rtol=0)
    back = -(R_2_1[0] @ direction[0])  # of T_1_2, in camera 2
    assert torch.rad2deg(torch.arccos((found[1] * back).sum().clamp(-1, 1))) < 15


def test_no_direction_is_far_from_where_a_search_starts():
    axes = Search.axes(torch.device("cpu"))
    assert axes.shape == (7, 3)
    lines = torch.nn.functional.normalize(torch.randn(5000, 3), dim=-1)
    nearest = (lines @ axes.mT).abs().amax(1)
    assert torch.rad2deg(torch.arccos(nearest.clamp(max=1))).max() < 40
