# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of single photographs that stand in space as reliefs: real texture, known depth.

A photograph of anything, nobody knows from where, is laid over a hilly surface, and cameras look
at it from several sides in several lights. It is no true place, but what descriptors have to
hold under: photographic texture that turns, slants, hides and changes its light.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from geloc3r_ros.geometry import Array, make_transform, rotation_about
from geloc3r_training.data.covisibility import covisibility
from geloc3r_training.data.datasets.files import read_rgb
from geloc3r_training.data.photometric import GAMMA, Effects, draw_effects, photograph
from geloc3r_training.data.sample import DataError
from geloc3r_training.data.synthetic import SyntheticBatch

__all__ = ["Relief", "ReliefView", "Reliefs"]

Image = npt.NDArray[np.uint8]
Map = npt.NDArray[np.float32]
Random = np.random.Generator

HEIGHTS = 128
"""Side of the map of heights, cells."""
MARCH = 20
"""Places along a ray at which it may have met the surface; in between it is taken for flat.

Beside a thousand of them, depth is off by 0.04 % at most for nine pixels of ten, and by more than
2 % for 0.7 % of all.
"""
REACH = 2.6
"""Half the side of the map of heights, in distances of the first camera."""
LEAST_SEEN = 0.6
"""Share of a view that must be of the photograph."""
TRIES = 40
"""Cameras that are tried for a sample."""
OTHER_CAMERAS = 0.5
"""Share of samples whose views are of several cameras and times."""
LARGEST = 1024
"""Longer side of a photograph, pixels; finer detail no view shows."""
KEPT = 512
"""Photographs that are kept in memory."""
SUFFIXES = (".jpg", ".jpeg", ".png")


class ReliefView(NamedTuple):
    """A view."""

    light: Map
    """Linear, RGB, (H, W, 3)."""
    depth: Map
    """(H, W), 0 beyond the photograph."""
    K: Array
    T_world_camera: Array


class Relief:
    """A photograph on a hilly surface round z = 0, its back to +z.

    Args:
        photograph: RGB, (H, W, 3).
        beyond: what is seen past its edges, at no depth; the same.
        half: half of its shorter side.
        rng: source of its hills.
    """

    def __init__(self, photograph: Image, beyond: Image, half: float, rng: Random) -> None:
        self.levels = _pyramid(photograph)
        self.beyond = cv2.resize(beyond, (512, 256), interpolation=cv2.INTER_AREA)
        height, width = photograph.shape[:2]
        self.scale = min(height, width) / (2 * half)  # pixels of the photograph a unit
        self.heights = _hills(rng)

    def height(self, x: Map, y: Map) -> Map:
        """Of the surface at places (H, W)."""
        cells, half = np.float32(HEIGHTS / (2 * REACH)), np.float32(HEIGHTS / 2 - 0.5)
        place = cells * x + half, cells * y + half
        found = cv2.remap(
            self.heights, place[0], place[1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
        )
        return np.asarray(found, np.float32)

    def depths(self, T_world_camera: Array, rays: Map) -> Map:
        """Where rays (H, W, 3) of depth 1 first meet the surface; 0 where they do not."""
        turned = np.moveaxis((rays @ T_world_camera[:3, :3].T).astype(np.float32), -1, 0).copy()
        start = T_world_camera[:3, 3].astype(np.float32)
        low, high = self.heights.min() - 0.01, self.heights.max() + 0.01
        towards = np.maximum(turned[2], np.float32(1e-3))
        near, far = (low - start[2]) / towards, (high - start[2]) / towards
        near = np.maximum(near, 0.05)
        meets, before = np.zeros_like(near), None
        step = (far - near) / MARCH
        open_ = np.ones(near.shape, bool)
        for i in range(MARCH + 1):
            along = near + i * step
            x, y, z = (s + t * along for s, t in zip(start, turned, strict=True))
            gap = z - self.height(x, y)
            if before is not None:
                hit = open_ & (gap >= 0)
                share = (before / np.minimum(before - gap, -1e-6)).clip(0, 1)
                meets[hit] = (along - step + share * step)[hit]
                open_ &= ~hit
            else:
                open_ &= gap <= 0  # where not, the camera is behind it
            before = gap
        return np.where(turned[2] > 0.05, meets, 0).astype(np.float32)

    def seen(self, T_world_camera: Array, K: Array, size: tuple[int, int]) -> ReliefView:
        """What a camera shows of it, height and width ``size``."""
        row, column = np.mgrid[: size[0], : size[1]].astype(np.float32)
        rays = np.stack(
            ((column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1], np.ones_like(row)), -1
        )
        depth = self.depths(T_world_camera, rays)
        places = (depth[..., None] * rays) @ T_world_camera[:3, :3].T + T_world_camera[:3, 3]
        height, width = self.levels[0].shape[:2]
        u = (places[..., 0] * self.scale + (width - 1) / 2).astype(np.float32)
        v = (places[..., 1] * self.scale + (height - 1) / 2).astype(np.float32)
        inside = (depth > 0) & (u > 1) & (v > 1) & (u < width - 2) & (v < height - 2)
        if not inside.any():
            return ReliefView(np.zeros((*size, 3), np.float32), depth * 0, K, T_world_camera)
        wide = np.median(np.abs(np.diff(u, axis=1))[inside[:, 1:]])
        level = int(np.clip(np.round(np.log2(max(wide, 1e-3))), 0, len(self.levels) - 1))
        shift = 2.0**-level
        colours = cv2.remap(
            self.levels[level],
            (u + np.float32(0.5)) * shift - 0.5,
            (v + np.float32(0.5)) * shift - 0.5,
            cv2.INTER_LINEAR,
            None,
            cv2.BORDER_REFLECT,
        )
        far = rays @ T_world_camera[:3, :3].T
        angle = np.arctan2(far[..., 0], far[..., 2])
        rise = np.arctan2(far[..., 1], np.hypot(far[..., 0], far[..., 2]))
        sky = cv2.remap(
            self.beyond,
            ((angle / (2 * np.pi) + 0.5) * 511).astype(np.float32),
            ((rise / np.pi + 0.5) * 255).astype(np.float32),
            cv2.INTER_LINEAR,
        )
        image = np.where(inside[..., None], colours, sky)
        light = (image.astype(np.float32) / 255) ** np.float32(GAMMA)
        return ReliefView(light, np.where(inside, depth, 0), K, T_world_camera)


class Reliefs:
    """Samples by index, each several views of a photograph.

    Args:
        folder: of photographs, with those in folders of it.
        views: of each.
        field_of_view: least and largest of the longer side, radians.

    Raises:
        DataError: if there are none.
    """

    def __init__(self, folder: Path, views: int, field_of_view: tuple[float, float]) -> None:
        self.views, self.field_of_view = views, field_of_view
        self._files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not self._files:
            raise DataError(f"{folder} has no photographs ({', '.join(SUFFIXES)})")
        self._read = lru_cache(maxsize=KEPT)(_read)

    def make(self, indices: Sequence[int], size: tuple[int, int]) -> SyntheticBatch:
        """Samples of these indices, height and width; on the CPU."""
        drawn = [np.random.default_rng([index, 2]) for index in indices]
        samples = [self._draw(size, rng) for rng in drawn]
        images = [
            photograph(torch.from_numpy(np.stack([v.light for v in views])), self._effects(rng))
            for views, rng in zip(samples, drawn, strict=True)
        ]
        depth, K, T_world_camera = (
            torch.from_numpy(np.stack([[getattr(v, name) for v in views] for views in samples]))
            for name in ("depth", "K", "T_world_camera")
        )
        return SyntheticBatch(
            images=torch.stack(images),
            depth=depth.float(),
            K=K,
            T_world_camera=T_world_camera,
            covisibility=covisibility(depth.float(), K, T_world_camera),
            names=["relief"] * len(indices),
        )

    def _draw(self, size: tuple[int, int], rng: Random) -> list[ReliefView]:
        """Look at a photograph from several sides."""
        first, second = (self._files[i] for i in rng.integers(len(self._files), size=2))
        focal = max(size) / 2 / np.tan(rng.uniform(*self.field_of_view) / 2)
        K = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])
        half = min(size) / 2 / focal * rng.uniform(1.2, 2.2)
        relief = Relief(self._read(first), self._read(second), half, rng)
        views: list[ReliefView] = []
        for _ in range(TRIES):
            view = relief.seen(_look(rng, first=not views, half=half), K, size)
            if (view.depth > 0).mean() >= LEAST_SEEN:
                views.append(view._replace(light=view.light * _shade(size, rng)[..., None]))
            if len(views) == self.views:
                return views
        straight = relief.seen(make_transform(np.eye(3), [0, 0, -1.0]), K, size)
        return [*views, *[straight] * (self.views - len(views))]

    def _effects(self, rng: Random) -> list[Effects]:
        """Of one camera, or of a camera and a time for each view."""
        if rng.random() < OTHER_CAMERAS:
            return [effects for _ in range(self.views) for effects in draw_effects(rng, 1)]
        return draw_effects(rng, self.views)


def _read(file: Path) -> Image:
    image = read_rgb(file)
    scale = LARGEST / max(image.shape[:2])
    if scale >= 1:
        return image
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _look(rng: Random, first: bool, half: float) -> Array:
    """A camera about a unit in front of the surface that looks at some place of it."""
    slant = 0.25 if first else 0.75
    away = rng.uniform(0.8, 1.25) if first else np.exp(rng.uniform(-0.6, 0.6))
    target = np.array([*rng.uniform(-0.35, 0.35, 2) * half, 0.0])
    pan, tilt = rng.uniform(-slant, slant), rng.uniform(-slant, slant) * 0.7
    R = rotation_about([0, 1, 0], pan) @ rotation_about([1, 0, 0], tilt)
    roll = rng.normal(0, 0.1) if rng.random() < 0.8 else rng.uniform(-0.7, 0.7)
    R = R @ rotation_about([0, 0, 1], roll)
    return make_transform(R, target - away * R[:, 2])


def _hills(rng: Random) -> Map:
    """Heights (n, n): hills of all sizes, steps, or none."""
    total = np.zeros((HEIGHTS, HEIGHTS), np.float32)
    if rng.random() < 0.15:
        return total
    for cells, share in ((3, 0.28), (6, 0.16), (14, 0.07)):
        noise = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        smooth = cv2.resize(noise, (HEIGHTS, HEIGHTS), interpolation=cv2.INTER_CUBIC)
        total += share * rng.uniform(0, 1) * smooth
    if rng.random() < 0.5:  # steps, as of houses and tables
        noise = rng.normal(0, 1, (9, 9)).astype(np.float32)
        blocks = cv2.resize(noise, (HEIGHTS, HEIGHTS), interpolation=cv2.INTER_NEAREST)
        total += rng.uniform(0.03, 0.18) * cv2.blur(blocks, (2, 2))
    return np.clip(total - np.median(total), -0.55, 0.55)


def _shade(size: tuple[int, int], rng: Random) -> Map:
    """Another light: a smooth factor for each pixel."""
    if rng.random() < 0.4:
        return np.ones(size, np.float32)
    noise = rng.normal(0, rng.uniform(0.1, 0.7), (3, 4)).astype(np.float32)
    return np.exp(cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC))


def _pyramid(image: Image) -> list[Image]:
    levels = [image]
    while min(levels[-1].shape[:2]) > 64:
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), np.uint8))
    return levels
