# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of places made of photographs: real texture, known depth.

Photographs of anything, nobody knows from where, cover a hilly surface (:mod:`.reliefs`) or a
street (:mod:`.streets`), and cameras look at them from several places in several lights. These
are no true places, but what descriptors have to hold under: photographic texture that turns,
slants, grows, hides and changes its light.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch

from geloc3r_training.data.covisibility import covisibility
from geloc3r_training.data.photometric import Effects, draw_effects, photograph
from geloc3r_training.data.pictures import Map, Random, View, read_picture
from geloc3r_training.data.reliefs import Relief
from geloc3r_training.data.sample import DataError
from geloc3r_training.data.streets import Street
from geloc3r_training.data.synthetic import SyntheticBatch

__all__ = ["PLACES", "Photographs"]

PLACES: dict[str, type[Relief] | type[Street]] = {"relief": Relief, "street": Street}
"""What photographs make."""

TRIES = 40
"""Cameras that are tried for a sample."""
OTHER_CAMERAS = 0.5
"""Share of samples whose views are of several cameras and times."""
KEPT = 512
"""Photographs that are kept in memory."""
SUFFIXES = (".jpg", ".jpeg", ".png")


class Photographs:
    """Samples by index, each several views of a place made of photographs.

    Args:
        folder: of photographs, with those in folders of it.
        views: of each place.
        field_of_view: least and largest of the longer side, radians.

    Raises:
        DataError: if there are none.
    """

    def __init__(self, folder: Path, views: int, field_of_view: tuple[float, float]) -> None:
        self.views, self.field_of_view = views, field_of_view
        self._files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not self._files:
            raise DataError(f"{folder} has no photographs ({', '.join(SUFFIXES)})")
        self._read = lru_cache(maxsize=KEPT)(read_picture)

    def make(self, kind: str, indices: Sequence[int], size: tuple[int, int]) -> SyntheticBatch:
        """Samples of these indices, height and width, of a kind of :data:`PLACES`; on the CPU."""
        drawn = [np.random.default_rng([index, 2]) for index in indices]
        samples = [self._draw(PLACES[kind], size, rng) for rng in drawn]
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
            names=[kind] * len(indices),
        )

    def _draw(
        self, kind: type[Relief] | type[Street], size: tuple[int, int], rng: Random
    ) -> list[View]:
        """Look at a place from several sides."""
        files = rng.integers(len(self._files), size=kind.PHOTOGRAPHS)
        focal = max(size) / 2 / np.tan(rng.uniform(*self.field_of_view) / 2)
        K = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])
        place = kind.drawn([self._read(self._files[i]) for i in files], min(size) / 2 / focal, rng)
        views: list[View] = []
        for _ in range(TRIES):
            view = place.seen(place.look(rng, first=not views), K, size)
            if (view.depth > 0).mean() >= place.LEAST_SEEN:
                views.append(view._replace(light=view.light * _shade(size, rng)[..., None]))
            if len(views) == self.views:
                return views
        straight = place.seen(place.START, K, size)
        return [*views, *[straight] * (self.views - len(views))]

    def _effects(self, rng: Random) -> list[Effects]:
        """Of one camera, or of a camera and a time for each view."""
        if rng.random() < OTHER_CAMERAS:
            return [effects for _ in range(self.views) for effects in draw_effects(rng, 1)]
        return draw_effects(rng, self.views)


def _shade(size: tuple[int, int], rng: Random) -> Map:
    """Another light: a smooth factor for each pixel."""
    if rng.random() < 0.4:
        return np.ones(size, np.float32)
    noise = rng.normal(0, rng.uniform(0.1, 0.7), (3, 4)).astype(np.float32)
    return np.exp(cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC))
