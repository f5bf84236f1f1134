# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from geloc3r_ros.geometry import rotation_about
from geloc3r_ros.model.rotation import rotation_of_vector, turned


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.5, 3.0])
def test_rotations_of_vectors(angle):
    axis = np.array([1.0, -2.0, 2.0]) / 3
    found = rotation_of_vector(torch.from_numpy(axis * angle)[None])[0]
    assert np.allclose(found, rotation_about(axis, angle), atol=1e-9)


def test_small_turns_are_those_of_their_vectors_and_long_ones_rotations():
    R = rotation_of_vector(torch.tensor([[0.3, -1.2, 0.4]], dtype=torch.float64))
    step = torch.tensor([[1e-3, -2e-3, 2e-3]], dtype=torch.float64)
    torch.testing.assert_close(turned(R, step), R @ rotation_of_vector(step), atol=1e-8, rtol=0)
    far = turned(R, 100 * step)
    torch.testing.assert_close(far @ far.mT, torch.eye(3, dtype=torch.float64)[None])
    # Cayley: of a vector of length 0.3 the angle is 2 atan(0.15).
    cosine = ((far.mT @ R)[0].trace() - 1) / 2
    assert float(torch.arccos(cosine)) == pytest.approx(2 * np.arctan(0.15))
