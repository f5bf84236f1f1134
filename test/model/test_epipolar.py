# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from geloc3r_ros.model.epipolar import Matched, distances, epipolar, parallax, slope
from geloc3r_ros.model.rotation import rotation_of_vector


def exact(rays1, rays2, direction):
    return distances(epipolar(rays1, rays2, direction), rays1, rays2, direction)


def test_the_slope_is_what_a_small_turn_changes():
    generator = torch.Generator().manual_seed(3)
    rays1, rays2, direction = torch.randn(3, 5, 3, generator=generator, dtype=torch.float64)

    def off(turn):
        turned = rays2 @ rotation_of_vector(turn[None])[0]
        return (torch.linalg.cross(rays1, turned) * direction).sum(-1)

    steps = 1e-4 * torch.eye(3, dtype=torch.float64)
    expected = torch.stack([(off(step) - off(-step)) / 2e-4 for step in steps], -1)
    torch.testing.assert_close(slope(rays1, rays2, direction), expected, atol=1e-6, rtol=0)


def test_distances_from_products_are_those_from_rays():
    generator = torch.Generator().manual_seed(8)
    draw = torch.randn(2, 4, 30, 3, generator=generator, dtype=torch.float64)
    rays1, rays2 = torch.nn.functional.normalize(draw, dim=-1)
    turn, direction = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    R, direction = rotation_of_vector(turn), torch.nn.functional.normalize(direction, dim=-1)
    found = Matched(rays1, rays2).distances(R, direction)
    expected = exact(rays1, rays2 @ R, direction)
    together = torch.cat((expected.turn, expected.shift, expected.angle), -1)
    torch.testing.assert_close(found.mT, together)


def test_points_before_the_cameras_tell_the_sign_of_a_direction():
    # By hand: camera 2 stands 1 m to the left of camera 1, so that T_2_1 moves points to the
    # right; a point 10 m ahead moves by atan(1 / 10). One behind both moves the other way.
    right = torch.tensor([[1.0, 0.0, 0.0]])
    ahead, behind = torch.tensor([0.0, 0.0, 10.0]), torch.tensor([0.0, 0.0, -10.0])
    points = torch.stack((ahead, behind, 1e6 * ahead))[None]
    rays1 = torch.nn.functional.normalize(points, dim=-1)
    rays2 = torch.nn.functional.normalize(points + right, dim=-1)
    angle = np.sin(np.arctan(0.1))
    expected = torch.tensor([[angle, angle, 0.0]], dtype=torch.float32)
    torch.testing.assert_close(parallax(rays1, rays2, right), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(parallax(rays1, rays2, -right), -expected, atol=1e-5, rtol=0)
    # What a camera takes for the ray of a point behind it is that of the point's mirror image.
    mirrored = parallax(-rays1[:, 1:2], -rays2[:, 1:2], right)
    torch.testing.assert_close(mirrored, torch.tensor([[-angle]], dtype=torch.float32))


def test_distances_are_angles_and_their_slopes_are_exact():
    generator = torch.Generator().manual_seed(7)
    draw = torch.randn(3, 5, 3, generator=generator, dtype=torch.float64)
    rays1, rays2, direction = torch.nn.functional.normalize(draw, dim=-1)
    rays1, rays2, direction = rays1[None], rays2[None], direction[:1]

    def angle(change):
        turned = rays2 @ rotation_of_vector(change[None, :3])[0]
        shifted = torch.nn.functional.normalize(direction + change[3:], dim=-1)
        return epipolar(rays1, turned, shifted).angle[..., 0]

    steps = 1e-5 * torch.eye(6, dtype=torch.float64)
    slopes = torch.stack([(angle(step) - angle(-step)) / 2e-5 for step in steps], -1)
    found = exact(rays1, rays2, direction)
    torch.testing.assert_close(found.turn, slopes[..., :3], atol=1e-6, rtol=0)
    across = found.shift - (found.shift * direction).sum(-1, keepdim=True) * direction
    torch.testing.assert_close(across, slopes[..., 3:], atol=1e-3, rtol=0)
    # By hand: two rays in the plane of the baseline are at no distance; one lifted by 0.02 from
    # it, across the baseline as the other, is shared between both: 0.02 over the root of 2.
    x, z = torch.eye(3)[[0, 2]]
    lifted = torch.tensor([0.0, 0.02, 1.0])[None, None]
    assert epipolar(z[None, None], (z + 0.3 * x)[None, None] / 1.09**0.5, x[None]).angle == 0
    found = epipolar(z[None, None], torch.nn.functional.normalize(lifted, dim=-1), x[None]).angle
    assert float(found.abs()) == pytest.approx(0.02 / 2**0.5, rel=1e-3)
