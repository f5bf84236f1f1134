# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from geloc3r_ros.geometry import rotation_about
from geloc3r_ros.model.epipolar import Matched, distances, epipolar, parallax, slope
from geloc3r_ros.model.match_head import (
    MatchPoseHead,
    Search,
    Settling,
    Side,
    _along,
    _inverse,
    _shortened,
    _solve,
    _turned,
    rays,
    rotation_of_vector,
)
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


def exact(rays1, rays2, direction):
    return distances(epipolar(rays1, rays2, direction), rays1, rays2, direction)


def test_rays_of_hand_computed_pixels():
    # 101 x 51 pixels: the centre is (50, 25); 30 pixels right at a focal length of 40 is 3:4.
    pixels = torch.tensor([[[50.0, 25.0], [80.0, 25.0], [50.0, -5.0]]])
    found = rays(pixels, torch.tensor([40.0]), (51, 101))
    expected = torch.tensor([[[0, 0, 1], [0.6, 0, 0.8], [0, -0.6, 0.8]]])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.5, 3.0])
def test_rotations_of_vectors(angle):
    axis = np.array([1.0, -2.0, 2.0]) / 3
    found = rotation_of_vector(torch.from_numpy(axis * angle)[None])[0]
    assert np.allclose(found, rotation_about(axis, angle), atol=1e-9)


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


def test_epipolar_planes_tell_the_direction():
    # Without rotation all planes hold the baseline: what they leave room for is its projector.
    t = torch.nn.functional.normalize(torch.tensor([0.6, -0.2, 0.5]), dim=0)
    normals = torch.linalg.cross(matches(1, 50)[0][0], t.expand(50, 3))
    normals = torch.nn.functional.normalize(normals, dim=-1)
    across = (normals[:, :, None] * normals[:, None]).mean(0)
    torch.testing.assert_close(_along(across), t[:, None] * t, atol=1e-4, rtol=0)


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


def test_small_turns_are_those_of_their_vectors_and_long_ones_rotations():
    R = rotation_of_vector(torch.tensor([[0.3, -1.2, 0.4]], dtype=torch.float64))
    step = torch.tensor([[1e-3, -2e-3, 2e-3]], dtype=torch.float64)
    torch.testing.assert_close(_turned(R, step), R @ rotation_of_vector(step), atol=1e-8, rtol=0)
    far = _turned(R, 100 * step)
    torch.testing.assert_close(far @ far.mT, torch.eye(3, dtype=torch.float64)[None])
    # Cayley: of a vector of length 0.3 the angle is 2 atan(0.15).
    cosine = ((far.mT @ R)[0].trace() - 1) / 2
    assert float(torch.arccos(cosine)) == pytest.approx(2 * np.arctan(0.15))


def test_linear_systems_are_solved():
    generator = torch.Generator().manual_seed(4)
    root = torch.randn(5, 6, 6, generator=generator, dtype=torch.float64)
    square = root @ root.mT + 0.1 * torch.eye(6, dtype=torch.float64)
    right = torch.randn(5, 6, 1, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(_solve(square, right), torch.linalg.solve(square, right))


def test_long_corrections_are_shortened_and_short_ones_kept():
    steps = torch.tensor([[1e-4, 0, 0, 0, 0, 1e-4], [30.0, 0, 0, 0, -70.0, 0]])
    found = _shortened(steps)
    torch.testing.assert_close(found[0], steps[0], atol=1e-7, rtol=0)
    expected = torch.tensor([0.3, 0, 0, 0, -0.7, 0])
    torch.testing.assert_close(found[1], expected, atol=0.01, rtol=0)


def test_least_squares_find_a_small_error_of_the_pose(head):
    """By hand: the pose is wrong by a turn and a tilt of the direction; matches are true."""
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(2, 60, 3, generator=generator) * 2 + torch.tensor([-1.0, -1.0, 2.0])
    t = torch.nn.functional.normalize(torch.tensor([[0.9, -0.2, 0.3], [0.1, 0.5, -0.4]]), dim=-1)
    turn = torch.tensor([[0.01, -0.02, 0.005], [-0.004, 0.01, 0.02]])
    tilt = torch.linalg.cross(t, torch.tensor([[0.0, 0.01, 0.02], [0.02, 0.0, -0.01]]))
    rays1 = torch.nn.functional.normalize(points, dim=-1)
    rays2 = torch.nn.functional.normalize(points + 0.4 * t[:, None], dim=-1)
    features = torch.zeros(2, 60, 2)
    with torch.no_grad():  # all matches count alike
        torch.nn.init.zeros_(head.later.trust.weight)
        *_, steps = head.later._look(
            rays1, rays2 @ rotation_of_vector(turn), t + tilt, features, 0.0
        )
    torch.testing.assert_close(steps[:, 0, :3], -turn, atol=2e-3, rtol=0.1)
    torch.testing.assert_close(steps[:, 0, 3:], -tilt, atol=4e-3, rtol=0.2)


@pytest.fixture
def facade():
    """What a camera shows that walks half round a house: rays of both views, rotation, direction.

    Most of it is one wall, with two towers before it and a quarter wrong, as in photographs.
    """
    generator = torch.Generator().manual_seed(6)
    count = 240
    points = torch.rand(count, 3, generator=generator) * torch.tensor([16.0, 8.0, 0.2])
    points = points + torch.tensor([-8.0, -5.0, 20.0])
    points[:60, 2] -= 3.0
    R_2_1 = rotation_of_vector(torch.tensor([[0.0, 0.25, 0.0]]))[0]
    centre = torch.tensor([5.0, 0.3, 3.0])  # of camera 2, in camera 1
    other = (points - centre) @ R_2_1.mT
    noise = torch.randn(count, 3, generator=generator) * 1e-3 * other[:, 2:]
    wrong = torch.rand(count, 1, generator=generator) < 0.25
    other = torch.where(wrong, other.roll(1, 0), other + noise)
    rays1, rays2 = (torch.nn.functional.normalize(x, dim=-1)[None] for x in (points, other))
    return rays1, rays2, R_2_1[None], -torch.nn.functional.normalize(centre, dim=-1)[None]


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
