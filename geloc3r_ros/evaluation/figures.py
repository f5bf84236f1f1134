# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From predictions to the numbers of a report; degrees, milliseconds, and null for unknown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.evaluation.consistency import consistency, direction_nees, rotation_nees
from geloc3r_ros.evaluation.metrics import PoseMetrics, errors_of, summarise
from geloc3r_ros.evaluation.predictions import Predictions
from geloc3r_ros.geometry import Array, rotation_angle

__all__ = ["MOVED", "NOTE", "Errors", "errors", "figures", "missing", "percentiles"]

NOTE = (
    "The error of a pair is the larger of its rotation and its direction error; AUC is the area "
    "under its recall. The sign of the translation is not folded: the opposite direction is an "
    "error of 180°. A pair without a pose or a direction counts as an infinite error, a direction "
    "that the network calls not valid as it is."
)
MOVED = 1e-3
"""A true translation shorter than this (metres) has no direction to be right about."""
ROTATION_EDGES = (0.0, 10.0, 30.0, 60.0, 180.0)
NUMBERS = re.compile(r"\d+(\.\d+)?")
OVERLAP_EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of the pairs whose truth is known, in radians; infinite for failures.

    Attributes:
        index: (M,) which predictions these are.
        rotation: (M,).
        direction: (M,); NaN where the truth does not move.
        moved: (M,) whether it does.
    """

    index: npt.NDArray[np.intp]
    rotation: Array
    direction: Array
    moved: Mask

    @property
    def pose(self) -> Array:
        """The larger of both (M,); the rotation alone where nothing moved."""
        return np.where(self.moved, np.maximum(self.rotation, self.direction), self.rotation)


def errors(predictions: Predictions) -> Errors:
    """Compare the estimates with the truth."""
    index = np.flatnonzero(np.isfinite(predictions.T_a_b_true).all(axis=(1, 2)))
    true = predictions.T_a_b_true[index]
    estimated = [T if np.isfinite(T).all() else None for T in predictions.T_a_b[index]]
    rotation, direction = errors_of(estimated, list(true))
    moved = np.linalg.norm(true[:, :3, 3], axis=1) > MOVED
    direction = np.where(np.isnan(direction), np.inf, direction)
    return Errors(index, rotation, np.where(moved, direction, np.nan), moved)


def figures(predictions: Predictions) -> dict[str, Any]:
    """All numbers about a set of predictions, ready for JSON."""
    e = errors(predictions)
    return {
        **_metrics(summarise(e.rotation, np.nan_to_num(e.direction, posinf=np.inf), e.moved)),
        "commonest_failure": _commonest_failure(predictions, e),
        "without_truth": len(predictions) - len(e.index),
        "trained": bool(predictions.trained.all()),
        "latency_ms": percentiles(1e3 * predictions.seconds),
        "breakdown": _breakdown(predictions, e),
        "covariance": _covariance(predictions, e),
    }


def missing(periods: Array) -> int:
    """How many are missing in a rhythm: k - 1 for each period (N,) of k medians, rounded."""
    if not len(periods):
        return 0
    return int((np.rint(periods / np.median(periods)) - 1).clip(0).sum())


def percentiles(values: Array) -> dict[str, float] | None:
    """Median, 95th percentile and maximum of what is finite; None where nothing is."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    p50, p95, largest = np.percentile(values, [50, 95, 100])
    return {"p50": float(p50), "p95": float(p95), "max": float(largest)}


def _metrics(m: PoseMetrics) -> dict[str, Any]:
    return {
        "pairs": m.pairs,
        "failures": m.failures,
        "auc": {str(t): _or_none(area) for t, area in m.auc.items()},
        "rotation_median_deg": _or_none(np.degrees(m.rotation_median)),
        "direction_median_deg": _or_none(np.degrees(m.direction_median)),
        "still_pairs": m.still_pairs,
        "still_rotation_median_deg": _or_none(np.degrees(m.still_rotation_median)),
    }


def _commonest_failure(predictions: Predictions, e: Errors) -> dict[str, Any] | None:
    """The most frequent reason of failures, and of how many pairs; None without any failure.

    Reasons that differ in their numbers alone are one, told as it was first.
    """
    failed = e.index[e.moved & np.isinf(e.pose)]
    if not len(failed):
        return None
    reasons = [predictions.reasons[i] or "no reason is known" for i in failed]
    alike = [NUMBERS.sub("#", reason) for reason in reasons]
    kind, count = Counter(alike).most_common(1)[0]
    return {"reason": reasons[alike.index(kind)], "pairs": count}


def _breakdown(predictions: Predictions, e: Errors) -> dict[str, list[dict[str, Any]]]:
    """The metrics of parts: by true rotation (degrees), by baseline (its quarters), by overlap."""
    true = predictions.T_a_b_true[e.index]
    rotation = np.degrees([rotation_angle(T[:3, :3]) for T in true])
    baseline = np.linalg.norm(true[:, :3, 3], axis=1)
    quarters = np.quantile(baseline, [0, 0.25, 0.5, 0.75, 1]) if len(baseline) else baseline
    values: Mapping[str, tuple[Array, Sequence[float]]] = {
        "rotation_deg": (rotation, ROTATION_EDGES),
        "baseline": (baseline, sorted({float(f"{edge:.2g}") for edge in quarters})),
        "overlap": (predictions.overlap[e.index], OVERLAP_EDGES),
    }
    return {
        name: _parts(e, value, edges)
        for name, (value, edges) in values.items()
        if np.isfinite(value).any() and len(edges) > 1
    }


def _parts(e: Errors, value: Array, edges: Sequence[float]) -> list[dict[str, Any]]:
    """The metrics of the pairs between each two edges; the last edge belongs to the last part."""
    part = np.clip(np.digitize(value, edges[1:-1]), 0, len(edges) - 2)
    part[~np.isfinite(value)] = -1
    rows = []
    for i, (low, high) in enumerate(pairwise(edges)):
        of = part == i
        if of.any():
            direction = np.nan_to_num(e.direction[of], posinf=np.inf)
            found = summarise(e.rotation[of], direction, e.moved[of])
            rows.append({"from": float(low), "to": float(high), **_metrics(found)})
    return rows


def _covariance(predictions: Predictions, e: Errors) -> dict[str, Any] | None:
    """NEES and coverage of rotation and of direction; None where no covariance is known.

    Of the direction only where the camera moved.
    """
    stated = predictions.covariance[e.index], predictions.T_a_b[e.index]
    known = np.all([np.isfinite(x).all((1, 2)) for x in stated], 0)
    said = {}
    for name, nees, dimensions, counted in (
        ("rotation", rotation_nees, 3, known),
        ("direction", direction_nees, 2, known & e.moved),
    ):
        values = [
            nees(predictions.T_a_b[i], predictions.T_a_b_true[i], predictions.covariance[i])
            for i in e.index[counted]
        ]
        if found := consistency(np.array(values, float), dimensions):
            said[name] = {
                "dimensions": dimensions,
                "nees_mean": found.mean,
                "coverage": {str(share): got for share, got in found.coverage.items()},
            }
    return said or None


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
