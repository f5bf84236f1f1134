# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exact geometry for the tests: simulated correspondences, and views of one smooth surface."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from geloc3r_training.gcr import DescriptorMap, TokenMap, View
from geloc3r_training.gcr.correspondences import unproject
from geloc3r_training.gcr.se3 import inverse, project, retract, transform

WIDTH, HEIGHT = 640.0, 480.0


@dataclass(frozen=True)
class Simulated:
    """Points that camera 2 sees with noise; the first ones of each pair are outliers."""

    points_1: Tensor
    pixels_2: Tensor
    inliers: Tensor
    K_2: Tensor
    T_2_1: Tensor

    @property
    def uniform(self) -> Tensor:
        return torch.ones_like(self.points_1[..., 0])

    def solver_input(self, weights: Tensor | None = None) -> tuple[Tensor, ...]:
        weights = self.uniform if weights is None else weights
        return self.points_1, self.pixels_2, weights, self.K_2

    def rows(self, *which: int) -> "Simulated":
        keep = list(which)
        fields = {name: value[keep] for name, value in vars(self).items()}
        return replace(self, **fields)


def random_pose(batch: int, generator: torch.Generator, angle: float, length: float) -> Tensor:
    def unit() -> Tensor:
        vectors = torch.randn(batch, 3, dtype=torch.float64, generator=generator)
        return normalize(vectors, dim=-1)

    twist = torch.cat([unit() * length, unit() * angle], dim=-1)
    return retract(torch.eye(4, dtype=torch.float64).expand(batch, 4, 4), twist)


def simulate_correspondences(
    batch: int = 4, count: int = 256, outliers: float = 0.0, noise: float = 0.0, seed: int = 0
) -> Simulated:
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, dtype=torch.float64, generator=generator)

    K = torch.tensor([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]], dtype=torch.float64)
    size = torch.tensor([WIDTH, HEIGHT], dtype=torch.float64)
    rays = pad(uniform(batch, count, 2) * size, (0, 1), value=1.0) @ torch.linalg.inv(K).mT
    points_1 = rays * 1.5 * 4 ** uniform(batch, count, 1)
    T_2_1 = random_pose(batch, generator, angle=0.2, length=0.4)
    pixels_2, _ = project(K, transform(T_2_1, points_1))
    shape = (batch, count, 2)
    pixels_2 = pixels_2 + noise * torch.randn(shape, dtype=torch.float64, generator=generator)
    inliers = (torch.arange(count) >= round(outliers * count)).expand(batch, count)
    pixels_2 = torch.where(inliers[..., None], pixels_2, uniform(*shape) * size)
    return Simulated(points_1, pixels_2, inliers, K.expand(batch, 3, 3), T_2_1)


@pytest.fixture(scope="session")
def simulate():
    return simulate_correspondences


@dataclass(frozen=True)
class Scene:
    """A batch of two views, and the pose between them."""

    view_1: View
    view_2: View
    T_2_1: Tensor


def surface_views(batch: int = 2, size: int = 64, seed: int = 0, angle: float = 0.12) -> Scene:
    """Two views of a slanted plane whose descriptors are smooth functions of the place on it."""
    generator = torch.Generator().manual_seed(seed)
    middle = (size - 1) / 2
    K = torch.tensor([[size, 0, middle], [0, size, middle], [0, 0, 1]], dtype=torch.float64)
    K = K.expand(batch, 3, 3)
    T_2_1 = random_pose(batch, generator, angle=angle, length=0.25)
    plane_1 = torch.tensor([0.2, -0.3, 1.0, -3.0], dtype=torch.float64).expand(batch, 4)
    waves = 2.5 * torch.randn(3, 12, dtype=torch.float64, generator=generator)
    tokens = torch.randn(2, batch, 16, 20, generator=generator)

    def view(T_c_1: Tensor, tokens: Tensor) -> View:
        T_1_c = inverse(T_c_1)
        plane = (plane_1[:, None] @ T_1_c)[:, 0]
        _, rays, _ = unproject(torch.ones(batch, size, size, dtype=torch.float64), K)
        depth = -plane[:, 3:] / (rays @ plane[:, :3, None])[..., 0]
        phase = transform(T_1_c, rays * depth[..., None]) @ waves
        descriptors = normalize(torch.cat([phase.sin(), phase.cos()], dim=-1), dim=-1)
        return View(
            depth=depth.view(batch, size, size).float(),
            K=K.float(),
            tokens=TokenMap(tokens, (4, 4)),
            descriptors=DescriptorMap(
                descriptors.mT.reshape(batch, 24, size, size).float(),
                torch.ones(batch, size, size),
            ),
        )

    identity = torch.eye(4, dtype=torch.float64).expand(batch, 4, 4)
    return Scene(view(identity, tokens[0]), view(T_2_1, tokens[1]), T_2_1.float())


@pytest.fixture(scope="session")
def surface():
    return surface_views
