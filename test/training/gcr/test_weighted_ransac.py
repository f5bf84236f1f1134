# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import poselib
import pytest
import torch

from geloc3r_training.gcr import pair_generators, weighted_ransac
from geloc3r_training.gcr.refine import refine
from geloc3r_training.gcr.se3 import make_transform, pose_errors


def solve(scene, weights=None, pair_ids=None, **options):
    pair_ids = range(len(scene.points_1)) if pair_ids is None else pair_ids
    generators = pair_generators(0, 0, pair_ids)
    return weighted_ransac(*scene.solver_input(weights), generator=generators, **options)


def total_error(T, T_true):
    return sum(pose_errors(T, T_true))


def test_exact_points_give_the_exact_pose_in_float64(simulate):
    scene = simulate(outliers=0.4)
    result = solve(scene)
    torch.testing.assert_close(result.T_2_1, scene.T_2_1, atol=1e-9, rtol=0)
    assert result.T_2_1.dtype == torch.float64
    assert torch.equal(result.inliers & scene.inliers, scene.inliers)
    assert result.valid.all()


def test_four_points_suffice(simulate):
    scene = simulate(batch=8, count=4)
    result = solve(scene)
    torch.testing.assert_close(result.T_2_1, scene.T_2_1, atol=1e-6, rtol=0)
    assert result.valid.all()


def test_it_reaches_the_floor_of_least_squares_on_the_true_inliers(simulate):
    scene = simulate(batch=40, count=512, outliers=0.6, noise=1.0)
    seen = scene.solver_input(scene.inliers.double())
    floor, _ = refine(scene.T_2_1, *seen, [1e6] * 5)
    error = total_error(solve(scene).T_2_1, scene.T_2_1)
    assert error.median() < 1.15 * total_error(floor, scene.T_2_1).median()


def test_it_is_no_worse_than_poselib_and_opencv(simulate):
    scene = simulate(batch=24, count=512, outliers=0.6, noise=1.0)
    ours = total_error(solve(scene).T_2_1, scene.T_2_1).median()
    camera = {"model": "PINHOLE", "width": 640, "height": 480, "params": [525, 525, 319.5, 239.5]}
    poses = {"poselib": [], "opencv": []}
    for points, pixels, K in zip(scene.points_1, scene.pixels_2, scene.K_2, strict=True):
        points, pixels = points.numpy(), pixels.numpy()
        options = {"max_reproj_error": 2.0}
        poses["poselib"].append(
            poselib.estimate_absolute_pose(pixels, points, camera, options, {})[0].Rt
        )
        _, rotation, t, _ = cv2.solvePnPRansac(
            points, pixels, K.numpy(), None, reprojectionError=2.0, iterationsCount=1000
        )
        poses["opencv"].append(np.hstack([cv2.Rodrigues(rotation)[0], t]))
    for name, theirs in poses.items():
        error = total_error(torch.from_numpy(np.array(theirs)), scene.T_2_1).median()
        assert ours < 1.05 * error, name


def test_points_on_a_plane(simulate):
    scene = simulate(batch=8, outliers=0.5)
    slant = torch.tensor([0.1, 0.2, 1.0], dtype=torch.float64)
    depth = 3.0 / (scene.points_1 / scene.points_1[..., 2:] @ slant)
    planar = scene.points_1 * (depth / scene.points_1[..., 2])[..., None]
    seen = planar @ scene.T_2_1[:, :3, :3].mT + scene.T_2_1[:, None, :3, 3]
    pixels = seen @ scene.K_2.mT
    pixels = torch.where(
        scene.inliers[..., None], pixels[..., :2] / pixels[..., 2:], scene.pixels_2
    )
    result = weighted_ransac(planar, pixels, scene.uniform, scene.K_2)
    torch.testing.assert_close(result.T_2_1, scene.T_2_1, atol=1e-8, rtol=0)


def test_weights_decide_between_two_poses(simulate):
    one, other = simulate(batch=4, seed=1), simulate(batch=4, seed=2)
    half = torch.arange(256) < 128
    mixed = one.__class__(
        torch.where(half[None, :, None], one.points_1, other.points_1),
        torch.where(half[None, :, None], one.pixels_2, other.pixels_2),
        one.inliers,
        one.K_2,
        one.T_2_1,
    )
    for weights, truth in ((half, one.T_2_1), (~half, other.T_2_1)):
        unequal = (0.3 + 0.7 * weights.double()).expand(4, 256)
        result = solve(mixed, unequal)
        torch.testing.assert_close(result.T_2_1, truth, atol=1e-8, rtol=0)
        torch.testing.assert_close(
            result.inlier_ratio, torch.full((4,), 1 / 1.3).double(), atol=0.02, rtol=0
        )


def test_uncertain_weights_solve_ninety_per_cent_outliers(simulate):
    scene = simulate(batch=16, count=1024, outliers=0.9, noise=1.0)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(scene.inliers.shape, generator=generator)
    weights = torch.sigmoid(noise + 1.8124 * (scene.inliers.double() - 0.5))
    rotation, _ = pose_errors(solve(scene, weights).T_2_1, scene.T_2_1)
    assert rotation.max().rad2deg() < 0.5


def test_neither_the_batch_nor_padding_nor_order_of_pairs_changes_a_result(simulate):
    scene = simulate(batch=4, outliers=0.6, noise=1.0)
    together = solve(scene)
    some = solve(scene.rows(3, 1), pair_ids=[3, 1])
    assert torch.equal(some.T_2_1, together.T_2_1[[3, 1]])
    padded = [
        torch.nn.functional.pad(x, (0, 0, 0, 50), value=float("nan"))
        for x in (scene.points_1, scene.pixels_2)
    ]
    weights = torch.nn.functional.pad(scene.uniform, (0, 50))
    result = weighted_ransac(
        *padded, weights, scene.K_2, generator=pair_generators(0, 0, range(4))
    )
    torch.testing.assert_close(result.T_2_1, together.T_2_1, atol=1e-9, rtol=0)
    assert torch.equal(result.inliers[:, :256], together.inliers)
    assert not result.inliers[:, 256:].any()


def test_the_unit_of_length_changes_nothing(simulate):
    scene = simulate(outliers=0.5, noise=1.0)
    metres = solve(scene)
    points, pixels, weights, K_2 = scene.solver_input()
    millimetres = weighted_ransac(
        1000 * points, pixels, weights, K_2, generator=pair_generators(0, 0, range(4))
    )
    scaled = make_transform(metres.T_2_1[:, :3, :3], 1000 * metres.T_2_1[:, :3, 3])
    torch.testing.assert_close(millimetres.T_2_1, scaled, atol=1e-6, rtol=1e-9)
    torch.testing.assert_close(millimetres.condition, metres.condition)


def test_a_point_at_the_horizon_spoils_nothing(simulate):
    scene = simulate(batch=2)
    points = scene.points_1.clone()
    points[:, 0] *= 1e7
    result = weighted_ransac(points, *scene.solver_input()[1:])
    assert result.valid.all()
    torch.testing.assert_close(result.T_2_1, scene.T_2_1, atol=1e-8, rtol=0)


DEGENERATE = {
    "three points": lambda points, pixels, weights, K: weights[3:].zero_(),
    "no weight": lambda points, pixels, weights, K: weights.zero_(),
    "negative weights": lambda points, pixels, weights, K: weights.neg_(),
    "collinear": lambda points, pixels, weights, K: points.copy_(
        torch.tensor([0.3, 0.1, 2.0]) + torch.rand(len(points), 1) * torch.tensor([1.0, 1, 1])
    ),
    "coincident": lambda points, pixels, weights, K: points.copy_(points[:1].clone()),
    "all NaN": lambda points, pixels, weights, K: points.fill_(torch.nan),
    "pixels infinite": lambda points, pixels, weights, K: pixels.fill_(torch.inf),
    "weights NaN": lambda points, pixels, weights, K: weights.fill_(torch.nan),
    "camera NaN": lambda points, pixels, weights, K: K.fill_(torch.nan),
    "camera zero": lambda points, pixels, weights, K: K.zero_(),
    "at the origin": lambda points, pixels, weights, K: points.zero_(),
}


@pytest.mark.parametrize("spoil", DEGENERATE.values(), ids=DEGENERATE.keys())
def test_degenerate_pairs_are_invalid_and_leave_the_others_alone(simulate, spoil):
    scene = simulate(batch=3)
    expected = solve(scene)
    spoiled = [x.clone() for x in scene.solver_input()]
    points, pixels, weights, K = (x[1] for x in spoiled)
    if spoil is DEGENERATE["collinear"]:
        spoil(points, pixels, weights, K)
        seen = points @ K.T
        pixels.copy_(seen[:, :2] / seen[:, 2:])
    else:
        spoil(points, pixels, weights, K)
    result = weighted_ransac(*spoiled, generator=pair_generators(0, 0, range(3)))
    assert result.valid.tolist() == [True, False, True]
    assert torch.equal(result.T_2_1[1], torch.eye(4).double())
    assert not result.inliers[1].any()
    assert result.inlier_ratio[1] == 0
    assert result.candidates.isfinite().all()
    torch.testing.assert_close(result.T_2_1[[0, 2]], expected.T_2_1[[0, 2]])


def test_points_behind_the_camera_are_no_inliers(simulate):
    scene = simulate(batch=2)
    points = scene.points_1.clone()
    points[:, :64] *= -1
    result = weighted_ransac(points, *scene.solver_input()[1:])
    assert not result.inliers[:, :64].any()
    assert result.valid.all()
    behind = weighted_ransac(-scene.points_1, *scene.solver_input()[1:])
    assert behind.T_2_1.isfinite().all()


def test_fewer_points_than_four_in_the_tensor(simulate):
    for count in (1, 3):
        assert not solve(simulate(count=count)).valid.any()


def test_candidates_hold_the_solution_first(simulate):
    scene = simulate(outliers=0.5)
    result = solve(scene, candidates=3)
    assert result.candidates.shape == (4, 3, 4, 4)
    torch.testing.assert_close(result.candidates[:, 0], result.T_2_1, atol=1e-9, rtol=0)


def test_all_work_is_done_on_the_device_of_the_points(simulate):
    """On the meta device, which has no numbers, a tensor left on the CPU would raise."""
    scene = simulate(batch=2)
    solved = weighted_ransac(
        *(x.to("meta") for x in scene.solver_input()), generator=pair_generators(0, 0, [0, 1])
    )
    assert all(value.device.type == "meta" for value in vars(solved).values())
