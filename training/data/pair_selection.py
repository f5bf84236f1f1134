# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which pairs of frames to train on: those that see enough of the same, as measured.

Covisibility is measured by carrying every pixel of one depth map into the other, at a small size.
What was found is kept on disk, a file a scene, so that preparation can be stopped and resumed; the
file is found again by its settings, and trusted only while the scene's frames are the same.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch

from geloc3r_ros.errors import ConfigError
from geloc3r_training.data.covisibility import covisibility, on_one_canvas
from geloc3r_training.data.crops import is_portrait
from geloc3r_training.data.datasets.base import UNREADABLE, Frame, PosedDataset, Problem
from geloc3r_training.data.datasets.files import image_size

__all__ = ["PairConfig", "ScenePairs", "find_pairs", "load_pairs"]

VERSION = 2  # of the files and of how covisibility is measured
CHUNK = 256  # pairs measured at once
BINS = 8  # of covisibility, drawn from evenly


@dataclass(frozen=True, kw_only=True)
class PairConfig:
    """What makes a pair.

    Raises:
        ConfigError: if a value is out of range.
    """

    covisibility: tuple[float, float] = (0.2, 0.95)
    """Least and largest share of the pixels that the other view sees, the smaller of both ways."""
    frame_gap: tuple[int, int] = (5, 60)
    """Least and largest number of frames apart, where a dataset has no depth to measure with."""
    max_frames: int = 200
    """Frames of a scene whose covisibility is measured, evenly along it."""
    max_pairs: int = 500
    """Pairs of a scene that are kept, evenly over covisibility."""
    width: int = 64
    """Longer side of the depth maps that covisibility is measured on, pixels."""
    tolerance: float = 0.05
    """Relative difference of depths beyond which a point is hidden."""

    def __post_init__(self) -> None:
        low, high = self.covisibility
        if not 0 <= low < high <= 1:
            raise ConfigError(f"covisibility {low, high} must rise within 0 and 1")
        if not 1 <= self.frame_gap[0] <= self.frame_gap[1]:
            raise ConfigError(f"frame_gap {self.frame_gap} must rise from 1 on")
        for name in ("max_frames", "max_pairs", "width"):
            if getattr(self, name) < 2:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least 2")
        if not 0 < self.tolerance < 1:
            raise ConfigError(f"tolerance is {self.tolerance}; it must be within 0 and 1")


class ScenePairs(NamedTuple):
    """The P pairs of a scene, and what was found broken on the way."""

    scene: str
    names: list[tuple[str, str]]  # P
    covisibility: npt.NDArray[np.float32]  # (P, 2) of the first and second; NaN where unmeasured
    portrait: npt.NDArray[np.bool_]  # (P,) whether both views are
    problems: list[Problem]


def find_pairs(dataset: PosedDataset, scene: str, config: PairConfig, cache: Path) -> ScenePairs:
    """Select the pairs of a scene, or read them where that was done before."""
    frames, problems = dataset.inspect(scene)
    state = _digest([scene, *map(_identity, frames)])
    path = _path(dataset, scene, config, cache)
    known = _read(path, scene, state)
    if known is not None:
        return known
    if any(frame.depth for frame in frames):
        frames = [frames[i] for i in _evenly(len(frames), config.max_frames)]
        frames, shared, broken = _measured(dataset, scene, frames, config)
        problems = [*problems, *broken]
        enough = np.minimum(shared, shared.T)
        low, high = config.covisibility
        a, b = np.nonzero(np.triu((enough >= low) & (enough <= high), k=1))
        shares = np.stack([shared[a, b], shared[b, a]], axis=1)
    else:
        a, b = _by_gap(len(frames), config.frame_gap)
        shares = np.full((len(a), 2), np.nan, np.float32)
    rng = np.random.default_rng(int(state[:16], 16))
    kept = _spread(shares.min(axis=1), config, rng)
    a, b, shares = a[kept], b[kept], shares[kept]
    upright = {i: is_portrait(*image_size(frames[i].image)) for i in np.union1d(a, b)}
    found = ScenePairs(
        scene,
        [(frames[i].name, frames[j].name) for i, j in zip(a, b, strict=True)],
        shares.astype(np.float32),
        np.array([upright[i] and upright[j] for i, j in zip(a, b, strict=True)], bool),
        problems,
    )
    _write(path, found, state)
    return found


def load_pairs(
    dataset: PosedDataset, scene: str, config: PairConfig, cache: Path
) -> ScenePairs | None:
    """Read what :func:`find_pairs` kept, without looking at the scene; None if there is none."""
    return _read(_path(dataset, scene, config, cache), scene, None)


def _identity(frame: Frame) -> tuple[str, bytes, bytes, bool]:
    """What makes selected pairs outdated when it changes."""
    return frame.name, frame.K.tobytes(), frame.T_world_camera.tobytes(), bool(frame.depth)


def _measured(
    dataset: PosedDataset, scene: str, frames: Sequence[Frame], config: PairConfig
) -> tuple[list[Frame], npt.NDArray[np.float32], list[Problem]]:
    """Frames whose depth could be read, their covisibility (N, N), and the problems of others."""
    small, usable, problems = [], [], []
    for frame in frames:
        try:
            view = dataset.read(frame)
            if view.depth is None:
                raise ValueError("it has no depth map")
            small.append(_shrunk(view.depth, view.K, config.width))
            usable.append(frame)
        except UNREADABLE as error:
            problems.append(Problem(scene, frame.name, str(error)))
    count = len(usable)
    shared = np.zeros((count, count), np.float32)
    if count < 2:
        return usable, shared, problems
    depths = on_one_canvas([depth for depth, _ in small])
    K = torch.from_numpy(np.stack([K for _, K in small]))
    T = torch.from_numpy(np.stack([frame.T_world_camera for frame in usable]))
    ends = torch.triu_indices(count, count, 1).T
    for pairs in ends.split(CHUNK):
        share = covisibility(depths[pairs], K[pairs], T[pairs], 2, config.tolerance).numpy()
        i, j = pairs.T.numpy()
        shared[i, j], shared[j, i] = share[:, 0, 1], share[:, 1, 0]
    return usable, shared, problems


def _shrunk(
    depth: npt.NDArray[np.float32], K: npt.NDArray[np.float64], longer: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    height, width = depth.shape
    size = np.maximum(np.rint(np.array([width, height]) * longer / max(width, height)), 1)
    x, y = size / (width, height)
    small = cv2.resize(depth, (int(size[0]), int(size[1])), interpolation=cv2.INTER_NEAREST_EXACT)
    to_small = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])
    return np.asarray(small, np.float32), to_small @ K


def _evenly(count: int, limit: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(int))


def _by_gap(
    count: int, gap: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    first, apart = np.arange(count)[:, None], np.arange(gap[0], gap[1] + 1)
    row, column = np.nonzero(first + apart < count)
    return row, row + apart[column]


def _spread(
    shares: npt.NDArray[np.float32], config: PairConfig, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Indices of at most max_pairs shares, as many from each bin as there are, in order."""
    low, high = config.covisibility
    place = np.nan_to_num((shares - low) / (high - low))
    bins = np.clip((place * BINS).astype(int), 0, BINS - 1)
    order = rng.permutation(len(shares))
    turn = np.zeros(len(shares), int)
    for one in range(BINS):
        members = order[bins[order] == one]
        turn[members] = np.arange(len(members))
    first = order[np.argsort(turn[order], kind="stable")][: config.max_pairs]
    return np.sort(first)


def _digest(parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def _path(dataset: PosedDataset, scene: str, config: PairConfig, cache: Path) -> Path:
    root = str(dataset.root.resolve())
    key = _digest([VERSION, dataset.name, root, scene, astuple(config)])
    return cache / dataset.name / f"{scene.replace('/', '+')}-{key}.npz"


def _read(path: Path, scene: str, state: str | None) -> ScenePairs | None:
    """What a file holds; None if it is missing, damaged, or of other frames."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if state is not None and str(file["state"]) != state:
                return None
            names = [(str(a), str(b)) for a, b in file["names"]]
            problems = [Problem(*(str(word) for word in row)) for row in file["problems"]]
            return ScenePairs(scene, names, file["covisibility"], file["portrait"], problems)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, pairs: ScenePairs, state: str) -> None:
    """Write whole or not at all: another process may be reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(
        partial,
        state=state,
        names=np.array(pairs.names, str).reshape(-1, 2),
        covisibility=pairs.covisibility,
        portrait=pairs.portrait,
        problems=np.array(pairs.problems, str).reshape(-1, 3),
    )
    partial.replace(path)
