# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A benchmark as the plain ``pairs.json`` that ``geloc3r eval pairs`` reads, its images cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from geloc3r_ros.geometry import inverse
from geloc3r_training.data.covisibility import covisibility, on_one_canvas
from geloc3r_training.data.crops import benchmark_size, crop
from geloc3r_training.data.datasets import Pair, PosedDataset, Problem
from geloc3r_training.data.datasets.base import View
from geloc3r_training.data.sample import DataError

__all__ = ["export_pairs"]


def export_pairs(
    dataset: PosedDataset, pairs: list[Pair], folder: Path, name: str, console: Console
) -> tuple[int, list[Problem]]:
    """Write ``pairs.json`` and the images it names, cut as the benchmarks cut them.

    Each image is cut around its principal point to 512x384, portrait where H > 1.1 W.

    Returns:
        How many pairs were written, and what was wrong with the others.
    """
    entries: list[dict[str, Any]] = []
    problems: list[Problem] = []
    written: set[Path] = set()
    for pair in track(pairs, "cutting images", console=console):
        try:
            ends = (pair.a, pair.b)
            a, b = (_cut(dataset, pair.scene, frame, folder, written) for frame in ends)
        except DataError as error:
            problems.append(Problem(pair.scene, f"{pair.a}+{pair.b}", str(error)))
            continue
        entries.append(
            {
                "name": f"{pair.scene}/{pair.a}+{pair.b}",
                "images": [a[0], b[0]],
                "K": [a[1].K.tolist(), b[1].K.tolist()],
                "T_a_b": (inverse(a[1].T_world_camera) @ b[1].T_world_camera).tolist(),
                **_overlap(a[1], b[1]),
            }
        )
    content = {"name": name, "pairs": entries}
    (folder / "pairs.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return len(entries), problems


def _overlap(a: View, b: View) -> dict[str, float]:
    """Share of a that b sees, as the entry of pairs.json; none where depth is missing."""
    if a.depth is None or b.depth is None:
        return {}
    depths = on_one_canvas([a.depth, b.depth])
    K, T = (
        torch.from_numpy(np.stack(both))
        for both in ((a.K, b.K), (a.T_world_camera, b.T_world_camera))
    )
    return {"overlap": round(float(covisibility(depths, K, T)[0, 1]), 4)}


def _cut(
    dataset: PosedDataset, scene: str, name: str, folder: Path, written: set[Path]
) -> tuple[str, View]:
    """Path of a cut image from the folder, and its view; an image is written once."""
    view = dataset.read(dataset.frame(scene, name))
    height, width = view.image.shape[:2]
    view = crop(view, benchmark_size(width, height))
    file = Path("images") / scene / f"{Path(name).with_suffix('')}.png"
    path = folder / file
    if path not in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), view.image[..., ::-1]):
            raise DataError(f"{path} cannot be written; is the disk full?")
        written.add(path)
    return str(file), view
