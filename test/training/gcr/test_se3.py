# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
import torch

from geloc3r_ros import geometry
from geloc3r_training.gcr import se3


def rotation_z(angle: float) -> torch.Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=torch.float64)


def test_transform_maps_points_of_b_into_a():
    # b stands at (1, 2, 3) of a, turned by 90 degrees about z: its x axis is y of a.
    T_a_b = se3.make_transform(rotation_z(math.pi / 2), torch.tensor([1.0, 2, 3]).double())
    point_b = torch.tensor([[1.0, 0, 0]]).double()
    torch.testing.assert_close(
        se3.transform(T_a_b, point_b), torch.tensor([[1.0, 3.0, 3.0]]).double()
    )
    torch.testing.assert_close(se3.inverse(T_a_b) @ T_a_b, torch.eye(4).double())


def test_pose_errors_agree_with_the_numpy_geometry(simulate):
    poses = simulate(batch=8).T_2_1
    rotation, direction = se3.pose_errors(poses[:4], poses[4:])
    for index in range(4):
        expected = geometry.pose_errors(poses[index].numpy(), poses[4 + index].numpy())
        np.testing.assert_allclose([rotation[index], direction[index]], expected, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4, 1.0, math.pi - 1e-6, math.pi])
def test_angles_and_their_slopes_are_exact_and_finite_everywhere(angle):
    R = rotation_z(angle).requires_grad_()
    measured = se3.rotation_angle(R)
    vector = rotation_z(angle)[:, 0].clone().requires_grad_()
    between = se3.angle_between(vector, torch.tensor([1.0, 0, 0]).double())
    (measured + between).backward()
    assert measured.item() == pytest.approx(angle, abs=1e-12)
    assert between.item() == pytest.approx(angle, abs=1e-12)
    assert R.grad.isfinite().all()
    assert vector.grad.isfinite().all()


def test_the_angle_to_a_vector_without_length_is_zero_and_has_no_slope():
    vector = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    angle = se3.angle_between(vector, torch.tensor([1.0, 0, 0]).double())
    angle.backward()
    assert angle.item() == 0.0
    assert vector.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_point_behind_the_camera_has_a_finite_pixel_without_gradient():
    K = torch.tensor([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    points = torch.tensor([[0.5, 0.25, 2.0], [0.5, 0.25, -2.0], [0.0, 0.0, 0.0]])
    points.requires_grad_()
    pixels, in_front = se3.project(K, points)
    pixels.sum().backward()
    torch.testing.assert_close(pixels[0], torch.tensor([75.0, 52.5]))
    assert in_front.tolist() == [True, False, False]
    assert pixels.isfinite().all()
    assert points.grad[1:].eq(0).all()


def test_retract_rotates_first_and_translates_second():
    T = torch.eye(4).double()
    T[0, 3] = 1.0
    twist = torch.tensor([0.0, 0, 5, 0, 0, math.pi / 2]).double()
    moved = se3.retract(T, twist)
    torch.testing.assert_close(moved[:3, :3], rotation_z(math.pi / 2))
    torch.testing.assert_close(moved[:3, 3], torch.tensor([0.0, 1.0, 5.0]).double())


def test_relative_twist_undoes_retract(simulate):
    poses = simulate(batch=8).T_2_1
    twist = se3.relative_twist(poses[:4], poses[4:])
    torch.testing.assert_close(se3.retract(poses[:4], twist), poses[4:])


def test_retract_is_differentiable_at_zero(simulate):
    T = simulate(batch=1).T_2_1[0]
    twist = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: se3.retract(T, x + 1e-3), twist)
    se3.retract(T, twist).sum().backward()
    assert twist.grad.isfinite().all()
