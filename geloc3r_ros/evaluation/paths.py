# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories out of relative poses, and how far they are from the truth.

One camera: poses of which each begins where another ends chain to the path of the camera from its
first image; where each image is paired with one several before it, there are several such chains
side by side, and the longest counts. Two cameras:
the poses of b in a, one after the other, are the path of b as a sees it. Where the length of a
translation is unknown it is taken from the truth, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.evaluation.alignment import (
    Alignment,
    AlignmentError,
    absolute_errors,
    align,
    relative_errors,
)
from geloc3r_ros.evaluation.association import Stamps
from geloc3r_ros.evaluation.figures import MOVED
from geloc3r_ros.evaluation.predictions import Predictions
from geloc3r_ros.geometry import Array

__all__ = ["Path3d", "path_figures", "path_of", "statistics"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Path3d:
    """A trajectory and its truth at the same moments.

    Attributes:
        kind: ``chained`` or ``seen from a``.
        frame: the frame that it is in: that of a, at its first stamp where it is chained.
        stamps: (N,) nanoseconds.
        estimated: (N, 4, 4).
        true: (N, 4, 4).
        lengths_from_truth: whether translations got their lengths from the truth.
        pieces: of how many chains this is the longest; a failure ends one, and where images b
            are k after a there are k from the start.
    """

    kind: str
    frame: str
    stamps: Stamps
    estimated: Array
    true: Array
    lengths_from_truth: bool
    pieces: int


def path_of(predictions: Predictions, chained: bool) -> Path3d | None:
    """The path in these predictions; None under three poses with a truth, or standing still."""
    both = np.concatenate([predictions.T_a_b, predictions.T_a_b_true], axis=1)
    known: Mask = np.isfinite(both).all(axis=(1, 2))
    steps = predictions.T_a_b.copy()
    unscaled = known & ~predictions.scale_known
    lengths = np.linalg.norm(predictions.T_a_b_true[unscaled, :3, 3], axis=1)
    own = np.linalg.norm(steps[unscaled, :3, 3], axis=1)
    steps[unscaled, :3, 3] *= (lengths / np.where(own > 0, own, 1.0))[:, None]
    from_truth = bool(unscaled.any())
    frame = predictions.frames[0][0] if len(predictions) else ""
    if not chained:
        stamps, true = predictions.stamps[known, 1], predictions.T_a_b_true[known]
        path = Path3d("seen from a", frame, stamps, steps[known], true, from_truth, 1)
    else:
        pieces = _pieces(predictions.stamps, known)
        longest = max(pieces, key=len, default=[])
        stamps = predictions.stamps[longest, 1]
        if longest:
            stamps = np.insert(stamps, 0, predictions.stamps[longest[0], 0])
        true, estimated = _chain(predictions.T_a_b_true[longest]), _chain(steps[longest])
        path = Path3d(
            "chained", f"{frame}_first", stamps, estimated, true, from_truth, len(pieces)
        )
    return path if len(path.stamps) > 2 and _extent(path.true) > MOVED else None


def path_figures(path: Path3d, alignment: Alignment) -> dict[str, Any]:
    """APE and RPE of a path, after an alignment, ready for JSON."""
    said: dict[str, Any] = {
        "kind": path.kind,
        "poses": len(path.stamps),
        "pieces": path.pieces,
        "lengths_from_truth": path.lengths_from_truth,
        "alignment": alignment,
        "path_length_m": float(np.linalg.norm(np.diff(path.true[:, :3, 3], axis=0), axis=1).sum()),
    }
    try:
        aligned = align(path.estimated, path.true, alignment)
    except AlignmentError as error:
        return {**said, "failure": str(error)}
    ape_m, ape_rad = absolute_errors(aligned, path.true)
    rpe_m, rpe_rad = relative_errors(aligned, path.true)
    return {
        **said,
        "ape_m": statistics(ape_m),
        "ape_deg": statistics(np.degrees(ape_rad)),
        "rpe_m": statistics(rpe_m),
        "rpe_deg": statistics(np.degrees(rpe_rad)),
    }


def statistics(values: Array) -> dict[str, float]:
    """The statistics that evo prints, under its names."""
    return {
        "rmse": float(np.sqrt(np.mean(values**2))),
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "std": float(values.std()),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def _pieces(stamps: Stamps, known: Mask) -> list[list[int]]:
    """Indices of pairs of which each begins at the stamp where the one before it ends."""
    pieces: list[list[int]] = []
    ending: dict[int, list[int]] = {}
    for i in np.flatnonzero(known):
        begin, end = map(int, stamps[i])
        piece = ending.pop(begin, None)
        if piece is None:
            piece = []
            pieces.append(piece)
        piece.append(int(i))
        ending[end] = piece
    return pieces


def _extent(poses: Array) -> float:
    return float(np.ptp(poses[:, :3, 3], axis=0).max())


def _chain(steps: Array) -> Array:
    """Poses (N + 1, 4, 4) in the first, from the steps (N, 4, 4) between them."""
    poses = [np.eye(4)]
    for step in steps:
        poses.append(poses[-1] @ step)
    return np.array(poses)
