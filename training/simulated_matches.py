# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches without images: what teaches the pose head geometry, thousands of pairs a minute.

Rays meet boxes and balls in a room or on open ground, a second camera sees the same points from
elsewhere, and what a matcher would say of them is drawn: noise, wrong matches, and a confidence
that knows a part of the truth.

Shapes: B pairs, K matches, P things of a place. Lengths are metres, x right, y down, z forward.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from geloc3r_ros.model.rotation import rotation_of_vector
from geloc3r_training.config import StageConfig
from geloc3r_training.interrupt import leave_signals
from geloc3r_training.pairs import Share

__all__ = ["MatchBatch", "simulated_matches"]

MATCHES, CANDIDATES = 128, 384
"""Matches of a pair, and points that they are chosen from: a matcher prefers what is seen."""
REUSE = 4
"""Batches that one set of places and motions serves, each with observations of its own."""
LONG_SIDE = 256.0
LEAST_SEEN = 0.25
"""Share of the points of view 1 that view 2 must see."""
SPARE = 1.5
"""Places made for one that is wanted: of some, too little is seen."""


@dataclass(frozen=True)
class MatchBatch:
    """What the pose head takes, and the truth.

    Attributes:
        rays1: Unit rays in camera 1, (B, K, 3).
        rays2: Unit rays of their matches in camera 2, (B, K, 3).
        features: How sure, as in ``Matches``, (B, K, 2).
        T_2_1: Pose of camera 1 in camera 2, of unit translation, (B, 4, 4).
    """

    rays1: Tensor
    rays2: Tensor
    features: Tensor
    T_2_1: Tensor

    def __len__(self) -> int:
        return len(self.rays1)

    def to(self, device: torch.device) -> MatchBatch:
        """The same on a device."""
        return MatchBatch(*(tensor.to(device) for tensor in vars(self).values()))


@dataclass(frozen=True)
class _Geometry:
    """Points seen by two cameras, on the plane z = 1 of each; half is that of the image."""

    points1: Tensor  # (B, K, 2)
    points2: Tensor  # (B, K, 2)
    seen: Tensor  # (B, K)
    half: Tensor  # (B, 2)
    R_2_1: Tensor  # (B, 3, 3)
    direction: Tensor  # (B, 3)


def simulated_matches(
    seed: int,
    stage: int,
    config: StageConfig,
    start: int,
    share: Share,
    workers: int,
    device: torch.device,
) -> Iterator[MatchBatch]:
    """The batches of a stage from step ``start`` on; each is this process's part of one.

    Making a batch costs little, so every process makes all of it.
    """
    loader = DataLoader(
        _Batches(seed, stage, config.batch_size, share),
        batch_size=None,
        sampler=itertools.count(start),
        num_workers=workers,
        worker_init_fn=leave_signals,
        generator=torch.Generator(),
    )
    return (batch.to(device) for batch in loader)


class _Batches(Dataset[MatchBatch]):
    """Batches by step."""

    def __init__(self, seed: int, stage: int, count: int, share: Share) -> None:
        # The 0 was a process's number; with it, a seed's matches are those it always had.
        self.key, self.count, self.share = (seed, stage, 0), count, share
        self._kept: tuple[int, _Geometry] | None = None

    def __getitem__(self, step: int) -> MatchBatch:
        group = step // REUSE
        if self._kept is None or self._kept[0] != group:
            self._kept = group, _geometry(self.count, self._generator(group, 0))
        whole = _observe(self._kept[1], self._generator(step, 1))
        own = slice(self.share.rank, None, self.share.processes)
        return MatchBatch(*(tensor[own] for tensor in vars(whole).values()))

    def _generator(self, number: int, purpose: int) -> torch.Generator:
        (mixed,) = np.random.SeedSequence([*self.key, number, purpose]).generate_state(1)
        return torch.Generator().manual_seed(int(mixed))


def _geometry(count: int, generator: torch.Generator) -> _Geometry:
    """Make places and motions until ``count`` of them show enough of the same."""
    made: list[_Geometry] = []
    while sum(len(one.half) for one in made) < count:
        made.append(_try_geometry(math.ceil(SPARE * count), generator))
    return _Geometry(
        *(
            torch.cat([getattr(one, name) for one in made])[:count]
            for name in _Geometry.__dataclass_fields__
        )
    )


def _try_geometry(count: int, generator: torch.Generator) -> _Geometry:
    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    half = _half_image(count, generator)
    points1 = (2 * uniform(count, CANDIDATES, 2) - 1) * half[:, None]
    rays1 = _rays(points1)
    place = _Place(count, generator)
    yaw, zero = 2 * math.pi * uniform(count), torch.zeros(count)
    R_world_1 = rotation_of_vector(torch.stack((zero, yaw, zero), -1)) @ rotation_of_vector(
        torch.stack((0.25 * normal(count), zero, 0.08 * normal(count)), -1)
    )
    X1 = rays1 * place.distance(place.viewpoint, rays1 @ R_world_1.mT)[..., None]
    median = X1[..., 2].median(1).values

    angle = math.radians(60) * uniform(count) * uniform(count).sqrt()
    angle = torch.where(uniform(count) < 0.1, 0.1 * angle, angle)
    axis = functional.normalize(normal(count, 3) * torch.tensor([0.5, 1.0, 0.35]), dim=-1)
    R_2_1 = rotation_of_vector(-axis * angle[:, None])
    heading = functional.normalize(normal(count, 3) * torch.tensor([1.0, 0.5, 1.0]), dim=-1)
    length = median * torch.exp(math.log(0.02) + uniform(count) * math.log(40.0))
    centre2 = heading * length[:, None]  # in camera 1
    seen_from_2 = X1 - centre2[:, None]
    X2 = seen_from_2 @ R_2_1.mT
    depth = X2[..., 2]
    points2 = X2[..., :2] / depth.clamp(min=1e-3)[..., None]
    inside = (depth > 0.05) & (points2.abs() < half[:, None]).all(-1)
    far = torch.linalg.vector_norm(seen_from_2, dim=-1)
    there = place.viewpoint + (R_world_1 @ centre2[..., None])[..., 0]
    first = place.distance(there, functional.normalize(seen_from_2 @ R_world_1.mT, dim=-1))
    seen = inside & ((first - far).abs() < 0.03 * far)
    t = -(R_2_1 @ centre2[..., None])[..., 0]
    likely = (uniform(count, CANDIDATES) + 0.9 * seen).topk(MATCHES).indices
    points1, points2 = (
        x.gather(1, likely[..., None].expand(-1, -1, 2)) for x in (points1, points2)
    )
    kept = (seen.float().mean(1) > LEAST_SEEN) & (median > 0.3)
    direction = functional.normalize(t, dim=-1)
    found = points1, points2, seen.gather(1, likely), half, R_2_1, direction
    return _Geometry(*(x[kept] for x in found))


def _half_image(count: int, generator: torch.Generator) -> Tensor:
    """Half the width and height of images on the plane z = 1, (B, 2)."""
    longer = torch.tan(torch.deg2rad(45 + 55 * torch.rand(count, generator=generator)) / 2)
    shorter = (
        longer * torch.tensor([0.75, 0.5625])[torch.randint(2, (count,), generator=generator)]
    )
    upright = torch.rand(count, generator=generator) < 0.2
    return torch.stack(
        (torch.where(upright, shorter, longer), torch.where(upright, longer, shorter)), -1
    )


class _Place:
    """Rooms, and open ground under a far sky, with boxes and balls; a viewpoint in each."""

    BOXES, BALLS = 5, 2

    def __init__(self, count: int, generator: torch.Generator) -> None:
        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        outdoors = (uniform(count) < 0.4)[:, None]
        room = torch.exp(math.log(1.5) + uniform(count, 3) * math.log(8.0))
        field = 20 + 60 * uniform(count, 3)
        extent = torch.where(outdoors, field, room)
        low, high = -extent, extent.clone()
        high[:, 1] = 0.8 + uniform(count)  # the floor, below the camera
        low[:, 1] = torch.where(outdoors[:, 0], -40.0, -(1 + 2 * uniform(count)))
        reach = extent.clamp(max=12.0)[:, None]
        size = torch.where(outdoors, 3.0, 0.8)[:, None]
        half = 0.15 + uniform(count, self.BOXES, 3) * size
        centre = (2 * uniform(count, self.BOXES, 3) - 1) * reach
        stands = uniform(count, self.BOXES) < 0.7
        floor = high[:, 1:2] - half[..., 1]
        centre[..., 1] = torch.where(stands, floor, centre[..., 1] / 4)
        self.low = torch.cat((low[:, None], centre - half), 1)  # (B, 1 + P, 3)
        self.high = torch.cat((high[:, None], centre + half), 1)
        self.balls = (2 * uniform(count, self.BALLS, 3) - 1) * reach
        self.radii = 0.1 + uniform(count, self.BALLS) * size[..., 0] / 2
        side = 0.6 * extent[:, ::2].clamp(max=8.0) * (2 * uniform(count, 2) - 1)
        self.viewpoint = torch.stack((side[:, 0], torch.zeros(count), side[:, 1]), -1)

    def distance(self, origin: Tensor, rays: Tensor) -> Tensor:
        """Distance (B, K) from origins (B, 3) along unit rays (B, K, 3) to the first surface."""
        inverse = 1 / torch.where(rays.abs() < 1e-6, 1e-6, rays)
        nearest = rays.new_full(rays.shape[:2], math.inf)
        for thing in range(self.low.shape[1]):
            a = (self.low[:, thing] - origin)[:, None] * inverse
            b = (self.high[:, thing] - origin)[:, None] * inverse
            enter, leave = torch.minimum(a, b).amax(-1), torch.maximum(a, b).amin(-1)
            if thing == 0:  # the walls, from inside
                nearest = leave
                continue
            hit = (enter < leave) & (enter > 0.05) & (enter < nearest)
            nearest = torch.where(hit, enter, nearest)
        for ball in range(self.balls.shape[1]):
            towards = origin - self.balls[:, ball]
            b = (rays * towards[:, None]).sum(-1)
            c = towards.square().sum(-1) - self.radii[:, ball].square()
            root = b.square() - c[:, None]
            enter = -b - root.clamp(min=0).sqrt()
            hit = (root > 0) & (enter > 0.05) & (enter < nearest)
            nearest = torch.where(hit, enter, nearest)
        return nearest


def _observe(geometry: _Geometry, generator: torch.Generator) -> MatchBatch:
    """Draw what a matcher says of points: places, and how sure it is."""
    shape = geometry.seen.shape

    def uniform(*more: int) -> Tensor:
        return torch.rand(*more, generator=generator)

    def normal(*more: int) -> Tensor:
        return torch.randn(*more, generator=generator)

    count = shape[0]
    focal = LONG_SIDE / 2 / geometry.half.amax(-1)
    # Numbers here are those of the comparison after its stage of training, at 256 x 192 pixels.
    pixels = 0.4 * torch.exp(uniform(count) * math.log(4.0))[:, None]
    pixels = pixels * torch.exp(0.4 * normal(*shape))
    near_truth = geometry.points2 + normal(*shape, 2) * (pixels / focal[:, None])[..., None]
    wrong = ~geometry.seen | (uniform(*shape) < 0.65 * uniform(count)[:, None].pow(1.7))
    beside = geometry.points2 + normal(*shape, 2) * (8.0 / focal)[:, None, None]
    anywhere = (2 * uniform(*shape, 2) - 1) * geometry.half[:, None]
    astray = torch.where(((uniform(*shape) < 0.6) & geometry.seen)[..., None], beside, anywhere)
    found = torch.where(wrong[..., None], astray, near_truth).clamp(-3, 3)
    belief = torch.where(wrong, 0.48, 0.69) + 0.14 * normal(*shape) + 0.08 * normal(count, 1)
    spread = torch.where(wrong, 1.6, 1.17 + 0.5 * (pixels / 0.8).log())
    spread = spread + 0.22 * normal(*shape) + 0.1 * normal(count, 1)

    # The world has neither a left side nor an upright camera.
    mirror = torch.ones(count, 3)
    mirror[:, 0] = torch.where(uniform(count) < 0.5, -1.0, 1.0)
    turn1, turn2 = (
        rotation_of_vector(0.08 * normal(count, 3)),
        rotation_of_vector(0.08 * normal(count, 3)),
    )
    T_2_1 = torch.eye(4).repeat(count, 1, 1)
    mirrored = mirror[:, :, None] * geometry.R_2_1 * mirror[:, None]
    T_2_1[:, :3, :3] = turn2 @ mirrored @ turn1.mT
    T_2_1[:, :3, 3] = (turn2 @ (mirror * geometry.direction)[..., None])[..., 0]
    return MatchBatch(
        (_rays(geometry.points1) * mirror[:, None]) @ turn1.mT,
        (_rays(found) * mirror[:, None]) @ turn2.mT,
        torch.stack((belief, spread), -1),
        T_2_1,
    )


def _rays(points: Tensor) -> Tensor:
    """Unit rays (..., 3) through points (..., 2) of the plane z = 1."""
    return functional.normalize(torch.cat((points, torch.ones_like(points[..., :1])), -1), dim=-1)
