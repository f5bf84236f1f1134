# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two runs over the same pairs, and whether their difference is more than chance.

The interval of a difference comes from a paired bootstrap: pairs are drawn with replacement, the
same for both runs, many times over; it is between the 2.5th and the 97.5th percentile of the
differences. Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap, section 13.3.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.metrics import AUC_THRESHOLDS, area_under_recall
from geloc3r_ros.evaluation.results import ERRORS
from geloc3r_ros.geometry import Array

__all__ = ["Difference", "Row", "compare", "paired_errors", "read_errors"]

RESAMPLES = 2000
SEED = 0


class Row(NamedTuple):
    """What ``errors.csv`` says about a pair that moves, degrees and metres."""

    error_deg: float
    rotation_error_deg: float
    direction_error_deg: float
    true_rotation_deg: float
    true_baseline: float


class Difference(NamedTuple):
    """A metric of A and of B, ``b - a``, and the interval that holds it in 95 of 100 cases."""

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float

    @property
    def better(self) -> str:
        """``A``, ``B``, or "" where it may be chance; AUC is better high, an error low."""
        if not (self.low > 0 or self.high < 0):
            return ""
        return "B" if (self.difference > 0) == self.metric.startswith("AUC") else "A"


def read_errors(folder: Path) -> dict[str, Row]:
    """Read the errors of a run: in this folder, or of the only method in it.

    Raises:
        ConfigError: if there are none, or of several methods, or they are damaged.
    """
    found = (
        [folder / ERRORS] if (folder / ERRORS).is_file() else sorted(folder.glob(f"*/{ERRORS}"))
    )
    if len(found) != 1:
        said = ", ".join(str(file.parent) for file in found) or "none"
        raise ConfigError(f"{folder}: name the run of one method; there are {said}")
    try:
        with found[0].open(encoding="utf-8", newline="") as file:
            lines = [line for line in csv.DictReader(file) if line["direction_error_deg"]]
        return {
            line["pair"]: Row(*(float(line[column]) for column in Row._fields)) for line in lines
        }
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{found[0]} is no table of errors ({error}); evaluate again") from error


def paired_errors(a: Mapping[str, Row], b: Mapping[str, Row]) -> tuple[Array, Array]:
    """Errors (3, N) of the pairs that both runs have: pose, rotation and direction, degrees.

    Raises:
        ConfigError: if they have no pair in common, or disagree about the truth of one.
    """
    names = [name for name in a if name in b]
    if not names:
        raise ConfigError(
            f"the runs have no moving pair in common, of {len(a)} and {len(b)}; compare two runs "
            "over one list or one bag"
        )
    table_a, table_b = (np.array([run[name] for name in names]).T for run in (a, b))
    if not np.allclose(table_a[3:], table_b[3:], rtol=1e-4, atol=1e-4):
        raise ConfigError("the runs disagree about the truth; evaluate both with the same")
    return table_a[:3], table_b[:3]


def compare(
    errors_a: Array, errors_b: Array, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Difference]:
    """Differences of AUC (points of 100) and of median errors (degrees), with their intervals.

    Args:
        errors_a: of A (3, N): pose, rotation, direction, degrees; infinite for failures.
        errors_b: of B, of the same pairs in the same order.
        resamples: how often the pairs are drawn.
        seed: of the draws.
    """
    metrics: dict[str, tuple[int, Callable[[Array], float]]] = {
        **{f"AUC@{t}": (0, partial(_points, threshold=t)) for t in AUC_THRESHOLDS},
        "rotation (°)": (1, _median),
        "direction (°)": (2, _median),
    }
    draws = np.random.default_rng(seed).integers(
        errors_a.shape[1], size=(resamples, errors_a.shape[1])
    )
    found = []
    for name, (row, metric) in metrics.items():
        a, b = metric(errors_a[row]), metric(errors_b[row])
        drawn = [_change(metric(errors_a[row, d]), metric(errors_b[row, d])) for d in draws]
        low, high = np.percentile(drawn, [2.5, 97.5], method="nearest")
        found.append(Difference(name, a, b, _change(a, b), float(low), float(high)))
    return found


def _points(errors: Array, threshold: float) -> float:
    return 100 * area_under_recall(errors, threshold)


def _change(a: float, b: float) -> float:
    """From a to b: none between two that are infinite."""
    return 0.0 if a == b else b - a


def _median(errors: Array) -> float:
    return float(np.median(errors))
