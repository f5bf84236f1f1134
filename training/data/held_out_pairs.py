# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs of held-out places and textures on disk, as ``geloc3r eval pairs`` reads them.

The same arguments give the same pairs. A place is seen by several cameras, and every two of them
that see enough of the same are a pair, as far as the limits of training go. Translations are
written in median depths of the first view: that is what can be told from images.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.geometry import rotation_angle
from geloc3r_training.data.camera_motion import MotionLimits
from geloc3r_training.data.renderer import Renderer
from geloc3r_training.data.sample import Sample
from geloc3r_training.data.synthetic import SyntheticConfig, SyntheticScenes
from geloc3r_training.data.textures import load_atlas, procedural_atlas

__all__ = ["PARTS", "STILL", "write_held_out_pairs"]

PARTS = {"test": 2**39, "calibration": 2**39 + 2**38}
"""Index of the first place of each part; validation while training uses those from 0 on."""
SHAPES = ((3, 4), (3, 4), (3, 4), (9, 16), (4, 3))
"""Height to width of the images, place by place in turn."""
STILL = 0.02
"""Baseline over median depth below which a pair did not move, as in training."""
VIEWS = 6
OVERLAP = 0.3
"""Least share of either view that the other sees."""
TEXTURES = 288
"""Textures in use, three quarters of them images where there are so many."""

Entries = list[dict[str, Any]]


class Counts(NamedTuple):
    """Pairs that were written: those that moved, in ``pairs.json``, and ``still.json``."""

    moved: int
    still: int


def write_held_out_pairs(
    folder: Path,
    textures: Path | None,
    count: int,
    longer_side: int = 256,
    part: str = "test",
    console: Console | None = None,
) -> Counts:
    """Write ``count`` pairs that moved, and those that did not and came up on the way.

    Args:
        folder: is made, and must not exist.
        textures: folder of images, a tenth of which is for testing; None for procedural ones.
        count: pairs wanted.
        longer_side: of the images, pixels.
        part: key of :data:`PARTS`.
        console: where progress is shown.

    Raises:
        ConfigError: if the folder exists or there is no such part.
        ImageError: if the textures cannot be used.
    """
    if part not in PARTS:
        raise ConfigError(f"part {part!r} is not one of {', '.join(PARTS)}")
    if folder.exists():
        raise ConfigError(f"{folder} exists; name a new folder")
    atlas = (
        load_atlas(textures, TEXTURES, held_out=True)
        if textures
        else procedural_atlas(held_out=True)
    )
    limits = MotionLimits(overlap=OVERLAP)
    scenes = {
        shape: SyntheticScenes(
            SyntheticConfig(
                size=_size(shape, longer_side), views=VIEWS, limits=limits, held_out=True
            ),
            Renderer(atlas),
        )
        for shape in SHAPES
    }
    (folder / "images").mkdir(parents=True)
    moved: Entries = []
    still: Entries = []
    with Progress(console=console or Console(quiet=True)) as progress:
        task = progress.add_task("rendering", total=count)
        index = PARTS[part]
        while len(moved) < count:
            sample = scenes[SHAPES[index % len(SHAPES)]][index]
            _write_images(folder, index, sample)
            for entry, baseline in _pairs(index, sample, limits.rotation):
                (moved if baseline >= STILL else still).append(entry)
            progress.update(task, completed=len(moved))
            index += 1
    _write_list(folder / "pairs.json", f"held-out places, {part}", moved[:count])
    if still:
        _write_list(folder / "still.json", f"held-out places, {part}, no motion", still)
    return Counts(count, len(still))


def _size(shape: tuple[int, int], longer_side: int) -> tuple[int, int]:
    """Height and width."""
    height, width = (round(longer_side * side / max(shape)) for side in shape)
    return height, width


def _write_images(folder: Path, index: int, sample: Sample) -> None:
    for view, image in enumerate(sample.images):
        cv2.imwrite(str(folder / _image(index, view)), image[..., ::-1])


def _image(index: int, view: int) -> str:
    return f"images/{index}-{view}.png"


def _pairs(index: int, sample: Sample, rotation: float) -> list[tuple[dict[str, Any], float]]:
    """Entries of a place, each with its baseline over median depth."""
    assert sample.depths is not None
    assert sample.covisibility is not None
    found = []
    for a, b in combinations(range(len(sample)), 2):
        if (a + b) % 2:  # a camera is no more often first than second
            a, b = b, a
        T_a_b = sample.T_a_b(a, b)
        shared = min(sample.covisibility[a, b], sample.covisibility[b, a])
        if shared < OVERLAP or rotation_angle(T_a_b[:3, :3]) > rotation:
            continue
        depth = sample.depths[a]
        T_a_b[:3, 3] /= np.median(depth[depth > 0])
        entry = {
            "name": f"{index}/{a}-{b}",
            "images": [_image(index, a), _image(index, b)],
            "K": [sample.K[a].tolist(), sample.K[b].tolist()],
            "T_a_b": T_a_b.tolist(),
            "overlap": round(float(shared), 4),
        }
        found.append((entry, float(np.linalg.norm(T_a_b[:3, 3]))))
    return found


def _write_list(path: Path, name: str, entries: Entries) -> None:
    path.write_text(json.dumps({"name": name, "pairs": entries}), encoding="utf-8")
