# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is in a dataset, for people: a sheet of its images and how its pairs are distributed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from geloc3r_ros.geometry import rotation_angle
from geloc3r_training.data.sample import Sample

__all__ = ["contact_sheet", "pair_statistics", "print_distributions"]


def contact_sheet(samples: Sequence[Sample], columns: int = 4) -> npt.NDArray[np.uint8]:
    """Samples side by side, the views of each in a row with a depth map of the first behind them.

    Returns:
        uint8 RGB; samples must have the same number of views and the same size.
    """
    cells = []
    for sample in samples:
        parts = list(sample.images)
        if sample.depths is not None:
            parts.append(_depth_image(sample.depths[0]))
        cells.append(np.pad(np.concatenate(parts, axis=1), ((2, 2), (2, 6), (0, 0))))
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows)


def pair_statistics(samples: Sequence[Sample]) -> dict[str, npt.NDArray[np.float64]]:
    """Rotation (degrees), baseline / median depth, overlap and median depth (metres) of all pairs
    of a sample's first view with its others; overlap is the smaller covisibility of both ways.
    """
    rows = []
    for sample in samples:
        for b in range(1, len(sample)):
            T_a_b = sample.T_a_b(0, b)
            depth = float("nan")
            if sample.depths is not None:
                depth = float(np.median(sample.depths[0][sample.depths[0] > 0]))
            shared = float("nan")
            if sample.covisibility is not None:
                shared = min(sample.covisibility[0, b], sample.covisibility[b, 0])
            angle = np.degrees(rotation_angle(T_a_b[:3, :3]))
            rows.append((angle, np.linalg.norm(T_a_b[:3, 3]) / depth, shared, depth))
    names = "rotation, degrees", "baseline / depth", "overlap", "depth, metres"
    return dict(zip(names, np.array(rows).reshape(-1, 4).T, strict=True))


def print_distributions(samples: Sequence[Sample], console: Console) -> None:
    """Print quantiles of :func:`pair_statistics` as a table."""
    quantiles = 0, 5, 25, 50, 75, 95, 100
    table = Table("", *(f"{q} %" for q in quantiles), title=f"{len(samples)} samples")
    for name, values in pair_statistics(samples).items():
        cells = np.nanpercentile(values, quantiles) if len(values) else [np.nan] * len(quantiles)
        table.add_row(name, *(f"{value:.3g}" for value in cells))
    console.print(table)


def _depth_image(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Near is bright, the sky black."""
    known = depth > 0
    near = np.percentile(depth[known], 2) if known.any() else 1.0
    grey = np.where(known, 255 * (near / np.maximum(depth, near)) ** 0.5, 0)
    return np.repeat(grey[..., None].astype(np.uint8), 3, axis=2)
