# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import torch

from geloc3r_ros.model.least_squares import shortened, solve


def test_linear_systems_are_solved():
    generator = torch.Generator().manual_seed(4)
    root = torch.randn(5, 6, 6, generator=generator, dtype=torch.float64)
    square = root @ root.mT + 0.1 * torch.eye(6, dtype=torch.float64)
    right = torch.randn(5, 6, 1, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(solve(square, right), torch.linalg.solve(square, right))


def test_long_corrections_are_shortened_and_short_ones_kept():
    steps = torch.tensor([[1e-4, 0, 0, 0, 0, 1e-4], [30.0, 0, 0, 0, -70.0, 0]])
    found = shortened(steps)
    torch.testing.assert_close(found[0], steps[0], atol=1e-7, rtol=0)
    expected = torch.tensor([0.3, 0, 0, 0, -0.7, 0])
    torch.testing.assert_close(found[1], expected, atol=0.01, rtol=0)
