# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Going through a whole dataset: selecting its pairs, and looking at what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from geloc3r_training.data.crops import crop
from geloc3r_training.data.datasets.base import Inspection, Pair, PosedDataset, stack
from geloc3r_training.data.pair_selection import PairConfig, ScenePairs, find_pairs
from geloc3r_training.data.sample import DataError, Sample

__all__ = ["Sight", "example_pairs", "inspect_all", "look_at", "prepare"]

T = TypeVar("T")


class Sight(NamedTuple):
    """A pair to look at."""

    pair: Pair
    sample: Sample


def prepare(
    dataset: PosedDataset, config: PairConfig, cache: Path, workers: int, console: Console
) -> list[ScenePairs]:
    """Select the pairs of all scenes; those already in the cache are only checked."""
    work = partial(_find, dataset, config, cache)
    return list(_each_scene(work, dataset.scenes(), workers, "selecting pairs", console))


def inspect_all(
    dataset: PosedDataset, scenes: Sequence[str], workers: int, console: Console
) -> list[Inspection]:
    """Check the frames of scenes: numbers and headers of all files."""
    return list(_each_scene(dataset.inspect, scenes, workers, "checking frames", console))


def example_pairs(dataset: PosedDataset, scenes: Sequence[str], count: int) -> list[Pair]:
    """Choose pairs to look at: a benchmark's own, else frames a little apart."""
    pairs = dataset.pairs()
    if pairs is None:
        pairs = []
        for scene in scenes:
            names = [frame.name for frame in dataset.frames(scene)]
            if len(names) < 2:
                continue
            step = max(1, min(10, len(names) // 4))
            places = np.linspace(0, len(names) - 1 - step, 3).astype(int)
            pairs += [Pair(scene, names[i], names[i + step]) for i in sorted(set(places))]
    if not pairs:
        return []
    places = np.unique(np.linspace(0, len(pairs) - 1, count).astype(int))
    return [pairs[i] for i in places]


def look_at(dataset: PosedDataset, pairs: Sequence[Pair], size: tuple[int, int]) -> list[Sight]:
    """Read pairs, cut to a height and width; pairs that cannot be read are left out."""
    sights = []
    for pair in pairs:
        try:
            frames = [dataset.frame(pair.scene, name) for name in (pair.a, pair.b)]
            views = [crop(dataset.read(frame), size) for frame in frames]
        except DataError:
            continue  # inspect_all lists it
        source = f"{dataset.name}/{pair.scene}/{pair.a}+{pair.b}"
        sights.append(Sight(pair, stack(views, dataset.scale, source)))
    return sights


def _find(dataset: PosedDataset, config: PairConfig, cache: Path, scene: str) -> ScenePairs:
    return find_pairs(dataset, scene, config, cache)


def _each_scene(
    work: Callable[[str], T], scenes: Sequence[str], workers: int, title: str, console: Console
) -> Iterator[T]:
    """Results in the order of the scenes, by processes, with a progress bar."""
    columns = TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=len(scenes))
        if workers < 2:
            for scene in scenes:
                yield work(scene)
                progress.advance(task)
            return
        # Not forked: PyTorch's threads may hold locks.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(work, scene) for scene in scenes]
            for _ in as_completed(jobs):
                progress.advance(task)
            for job in jobs:
                yield job.result()
