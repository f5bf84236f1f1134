# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch

from geloc3r_ros.geometry import is_transform, rotation_about
from geloc3r_ros.model.pose_head import (
    PoseHead,
    pose_from_raw,
    pose_from_raw_on_host,
    rotation_from_matrix,
)


def random_matrices(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 3, dtype=torch.float64, generator=torch.manual_seed(0))


def test_rows_lose_their_length_before_the_nearest_rotation_is_taken():
    R = torch.from_numpy(rotation_about([1, 2, 3], 0.7))
    scaled = torch.tensor([2.0, 0.5, 7.0], dtype=torch.float64)[:, None] * R
    torch.testing.assert_close(rotation_from_matrix(scaled), R)


def test_a_reflection_becomes_the_rotation_by_the_reference_formula():
    M = random_matrices(200)
    N = M / M.norm(dim=-1, keepdim=True)
    U, _, Vt = torch.linalg.svd(N.mT)
    D = torch.diag_embed(torch.ones(200, 3, dtype=torch.float64))
    D[:, 2, 2] = torch.linalg.det(Vt.mT @ U.mT)
    R = rotation_from_matrix(M)
    assert (torch.linalg.det(M) < 0).any()
    torch.testing.assert_close(R, Vt.mT @ D @ U.mT)
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(200, dtype=torch.float64))


def test_gradients_agree_with_finite_differences():
    M = random_matrices(8)
    assert (torch.linalg.det(M) < 0).any()
    assert torch.autograd.gradcheck(rotation_from_matrix, M.requires_grad_())


@pytest.mark.parametrize("angle", [0.0, 1.0, np.pi])
def test_gradients_agree_with_finite_differences_at_exact_rotations(angle):
    M = torch.from_numpy(rotation_about([0, 0.6, 0.8], angle)).requires_grad_()
    assert torch.autograd.gradcheck(rotation_from_matrix, M)


@pytest.mark.parametrize(
    "M",
    [
        np.zeros((3, 3)),
        np.ones((3, 3)),
        np.diag([1, 1, -1]),
        -np.eye(3),
        np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]]),
        1e-30 * np.eye(3),
    ],
    ids=["zero", "rank 1", "mirror", "inversion", "rank 2", "short rows"],
)
def test_degenerate_matrices_give_a_rotation_and_finite_gradients(M):
    M = torch.tensor(M, dtype=torch.float32, requires_grad=True)
    R = rotation_from_matrix(M)
    R[0].sum().backward()
    assert torch.linalg.det(R).item() == pytest.approx(1, abs=1e-6)
    assert M.grad.isfinite().all()


def test_a_matrix_that_is_not_finite_spoils_itself_alone():
    M = torch.eye(3).repeat(2, 1, 1)
    M[0, 1, 2] = torch.nan
    R = rotation_from_matrix(M)
    assert R[0].isnan().all()
    assert torch.equal(R[1], torch.eye(3))


def test_raw_numbers_are_translation_then_matrix_by_rows():
    R = rotation_about([0, 0, 1], np.pi / 2)
    raw = np.concatenate([[1, 2, 3], 5 * R.ravel()])
    expected = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]
    np.testing.assert_allclose(pose_from_raw_on_host(raw), expected, atol=1e-12)
    np.testing.assert_allclose(pose_from_raw(torch.tensor(raw)[None])[0], expected, atol=1e-12)


def test_host_and_torch_agree():
    raw = torch.randn(50, 12, dtype=torch.float64, generator=torch.manual_seed(1))
    on_host = np.stack([pose_from_raw_on_host(row) for row in raw.numpy()])
    assert all(is_transform(T) for T in on_host)
    np.testing.assert_allclose(pose_from_raw(raw), on_host, atol=1e-12)


def test_host_refuses_numbers_that_are_not_finite():
    with pytest.raises(ValueError, match="not finite"):
        pose_from_raw_on_host(np.full(12, np.nan))


def test_head_keeps_its_precision_under_conversion_and_autocast():
    torch.manual_seed(0)
    head = PoseHead(16, 32)
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    tokens = torch.randn(2, 6, 16)
    raw = head(tokens)
    head.to(torch.bfloat16)
    for name, tensor in head.state_dict().items():
        assert torch.equal(tensor, before[name])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head(tokens), raw)
    assert head.to("meta").fc_t.weight.is_meta
