# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from geloc3r_training.gcr import pair_generators
from geloc3r_training.gcr.correspondences import sample_correspondences, unproject
from geloc3r_training.gcr.se3 import inverse, make_transform, project, transform

K = torch.tensor([[10.0, 0, 9.5], [0, 10, 9.5], [0, 0, 1]])


def flat(depth):
    return torch.full((1, 20, 20), depth)


def draw(depth_1, depth_2, T_2_1, count=400, tolerance=0.05):
    return sample_correspondences(
        depth_1, depth_2, K[None], K[None], T_2_1, count, tolerance, pair_generators(0, 0, [7])
    )


def shifted(x):
    return make_transform(torch.eye(3)[None], torch.tensor([[x, 0.0, 0.0]]))


def test_unproject_puts_integer_pixels_on_their_rays():
    depth = torch.tensor([[[2.0, float("nan")], [0.0, 4.0]]])
    pixels, points, valid = unproject(depth, torch.tensor([[[2.0, 0, 0], [0, 2, 0], [0, 0, 1]]]))
    assert pixels.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert valid.tolist() == [[True, False, False, True]]
    assert points[0, 0].tolist() == [0.0, 0.0, 2.0]
    assert points[0, 3].tolist() == [2.0, 2.0, 4.0]


def test_projections_of_a_shifted_wall():
    # 0.5 m to the side at 2 m is 2.5 pixels; 17.5 of 20 columns stay, the pixel edge counts.
    truth = draw(flat(2.0), flat(2.0), shifted(0.5))
    used = truth.used[0]
    moved = (truth.pixels_2 - truth.pixels_1)[0, used]
    torch.testing.assert_close(moved, torch.tensor([2.5, 0.0]).expand_as(moved))
    assert truth.covisibility.item() == pytest.approx(17 / 20)
    assert used.sum() == 17 * 20
    assert truth.points_1[0, ~used].eq(0).all()


def test_what_is_hidden_in_the_other_view_is_left_out():
    depth_2 = flat(2.0)
    depth_2[:, :, :10] = 1.0
    truth = draw(flat(2.0), depth_2, shifted(0.0))
    assert truth.used.sum() == 200
    assert truth.pixels_2[truth.used][:, 0].min() >= 10
    assert draw(flat(2.0), 1.04 * flat(2.0), shifted(0.0)).used.all()
    assert not draw(flat(2.0), 1.06 * flat(2.0), shifted(0.0)).used.any()


def test_where_the_other_view_has_no_depth_a_point_counts_as_seen():
    truth = draw(flat(2.0), torch.full((1, 20, 20), torch.nan), shifted(0.0))
    assert truth.used.all()


def test_what_is_behind_the_other_camera_is_left_out():
    turned = make_transform(torch.diag(torch.tensor([-1.0, 1, -1]))[None], torch.zeros(1, 3))
    truth = draw(flat(2.0), flat(2.0), turned)
    assert not truth.used.any()
    assert truth.covisibility.item() == 0


def test_no_depth_at_all_gives_padding():
    truth = draw(torch.full((1, 20, 20), torch.nan), flat(2.0), shifted(0.0))
    assert not truth.used.any()
    assert truth.points_1.isfinite().all()


def test_points_are_drawn_without_repetition_and_evenly_over_view_2():
    # Camera 2 stands back, so that view 1 fills a small part of view 2, the left half twice as
    # densely: an even draw takes as many from either half.
    K_fine = torch.tensor([[100.0, 0, 49.5], [0, 100, 49.5], [0, 0, 1]])[None]
    depth = torch.full((1, 100, 100), 2.0)
    depth[:, ::2, 50:] = torch.nan
    truth = sample_correspondences(
        depth,
        torch.full((1, 100, 100), torch.nan),
        K_fine,
        K_fine,
        shifted(0.0),
        1000,
        0.05,
        pair_generators(0, 0, [3]),
    )
    assert len(truth.pixels_1[0].unique(dim=0)) == 1000
    left = (truth.pixels_2[0, :, 0] < 49.5).float().mean().item()
    # A plain draw would take two thirds from the left; sigma of an even one is 0.016.
    assert left == pytest.approx(0.5, abs=0.05)


def test_a_pair_draws_the_same_points_in_any_batch(surface):
    scene = surface(batch=3)

    def drawn(rows):
        first, second = scene.view_1, scene.view_2
        return sample_correspondences(
            first.depth[rows],
            second.depth[rows],
            first.K[rows],
            second.K[rows],
            scene.T_2_1[rows],
            64,
            0.05,
            pair_generators(5, 6, rows),
        )

    together, some = drawn([0, 1, 2]), drawn([2, 0])
    assert torch.equal(together.pixels_1[[2, 0]], some.pixels_1)
    assert torch.equal(together.points_1[[2, 0]], some.points_1)


def test_both_directions_agree(surface):
    scene = surface(batch=2)
    truth = sample_correspondences(
        scene.view_1.depth,
        scene.view_2.depth,
        scene.view_1.K,
        scene.view_2.K,
        scene.T_2_1,
        200,
        0.05,
        pair_generators(0, 0, [0, 1]),
    )
    points_2 = transform(scene.T_2_1, truth.points_1)
    back, _ = project(scene.view_1.K, transform(inverse(scene.T_2_1), points_2))
    torch.testing.assert_close(back[truth.used], truth.pixels_1[truth.used], atol=1e-3, rtol=0)
    assert 0.5 < truth.covisibility.min() < 1
