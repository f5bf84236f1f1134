# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of real datasets, mixed: a batch is a function of (seed, stage, step), as in pairs.py.

Their pairs must have been selected before, by ``geloc3r-data prepare`` with the same settings.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from geloc3r_training.config import StageConfig
from geloc3r_training.data.colours import jitter
from geloc3r_training.data.crops import crop
from geloc3r_training.data.datasets import Pair, open_dataset
from geloc3r_training.data.datasets.base import View
from geloc3r_training.data.mixture_config import MixtureConfig, PartConfig
from geloc3r_training.data.pair_selection import PairConfig, load_pairs
from geloc3r_training.data.sample import DataError
from geloc3r_training.interrupt import leave_signals
from geloc3r_training.pairs import PairBatch, Share

__all__ = ["Mixture"]

log = logging.getLogger(__name__)

REDRAWS = 20
"""Pairs that are tried in place of one whose files turn out to be damaged."""


class _Draw(NamedTuple):
    """What a worker reads: pairs (part, number), from the ``first`` of a batch, and their cut."""

    pairs: tuple[tuple[int, int], ...]
    first: int
    portrait: bool
    size: tuple[int, int]
    seed: tuple[int, ...]


class _Part:
    """A dataset with its selected pairs, by orientation."""

    def __init__(self, config: PartConfig, selection: PairConfig, cache: Path) -> None:
        self.dataset = open_dataset(Path(config.root), config.dataset, config.split)
        self._selection, self._cache = selection, cache
        self.weight = config.pairs
        scenes = self.dataset.scenes()
        found = [
            pairs
            for scene in scenes
            if (pairs := load_pairs(self.dataset, scene, selection, cache)) is not None
        ]
        if found and len(found) < len(scenes):
            log.warning(
                "%d of %d scenes of %s are prepared: those alone are trained on. Prepare the rest "
                "before, as a training that goes on after it draws other pairs",
                *(len(found), len(scenes), config.root),
            )
        # Names stay on disk: a big dataset has tens of millions of them.
        self._scenes = [scene.scene for scene in found]
        self._ends = np.cumsum([len(scene.names) for scene in found])
        if not len(self):
            raise DataError(
                f"{cache} has no pairs of {config.dataset} with these settings; "
                f"run: geloc3r-data prepare {config.root} --cache {cache}"
            )
        self.covisibility = np.concatenate([scene.covisibility for scene in found]).min(axis=1)
        portrait = np.concatenate([scene.portrait for scene in found])
        self.of_orientation = {flag: np.flatnonzero(portrait == flag) for flag in (False, True)}

    def __len__(self) -> int:
        """Pairs to draw from."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def pair(self, number: int) -> Pair:
        """Return a pair by its number.

        Raises:
            DataError: if the file of its scene is gone.
        """
        place = int(np.searchsorted(self._ends, number, side="right"))
        scene = self._scenes[place]
        known = load_pairs(self.dataset, scene, self._selection, self._cache)
        if known is None:
            raise DataError(f"{self._cache} has no pairs of {scene} any more; prepare them again")
        return Pair(scene, *known.names[number - int(self._ends[place])])


class Mixture:
    """The pairs of a training.

    Args:
        config: which datasets.
        seed: of the training.
        device: where batches are wanted.

    Raises:
        DataError: if a dataset or its selected pairs are not there.
    """

    def __init__(self, config: MixtureConfig, seed: int, device: torch.device) -> None:
        self.config, self.seed, self.device = config, seed, device
        cache = Path(config.cache)
        self.parts = [_Part(part, config.selection, cache) for part in config.parts]
        shares = [
            [part.weight * len(part.of_orientation[flag]) / len(part) for part in self.parts]
            for flag in (False, True)
        ]
        self._weights = np.array(shares) / np.sum(shares)  # (orientation, part)

    def __len__(self) -> int:
        """Pairs of an epoch."""
        return sum(part.weight for part in self.parts)

    def of_stage(
        self, stage: int, config: StageConfig, start: int, share: Share
    ) -> Iterator[PairBatch]:
        """The batches of a stage from step ``start`` on, without end; each is this process's."""
        own = config.batch_size // share.processes
        draws = (
            self._draw((self.seed, stage, step), config.batch_size, share.rank * own, own)
            for step in itertools.count(start)
        )
        loader = DataLoader(
            _Reader(self),
            batch_size=None,
            sampler=draws,
            num_workers=self.config.workers,
            worker_init_fn=leave_signals,
            generator=torch.Generator(),
        )
        return (_on(batch, self.device) for batch in loader)

    def _draw(self, seed: tuple[int, ...], count: int, first: int, own: int) -> _Draw:
        """Draw a whole batch, and keep the own part of it."""
        rng = np.random.default_rng(seed)
        portrait = bool(rng.random() < self._weights[1].sum())
        weights = self._weights[int(portrait)]
        height, width = self.config.sizes[int(rng.integers(len(self.config.sizes)))]
        parts = rng.choice(len(self.parts), count, p=weights / weights.sum())
        pairs = [(int(part), self._number(int(part), portrait, rng)) for part in parts]
        size = (width, height) if portrait else (height, width)
        return _Draw(tuple(pairs[first : first + own]), first, portrait, size, seed)

    def _number(self, part: int, portrait: bool, rng: np.random.Generator) -> int:
        return int(rng.choice(self.parts[part].of_orientation[portrait]))

    def read(self, draw: _Draw) -> PairBatch:
        """Read, cut and colour the pairs of a draw."""
        rows = [self._read_pair(*pair, draw, i) for i, pair in enumerate(draw.pairs, draw.first)]
        views = [view for pair, _, _ in rows for view in pair]
        depths = [np.zeros(draw.size) if v.depth is None else v.depth for v in views]
        images = np.stack([view.image for view in views]).transpose(0, 3, 1, 2)
        T = torch.from_numpy(np.stack([view.T_world_camera for view in views])).unflatten(
            0, (-1, 2)
        )
        return PairBatch(
            images=torch.from_numpy(np.ascontiguousarray(images)).unflatten(0, (-1, 2)),
            depth=torch.from_numpy(np.stack(depths)).float().unflatten(0, (-1, 2)),
            K=torch.from_numpy(np.stack([v.K for v in views])).float().unflatten(0, (-1, 2)),
            T_world_camera=T,
            T_2_1=(torch.linalg.inv(T[:, 1]) @ T[:, 0]).float(),
            covisibility=torch.tensor([share for _, share, _ in rows]),
            ids=tuple(number for _, _, number in rows),
            view_ids=torch.arange(len(views)).unflatten(0, (-1, 2)),
        )

    def _read_pair(
        self, part: int, number: int, draw: _Draw, place: int
    ) -> tuple[list[View], float, int]:
        """Two cut views, their covisibility and id; another pair where files are damaged.

        What is random depends on the pair's place in the whole batch, not on who reads it.
        """
        chosen, rng = self.parts[part], np.random.default_rng([*draw.seed, place + 1])
        for _ in range(REDRAWS):
            try:
                scene, *names = chosen.pair(number)
                frames = [chosen.dataset.frame(scene, name) for name in names]
                zoom = rng.uniform(1.0, self.config.zoom)
                views = [crop(chosen.dataset.read(f), draw.size, zoom) for f in frames]
                break
            except DataError as error:
                log.warning("another pair is taken: %s", error)
                number = self._number(part, draw.portrait, rng)
        else:
            raise DataError(f"{chosen.dataset.root}: {REDRAWS} pairs in a row are damaged")
        images = jitter(np.stack([view.image for view in views]), self.config.colour, rng)
        views = [view._replace(image=image) for view, image in zip(views, images, strict=True)]
        if rng.random() < 0.5:
            views.reverse()
        before = sum(len(other) for other in self.parts[:part])
        return views, float(chosen.covisibility[number]), before + number


class _Reader(Dataset[PairBatch]):
    """What a worker does with a draw."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __getitem__(self, draw: _Draw) -> PairBatch:
        return self.mixture.read(draw)


def _on(batch: PairBatch, device: torch.device) -> PairBatch:
    names = "images", "depth", "K", "T_world_camera", "T_2_1", "covisibility"
    return replace(batch, **{name: getattr(batch, name).to(device) for name in names})
