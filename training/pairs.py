# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of views with depth, made when they are needed: a batch is a function of (seed, step).

Worker processes plan scenes and, where training runs on the CPU, render them too; on a GPU the
training process renders what they planned, so that no image crosses the bus.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from geloc3r_training.config import DataConfig, StageConfig
from geloc3r_training.data.camera_motion import MotionLimits
from geloc3r_training.data.reliefs import Reliefs
from geloc3r_training.data.renderer import Renderer
from geloc3r_training.data.synthetic import Plan, SyntheticBatch, SyntheticConfig, SyntheticScenes
from geloc3r_training.data.textures import load_atlas, procedural_atlas
from geloc3r_training.gcr.pairs import median_depth
from geloc3r_training.gcr.se3 import inverse, retract
from geloc3r_training.interrupt import leave_signals

__all__ = ["PairBatch", "Pairs", "Share"]

SCENES_A_STAGE = 2**28
SCENES_A_SEED = 2**32
AT_REST = 1e-3
"""Baseline up to which a pair without depth has not moved, in the unit of its poses: a millimetre
in a recording, and far above the rounding of two equal poses."""


@dataclass(frozen=True)
class PairBatch:
    """B pairs, on the device of training.

    Attributes:
        images: Both views, RGB uint8, (B, 2, 3, H, W).
        depth: z in metres, 0 where there is none, (B, 2, H, W).
        K: Intrinsics for integer pixel centres, (B, 2, 3, 3) float32.
        T_world_camera: Poses, (B, 2, 4, 4) float64.
        T_2_1: Pose of camera 1 in camera 2, (B, 4, 4) float32.
        covisibility: The lesser share of either view that the other sees, (B,).
        ids: A number a pair, whatever the batch.
        view_ids: A number a view within the batch, (B, 2); equal where pairs share a view.
    """

    images: Tensor
    depth: Tensor
    K: Tensor
    T_world_camera: Tensor
    T_2_1: Tensor
    covisibility: Tensor
    ids: tuple[int, ...]
    view_ids: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def views(self) -> tuple[Tensor, Tensor]:
        """Both views as the network takes them, RGB in [-1, 1], (B, 3, H, W)."""
        view1, view2 = (self.images.float() / 127.5 - 1.0).unbind(1)
        return view1, view2

    def distinct(self) -> tuple[Tensor, Tensor, Tensor]:
        """Every view once: images (V, 3, H, W) in [-1, 1], focal lengths (V,), places (B, 2)."""
        ids, places = self.view_ids.unique(return_inverse=True)
        first = torch.empty(len(ids), dtype=torch.long, device=ids.device)
        flat = places.flatten()
        first[flat] = torch.arange(len(flat), device=ids.device)
        focal = (self.K[..., 0, 0] + self.K[..., 1, 1]).flatten()[first] / 2
        return self.images.flatten(0, 1)[first].float() / 127.5 - 1.0, focal, places

    def focals(self) -> tuple[Tensor, Tensor]:
        """Focal lengths of both views, pixels, (B,)."""
        focal1, focal2 = ((self.K[..., 0, 0] + self.K[..., 1, 1]) / 2).unbind(1)
        return focal1, focal2

    def moved(self, least: float) -> Tensor:
        """Whether the baseline is at least so long, over the median depth of view 1, (B,).

        Without depth it may be in any unit, and whatever is not at rest counts.
        """
        length = torch.linalg.vector_norm(self.T_2_1[:, :3, 3], dim=-1)
        depth = self.depth[:, 0]
        with_depth = (depth > 0).flatten(1).any(1)
        return torch.where(with_depth, length >= least * median_depth(depth), length > AT_REST)


class Share(NamedTuple):
    """The part of each batch that this process trains on."""

    rank: int = 0
    processes: int = 1


class _Request(NamedTuple):
    """Scenes of one batch."""

    scenes: range
    size: tuple[int, int]
    reliefs: bool = False


class _Maker(Dataset[tuple[_Request, SyntheticBatch | list[Plan]]]):
    """What a worker does with a request."""

    def __init__(self, scenes: SyntheticScenes, reliefs: Reliefs | None) -> None:
        self.scenes, self.reliefs = scenes, reliefs
        self.renders = scenes.renderer.device.type == "cpu"

    def __getitem__(self, request: _Request) -> tuple[_Request, SyntheticBatch | list[Plan]]:
        if request.reliefs:
            assert self.reliefs is not None
            return request, self.reliefs.make(request.scenes, request.size)
        plans = [self.scenes.plan(index, request.size) for index in request.scenes]
        return request, self.scenes.render(plans, request.size) if self.renders else plans


class Pairs:
    """The pairs of a training, or of its validation.

    Args:
        config: What they look like.
        seed: Of the training, 0 to 255; every seed has scenes of its own.
        device: Where batches are wanted; on a GPU they are rendered there.
        held_out: Scenes and textures for testing.
    """

    def __init__(
        self, config: DataConfig, seed: int, device: torch.device, held_out: bool = False
    ) -> None:
        self.config, self.seed, self.device = config, seed, device
        self.pose_error = (0.0, 0.0) if held_out else config.pose_error
        count, size = config.texture_count, config.texture_size
        atlas = (
            load_atlas(Path(config.textures), count, size, held_out)
            if config.textures
            else procedural_atlas(count, size, held_out)
        )
        field_of_view = (
            float(np.radians(config.field_of_view[0])),
            float(np.radians(config.field_of_view[1])),
        )
        self.reliefs = (
            Reliefs(Path(config.photographs), config.views, field_of_view)
            if config.photographs and not held_out
            else None
        )
        self.scenes = SyntheticScenes(
            SyntheticConfig(
                size=config.sizes[0],
                views=config.views,
                field_of_view=field_of_view,
                limits=MotionLimits(
                    rotation=float(np.radians(config.rotation)), overlap=config.covisibility[0]
                ),
                held_out=held_out,
            ),
            Renderer(atlas, device),
        )

    def of_stage(
        self, stage: int, config: StageConfig, start: int, share: Share
    ) -> Iterator[PairBatch]:
        """The batches of a stage from step ``start`` on, without end; each is this process's."""
        count = config.batch_size // self.config.pairs_per_scene
        own = count // share.processes

        def request(step: int) -> _Request:
            first = self.seed * SCENES_A_SEED + stage * SCENES_A_STAGE
            first += step * count + share.rank * own
            choice = np.random.default_rng([self.seed, stage, step])
            size = self.config.sizes[int(choice.integers(len(self.config.sizes)))]
            return _Request(range(first, first + own), size, choice.random() < config.reliefs)

        return self._batches(map(request, itertools.count(start)))

    def fixed(
        self, count: int, batch_size: int, share: Share, start: int = 0
    ) -> Iterator[PairBatch]:
        """This process's part of the first ``count`` pairs, in batches of whole scenes.

        Args:
            count: Pairs of all processes.
            batch_size: Pairs at once.
            share: Which part.
            start: Batches of this process to leave out at the beginning.
        """
        scenes = -(-count // self.config.pairs_per_scene)
        step = max(batch_size // self.config.pairs_per_scene, 1)
        starts = range(share.rank * step, scenes, share.processes * step)[start:]
        requests = (
            _Request(
                range(first, min(first + step, scenes)),
                self.config.sizes[first // step % len(self.config.sizes)],
            )
            for first in starts
        )
        return self._batches(requests)

    def _batches(self, requests: Iterator[_Request]) -> Iterator[PairBatch]:
        maker = _Maker(self.scenes, self.reliefs)
        if self.config.workers:
            # The rays are compiled in seconds, and workers that are forked inherit the code.
            maker[_Request(range(1), self.config.sizes[0])]
        loader = DataLoader(
            maker,
            batch_size=None,
            sampler=requests,
            num_workers=self.config.workers,
            worker_init_fn=leave_signals,
            generator=torch.Generator(),
        )
        for request, made in loader:
            if not isinstance(made, SyntheticBatch):
                made = self.scenes.render(made, request.size)
            if made.depth.device != self.device:
                made = SyntheticBatch(*(part.to(self.device) for part in made[:-1]), made.names)
            yield self._pairs_of(made, request.scenes)

    def _pairs_of(self, scenes: SyntheticBatch, indices: range) -> PairBatch:
        """Choose covisible pairs; their number is fixed, so that nothing waits for a GPU."""
        count, device = self.config.pairs_per_scene, scenes.depth.device
        couples = torch.combinations(torch.arange(self.config.views), 2).to(device)
        covisible = torch.minimum(scenes.covisibility, scenes.covisibility.mT)
        covisible = covisible[:, couples[:, 0], couples[:, 1]]
        low, high = self.config.covisibility
        lot = np.stack([np.random.default_rng(index).random(len(couples)) for index in indices])
        draw = 1.0 + torch.from_numpy(lot).to(covisible)
        wanted = (covisible >= low) & (covisible <= high)
        chosen = torch.where(wanted, draw, covisible).topk(count).indices  # (S, count)

        pair = couples[chosen].flatten(0, 1)  # (B, 2) views
        scene = torch.arange(len(indices), device=device).repeat_interleave(count)[:, None]
        images = scenes.images[scene, pair].movedim(-1, 2)
        T_world_camera = scenes.T_world_camera
        if any(self.pose_error):
            T_world_camera = T_world_camera @ self._pose_errors(scenes, indices)
        T_world_camera = T_world_camera[scene, pair]
        return PairBatch(
            images=images,
            depth=scenes.depth[scene, pair],
            K=scenes.K[scene, pair].float(),
            T_world_camera=T_world_camera,
            T_2_1=(inverse(T_world_camera[:, 1]) @ T_world_camera[:, 0]).float(),
            covisibility=covisible.gather(1, chosen).flatten(),
            ids=tuple(index * count + i for index in indices for i in range(count)),
            view_ids=scene * self.config.views + pair,
        )

    def _pose_errors(self, scenes: SyntheticBatch, indices: range) -> Tensor:
        """What to move cameras by, in their own axes, (S, V, 4, 4)."""
        rotation, position = self.pose_error
        shape = (self.config.views, 6)
        lot = np.stack([np.random.default_rng([index, 1]).normal(size=shape) for index in indices])
        move, turn = torch.from_numpy(lot).to(scenes.T_world_camera).split(3, -1)
        depth = median_depth(scenes.depth.flatten(0, 1)).view(-1, self.config.views, 1)
        twist = torch.cat((move * position * depth, turn.deg2rad() * rotation), -1)
        return retract(torch.eye(4).to(twist), twist)
