# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import cosine_similarity

from geloc3r_training.gcr import GcrConfig, losses, pair_generators
from geloc3r_training.gcr.correspondences import sample_correspondences
from geloc3r_training.gcr.descriptors import match
from geloc3r_training.gcr.se3 import relative_twist, retract

ONE_PAIR = torch.tensor([True])


def turned(angle, T):
    """``T`` turned by an angle about the optical axis of camera 2."""
    twist = torch.zeros(len(T), 6, dtype=T.dtype)
    twist[:, 5] = angle
    return retract(T, twist)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi])
def test_pose_loss_and_its_slope_from_0_to_180_degrees(simulate, angle):
    T = simulate(batch=1).T_2_1
    T[:, :3, 3] = torch.tensor([1.0, 0, 0])
    T_hat = turned(angle, T).requires_grad_()
    loss = losses.pose_loss(T_hat, T, ONE_PAIR)
    # The turn about z carries the translation along, by the same angle.
    assert loss.item() == pytest.approx(2 * angle, abs=1e-7)
    loss.backward()
    assert T_hat.grad.isfinite().all()


def test_without_a_baseline_only_rotation_counts(simulate):
    T = simulate(batch=1).T_2_1
    T[:, :3, 3] = 0
    T_hat = turned(0.2, T)
    T_hat[:, 0, 3] = 1.0
    T_hat.requires_grad_()
    loss = losses.pose_loss(T_hat, T, torch.tensor([False]))
    loss.backward()
    assert loss.item() == pytest.approx(0.2)
    assert T_hat.grad[:, :3, 3].eq(0).all()


def test_pose_loss_gradcheck(simulate):
    T = simulate(batch=2).T_2_1
    twist = torch.full((2, 6), 0.1, dtype=torch.float64, requires_grad=True)
    both = torch.tensor([True, True])
    assert gradcheck(lambda x: losses.pose_loss(retract(T, x), T, both), twist)


def test_the_gate_opens_only_for_a_trusted_and_better_pose(simulate):
    T = simulate(batch=1).T_2_1.expand(4, 4, 4)
    T_hat = turned(0.2, T)
    T_solved = T_hat.clone()
    T_solved[[0, 2]] = turned(0.1, T)[:2]
    T_solved[1] = turned(0.3, T)[0]
    trusted = torch.tensor([True, True, False, True])
    ratio = torch.full((4,), 0.7, dtype=torch.float64)
    opening = losses.gate(T_hat, T_solved, T, torch.ones(4, dtype=torch.bool), ratio, trusted)
    assert opening.tolist() == [0.7, 0.0, 0.0, 0.0]


def seen_surface(surface, twist):
    """Arguments of ``descriptor_loss`` on a smooth surface, for a pose off by a twist."""
    scene = surface(batch=len(twist))
    truth = sample_correspondences(
        scene.view_1.depth,
        scene.view_2.depth,
        scene.view_1.K,
        scene.view_2.K,
        scene.T_2_1,
        256,
        0.05,
        pair_generators(0, 0, range(len(twist))),
    )
    first, second = scene.view_1.descriptors, scene.view_2.descriptors
    found = match(first, second, truth.pixels_1, GcrConfig.tiny())
    T_hat = retract(scene.T_2_1, twist)
    rest = [truth.points_1, found.descriptors_1, second, truth.used.float()]
    return T_hat, [*rest, scene.view_2.K], scene.T_2_1


def test_the_descriptor_gradient_reaches_the_pose_alone(surface):
    T_hat, arguments, _ = seen_surface(surface, torch.full((2, 6), 0.02))
    inputs = [T_hat, arguments[1], arguments[2].descriptors, arguments[3]]
    for value in inputs:
        value.requires_grad_()
    losses.descriptor_loss(T_hat, *arguments).sum().backward()
    assert T_hat.grad.abs().max() > 0
    assert all(value.grad is None for value in inputs[1:])


@pytest.mark.parametrize("degrees", [0.5, 2.0, 6.0])
def test_descending_the_descriptor_loss_corrects_a_turned_pose(surface, degrees):
    generator = torch.Generator().manual_seed(0)
    off = torch.zeros(8, 6)
    off[:, 3:5] = torch.nn.functional.normalize(torch.randn(8, 2, generator=generator), dim=-1)
    T_hat, arguments, T_true = seen_surface(surface, off * math.radians(degrees))
    twist = torch.zeros(8, 6, requires_grad=True)
    losses.descriptor_loss(retract(T_hat, twist), *arguments).sum().backward()
    correction = relative_twist(T_hat, T_true)
    cosine = cosine_similarity(-twist.grad[:, 3:], correction[:, 3:], dim=-1)
    assert cosine.median() > 0.8
    assert cosine.min() > 0.3


def test_the_descriptor_loss_is_least_at_the_true_pose(surface):
    values = []
    for size in (0.0, 0.01, 0.05, 0.2):
        off = torch.zeros(4, 6)
        off[:, 3] = size
        T_hat, arguments, _ = seen_surface(surface, off)
        values.append(losses.descriptor_loss(T_hat, *arguments).mean().item())
    assert values == sorted(values)


def test_leaving_the_image_costs_one_and_pulls_nowhere(surface):
    off = torch.zeros(1, 6)
    off[:, 4] = math.pi / 2
    T_hat, arguments, _ = seen_surface(surface, off)
    T_hat.requires_grad_()
    loss = losses.descriptor_loss(T_hat, *arguments)
    loss.sum().backward()
    assert loss.item() == pytest.approx(1.0, abs=1e-5)
    assert T_hat.grad.eq(0).all()


def test_reprojection_loss_of_hand_computed_points():
    K = torch.tensor([[[100.0, 0, 50], [0, 100, 40], [0, 0, 1]]])
    points = torch.tensor([[[0.0, 0, 2], [0.0, 0, 2], [0, 0, -1.0]]])
    pixels = torch.tensor([[[50.0, 40], [53, 44], [50, 40]]])
    loss = losses.reprojection_loss(
        torch.eye(4)[None], points, pixels, torch.ones(1, 3), K, diagonal=10.0
    )
    assert loss.item() == pytest.approx((0 + 0.5 + 1) / 3, rel=1e-5)


def candidates_of(scene):
    """The true pose and two that are off."""
    off = torch.zeros(len(scene.T_2_1), 2, 6, dtype=torch.float64)
    off[:, 0, 3], off[:, 1, 4] = 0.02, 0.05
    near = retract(scene.T_2_1[:, None].expand(-1, 2, 4, 4), off)
    return torch.cat([scene.T_2_1[:, None], near], dim=1)


def test_candidate_loss_gradcheck_and_direction(simulate):
    scene = simulate(batch=2, count=24, outliers=0.5, noise=1.0)
    rest = (scene.points_1, scene.pixels_2, scene.K_2, 4.0, 0.1)
    both = torch.tensor([True, True])

    def loss(weights):
        return losses.candidate_loss(weights, candidates_of(scene), scene.T_2_1, both, *rest)

    weights = (0.5 * scene.uniform).requires_grad_()
    assert gradcheck(loss, weights)
    loss(weights).sum().backward()
    # More weight on what agrees with the true pose lowers the expected error.
    assert weights.grad[scene.inliers].sum() < 0


def test_gauss_newton_step_gradcheck(simulate):
    scene = simulate(batch=2, count=12, outliers=0.25, noise=0.5)
    start = retract(scene.T_2_1, torch.full((2, 6), 0.02, dtype=torch.float64))

    def step(weights):
        return losses.gauss_newton_step(start, *scene.solver_input(weights), huber=4.0)

    weights = torch.linspace(0.2, 0.9, 24, dtype=torch.float64).view(2, 12).requires_grad_()
    assert gradcheck(step, weights)


def test_gauss_newton_step_finds_the_pose_and_outliers_have_a_gradient(simulate):
    scene = simulate(batch=4, count=200, outliers=0.3)
    start = retract(scene.T_2_1, torch.full((4, 6), 0.01, dtype=torch.float64))
    weights = scene.inliers.double().requires_grad_()
    moved = losses.gauss_newton_step(start, *scene.solver_input(weights), huber=1e3)
    before = losses.pose_loss(start, scene.T_2_1, scene.inliers[:, -1])
    after = losses.pose_loss(moved, scene.T_2_1, scene.inliers[:, -1])
    assert (after < 0.1 * before).all()
    after.sum().backward()
    assert weights.grad[~scene.inliers].abs().min() > 0


def test_weight_loss_counts_both_classes_alike():
    logits = torch.tensor([[2.0, 0.0, 0.0, 0.0, 7.0]])
    true = torch.tensor([[True, False, False, False, True]])
    used = torch.tensor([[True, True, True, True, False]])
    expected = 0.5 * math.log(1 + math.exp(-2)) + 0.5 * math.log(2)
    assert losses.weight_loss(logits, true, used).item() == pytest.approx(expected)
    only_false = losses.weight_loss(logits, torch.zeros_like(true), used)
    assert only_false.item() == pytest.approx(
        0.5 * (math.log(1 + math.exp(2)) + 3 * math.log(2)) / 4
    )
    assert losses.weight_loss(logits, true, torch.zeros_like(used)).item() == 0
