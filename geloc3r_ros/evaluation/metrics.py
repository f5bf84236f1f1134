# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good relative poses are: the numbers that papers of this field report.

The error of a pair is the larger of its rotation and its direction error, and AUC@t the area under
the recall of that error up to t degrees (as in ReLoc3R, arXiv 2412.08376, section 4). The sign of
the translation is not folded: the opposite direction is an error of 180 degrees. A pair without an
estimate has an infinite error; it is never left out. A pair without motion has no direction, so it
is counted apart, by its rotation alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import pose_errors

__all__ = ["AUC_THRESHOLDS", "PoseMetrics", "area_under_recall", "errors_of", "summarise"]

AUC_THRESHOLDS = (5, 10, 20)
"""Degrees."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PoseMetrics:
    """What a set of pairs comes to. A number over no pairs is NaN.

    Attributes:
        pairs: Pairs that moved: all that AUC and the medians count.
        failures: Those of them without an estimate.
        auc: Degrees to area in [0, 1], for 5, 10 and 20 degrees.
        rotation_median: Radians.
        direction_median: Radians.
        still_pairs: Pairs without motion, which are in none of the above.
        still_rotation_median: Their median rotation error, radians.
    """

    pairs: int
    failures: int
    auc: dict[int, float]
    rotation_median: float
    direction_median: float
    still_pairs: int
    still_rotation_median: float


def errors_of(T_estimated: Sequence[Array | None], T_true: Sequence[Array]) -> tuple[Array, Array]:
    """Rotation and direction errors (N,), radians; infinite where there is no estimate (None).

    The direction error is NaN where the truth does not move.
    """
    infinite = (np.inf, np.inf)
    errors = [
        infinite if estimated is None else pose_errors(estimated, true)
        for estimated, true in zip(T_estimated, T_true, strict=True)
    ]
    rotation, direction = np.array(errors, float).reshape(-1, 2).T
    return rotation, direction


def summarise(
    rotation: npt.ArrayLike, direction: npt.ArrayLike, moved: npt.ArrayLike | None = None
) -> PoseMetrics:
    """Sum up the errors of pairs.

    Args:
        rotation: Rotation errors (N,), radians, infinite for a failure; NaN counts as one.
        direction: Direction errors (N,) likewise; not looked at where the pair did not move.
        moved: Whether the cameras moved enough for a direction to exist (N,); all by default.

    Raises:
        ValueError: if an error is negative, or the lengths disagree.
    """
    rotation, direction = _failures_infinite(rotation), _failures_infinite(direction)
    moved = np.ones(len(rotation), bool) if moved is None else np.asarray(moved, bool)
    if not len(rotation) == len(direction) == len(moved):
        raise ValueError(f"{len(rotation)} rotations, {len(direction)} directions, {len(moved)}")
    largest = np.maximum(rotation, direction)[moved]
    return PoseMetrics(
        pairs=len(largest),
        failures=int(np.isinf(largest).sum()),
        auc={t: area_under_recall(largest, np.radians(t)) for t in AUC_THRESHOLDS},
        rotation_median=_median(rotation[moved]),
        direction_median=_median(direction[moved]),
        still_pairs=int((~moved).sum()),
        still_rotation_median=_median(rotation[~moved]),
    )


def area_under_recall(errors: npt.ArrayLike, threshold: float) -> float:
    """Area in [0, 1] under the recall of errors (N,) up to a threshold, which it is divided by.

    The curve rises from (0, 0) in straight lines through the sorted errors, k of N at the k-th,
    and stays level from the last one below the threshold, as in the field's tables (first in
    SuperGlue, arXiv 1911.11763). Steps instead of lines would lose at most 1 / 2N.
    """
    errors = np.sort(_failures_infinite(errors))
    if not len(errors):
        return float("nan")
    below = int(np.searchsorted(errors, threshold))
    x = np.concatenate(([0.0], errors[:below], [threshold]))
    recall = np.concatenate((np.arange(below + 1), [below])) / len(errors)
    return float(((recall[1:] + recall[:-1]) / 2 * np.diff(x)).sum() / threshold)


def _failures_infinite(errors: npt.ArrayLike) -> Array:
    errors = np.asarray(errors, float)
    if (errors < 0).any():
        raise ValueError(f"an error of {np.nanmin(errors)} rad: errors are angles of at least 0")
    return np.where(np.isnan(errors), np.inf, errors)


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else float("nan")
