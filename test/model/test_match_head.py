# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from geloc3r_ros.model.match_head import MatchPoseHead, Side, _inverse, rays
from geloc3r_ros.model.rotation import rotation_of_vector
from geloc3r_ros.model.support import support


@pytest.fixture
def head():
    torch.manual_seed(0)
    head = MatchPoseHead(8)
    for part in (head.first, head.later):  # a start without any correction hides everything
        torch.nn.init.normal_(part.say.weight, std=0.02)
    return head


def matches(count=2, points=60, seed=1):
    """Matches of points that either camera sees, exact but for a milliradian."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    seen = normal(count, points, 3) + torch.tensor([0.0, 0.0, 4.0])
    R_2_1 = rotation_of_vector(0.2 * normal(count, 3))
    moved = seen @ R_2_1.mT + torch.nn.functional.normalize(normal(count, 1, 3), dim=-1)
    both = (torch.nn.functional.normalize(x, dim=-1) for x in (seen, moved))
    noisy = (torch.nn.functional.normalize(x + 1e-3 * normal(*x.shape), dim=-1) for x in both)
    return Side(*noisy, normal(count, points, 2))


def test_rays_of_hand_computed_pixels():
    # 101 x 51 pixels: the centre is (50, 25); 30 pixels right at a focal length of 40 is 3:4.
    pixels = torch.tensor([[[50.0, 25.0], [80.0, 25.0], [50.0, -5.0]]])
    found = rays(pixels, torch.tensor([40.0]), (51, 101))
    expected = torch.tensor([[[0, 0, 1], [0.6, 0, 0.8], [0, -0.6, 0.8]]])
    torch.testing.assert_close(found, expected)


def test_each_round_says_a_pose(head):
    raws = head(matches(), matches(seed=2))
    for raw in raws:
        # Three, one that was searched for, one that has settled, and that of both sides together.
        assert raw.shape == (6, 2, 53)
        R = raw[..., 3:12].unflatten(-1, (3, 3))
        torch.testing.assert_close(R @ R.mT, torch.eye(3).expand_as(R), atol=1e-5, rtol=0)
        length = torch.linalg.vector_norm(raw[..., :3], dim=-1)
        torch.testing.assert_close(length, torch.ones(6, 2))


def test_in_the_end_both_sides_say_the_same(head):
    raw1, raw2 = (raw[-1] for raw in head(matches(), matches(seed=2)))
    R = [raw[:, 3:12].unflatten(-1, (3, 3)) for raw in (raw1, raw2)]
    torch.testing.assert_close(R[1], R[0].mT)
    t_1_2 = -(R[0].mT @ raw1[:, :3, None])[..., 0]
    torch.testing.assert_close(raw2[:, :3], t_1_2, atol=1e-6, rtol=1e-4)


def test_what_the_matches_say_of_the_last_pose_comes_along(head):
    sides = matches(), matches(seed=2)
    for side, raw in zip(sides, head(*sides), strict=True):
        t, R = raw[-1, :, :3], raw[-1, :, 3:12].unflatten(-1, (3, 3))
        direction = (R.mT @ t[..., None])[..., 0]
        expected = support(side.here, side.there @ R, direction, side.features)
        found = raw[:, :, 12:41]
        torch.testing.assert_close(found, expected.expand(6, -1, -1), atol=1e-5, rtol=1e-3)


def test_what_each_side_found_alone_comes_along(head):
    sides = matches(), matches(seed=2)
    for side, raw in zip(sides, head(*sides), strict=True):
        alone = head.answer(side)
        torch.testing.assert_close(raw[:5, :, :12], alone.rounds, atol=1e-4, rtol=1e-4)
        last = alone.rounds[-1].expand(6, -1, -1)
        torch.testing.assert_close(raw[:, :, 41:], last, atol=1e-4, rtol=1e-4)


def test_the_order_of_matches_does_not_matter(head):
    side = matches()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    shuffled = Side(*(x[:, order] for x in side[:3]))
    found, expected = head.answer(shuffled).rounds, head.answer(side).rounds
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_fresh_head_says_that_nothing_turned():
    rounds = MatchPoseHead(8).answer(matches()).rounds[:-1]  # before it settles: this is noise
    R = rounds[-1, :, 3:12].unflatten(-1, (3, 3))
    angle = torch.arccos(((R.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
    assert angle.max() < 0.6


def test_the_inverse_of_a_pose_by_hand():
    # Camera 1 stands one ahead of camera 2, which has turned left by a quarter: t_2_1 is what
    # camera 2 has on its right.
    R_2_1 = rotation_of_vector(torch.tensor([[0.0, np.pi / 2, 0.0]]))
    R_1_2, direction = _inverse(R_2_1, torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(R_1_2 @ R_2_1, torch.eye(3)[None])
    # t_2_1 = R_2_1 z = x; its opposite is where camera 2 stands in camera 1, turned into 2.
    expected = torch.tensor([[-1.0, 0.0, 0.0]])
    torch.testing.assert_close(direction, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("misled", [1, 2])
def test_together_they_find_what_one_side_alone_does_not(facade, misled):
    rays1, rays2, R_2_1, direction = facade
    features = torch.zeros(1, rays1.shape[1], 2)
    sides = [Side(rays1, rays2, features), Side(rays2, rays1, features)]
    side = sides[misled - 1]
    sides[misled - 1] = side._replace(there=side.there.roll(70, 1))  # all matches are wrong
    truth = R_2_1[0], R_2_1[0].mT

    def degrees(R, expected):
        return torch.rad2deg(torch.arccos((((R.mT @ expected).trace() - 1) / 2).clamp(-1, 1)))

    torch.manual_seed(0)
    head = MatchPoseHead(8)
    with torch.no_grad():
        alone = head.answer(sides[misled - 1])
        raws = head(*sides)
    assert degrees(alone.R[0], truth[misled - 1]) > 5
    for raw, expected in zip(raws, truth, strict=True):
        assert degrees(raw[-1, 0, 3:12].unflatten(-1, (3, 3)), expected) < 2
    found = (R_2_1[0].mT @ raws[0][-1, 0, :3, None])[:, 0]
    assert torch.rad2deg(torch.arccos((found @ direction[0]).clamp(-1, 1))) < 5


def test_the_head_stays_in_float32(head):
    head.to(torch.bfloat16)
    assert {parameter.dtype for parameter in head.parameters()} == {torch.float32}
