# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From held-out pairs to the uncertainty that weights state, and how true it is.

Networks that match the views are given two limits first: matches less certain give no pose,
matches that leave the direction open no direction. They are where nearly all bad inputs, which
are made of the pairs to fit, lie beyond.

Sigma is a line over the cycle error of what is left, fitted by the likelihood of a law with long
tails (Student's t), as errors have them, and scaled so that nearly all errors are within three
sigmas: a pose that is flagged valid may be trusted that far. No Gaussian is right at every level
then, so beside the line stand the radii, in sigmas, that hold each of ``LEVELS``. Coverage is told
of places that nothing was fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.evaluation.trust import others, spread_out
from geloc3r_ros.geometry import Array, pose_errors
from geloc3r_ros.inference import RelativePoseEstimator
from geloc3r_ros.inference.images import read_image

__all__ = [
    "BAD_INPUTS",
    "BadSupport",
    "Line",
    "Observed",
    "Spread",
    "calibrate",
    "coverage",
    "fit_line",
    "limits",
    "nominal_levels",
    "observe",
    "observe_bad",
    "split",
]

LEVELS = (0.5, 0.9, 0.99)
SIGMAS, INSIDE = 3.0, 0.997
"""So many sigmas hold this share of the errors; of both together in other places still 98 %."""
REFUSED = 0.98
"""Of each kind of bad inputs, at least."""
BAD_INPUTS = 120
"""Of each kind, that limits are set by."""
RADII = {"rotation": (1.5382, 2.5003, 3.3682), "translation": (1.1774, 2.1460, 3.0349)}
"""Error over sigma within which a Gaussian has these shares: roots of chi-square quantiles."""
DIMENSIONS = {"rotation": 3, "translation": 2}
FREEDOM = 3.0
"""Of Student's t; few, so that the worst pairs do not decide."""
FEWEST = 50
"""A line needs at least so many pairs."""
LARGEST = np.pi
"""Sigmas end there, as an angle does."""


@dataclass(frozen=True)
class Line:
    """Sigma over cycle error, radians: ``bias + slope * error``, at most pi."""

    bias: float
    slope: float

    def __call__(self, cycle: Array) -> Array:
        """Sigmas (N,) at cycle errors (N,)."""
        return np.minimum(self.bias + self.slope * cycle, LARGEST)


@dataclass(frozen=True)
class Spread:
    """Cycle errors and true errors of N pairs, radians."""

    cycle: Array
    error: Array

    def of(self, chosen: npt.NDArray[np.bool_]) -> Spread:
        """Some of the pairs."""
        return Spread(self.cycle[chosen], self.error[chosen])


class Observed(NamedTuple):
    """Of a pair: cycle errors (2,) and true errors (2,), of rotation and of direction, radians;
    certainty and ambiguity of its matches, None where the network does not match.
    """

    cycle: Array
    error: Array
    certainty: float | None = None
    ambiguity: float | None = None


class BadSupport(NamedTuple):
    """Of a bad input: its kind, certainty and ambiguity."""

    kind: str
    certainty: float
    ambiguity: float


def observe(estimator: RelativePoseEstimator, pairs: list[ImagePair]) -> Iterator[Observed]:
    """Observe what the estimator says of each pair."""
    for pair in pairs:
        images = [read_image(path) for path in pair.images]
        found = estimator.estimate(*images, *(pair.K or (None, None)))
        cycle = np.array([found.cycle_rotation_error, found.cycle_translation_error])
        error = np.array(pose_errors(found.T_1_2, pair.T_a_b))
        yield Observed(cycle, error, found.certainty, found.ambiguity)


def observe_bad(
    estimator: RelativePoseEstimator, pairs: list[ImagePair]
) -> Iterator[BadSupport | None]:
    """What the matches of bad inputs say, ``BAD_INPUTS`` of each kind, made of the pairs to fit.

    None where the network does not match.
    """
    chosen = spread_out([p for p, fit in zip(pairs, split(pairs)) if fit], BAD_INPUTS)
    for seed, (pair, other) in enumerate(zip(chosen, others(chosen))):
        for kind, make in {**NO_POSE, **NO_DIRECTION}.items():
            given = make(pair, other, np.random.default_rng(seed))
            found = estimator.estimate(*given.images, *(given.K or (None, None)))
            if found.certainty is None or found.ambiguity is None:
                yield None
            else:
                yield BadSupport(kind, found.certainty, found.ambiguity)


def limits(bad: list[BadSupport]) -> dict[str, float]:
    """Least certainty and greatest ambiguity at which ``REFUSED`` of each kind are refused."""
    certainty = {kind: [b.certainty for b in bad if b.kind == kind] for kind in NO_POSE}
    ambiguity = {kind: [b.ambiguity for b in bad if b.kind == kind] for kind in NO_DIRECTION}
    return {
        "certainty": max(float(np.quantile(found, REFUSED)) for found in certainty.values()),
        "ambiguity": min(float(np.quantile(found, 1 - REFUSED)) for found in ambiguity.values()),
    }


def calibrate(
    pairs: list[ImagePair], observed: list[Observed], bad: list[BadSupport]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Set the limits, fit both lines to half of the places, and tell the coverage of the others.

    Args:
        pairs: N pairs, all of which moved.
        observed: what :func:`observe` said of them.
        bad: what :func:`observe_bad` did; empty where the network does not match.

    Returns:
        What a weights file carries as ``calibration``; and for both parts the least level (M,)
        whose Gaussian region holds each error of the other half.

    Raises:
        ConfigError: if there are too few pairs.
    """
    cycle, error = np.array([(o.cycle, o.error) for o in observed]).transpose(1, 2, 0)
    to_fit = split(pairs)
    stated: dict[str, Any] = {}
    good = dict.fromkeys(DIMENSIONS, np.ones(len(pairs), bool))
    if bad:
        gates = stated["limits"] = limits(bad)
        certainty, ambiguity = np.array([o[2:] for o in observed], float).T
        good["rotation"] = certainty >= gates["certainty"]
        good["translation"] = good["rotation"] & (ambiguity <= gates["ambiguity"])
    regions, gaussian, levels = {}, {}, {}
    for i, part in enumerate(DIMENSIONS):
        whole = Spread(cycle[i], error[i])
        fitted, checked = whole.of(to_fit & good[part]), whole.of(~to_fit & good[part])
        line = fit_line(part, fitted)
        radii = np.quantile(fitted.error / line(fitted.cycle), LEVELS)
        stated[part] = {"bias": line.bias, "slope": line.slope, "radii": _by_level(radii)}
        regions[part] = coverage(line, checked, radii)
        gaussian[part] = coverage(line, checked, RADII[part])
        levels[part] = nominal_levels(part, line, checked)
    counts = {
        "pairs_fitted": int(to_fit.sum()),
        "pairs_checked": int((~to_fit).sum()),
        "checked_with": {part: float(np.mean(good[part][~to_fit])) for part in DIMENSIONS},
    }
    return {**stated, "coverage": regions, "coverage_of_covariance": gaussian, **counts}, levels


def split(pairs: list[ImagePair]) -> npt.NDArray[np.bool_]:
    """Which pairs are to fit (N,): half of the places, a place being a name up to its ``/``."""
    places = [pair.name.split("/")[0] for pair in pairs]
    numbers = {place: number for number, place in enumerate(dict.fromkeys(places))}
    return np.array([numbers[place] % 2 == 0 for place in places])


def fit_line(part: str, spread: Spread) -> Line:
    """The most likely line, scaled so that ``SIGMAS`` hold the share ``INSIDE`` of the errors.

    Args:
        part: ``rotation`` or ``translation``.
        spread: pairs to fit to.

    Raises:
        ConfigError: if there are too few.
    """
    count = len(spread.cycle)
    if count < FEWEST:
        raise ConfigError(f"{count} pairs are too few for a calibration; give {FEWEST} or more")
    best = Line(float(np.median(spread.error)), 0.5)
    for width in (3.0, 0.5, 0.1):  # coarse to fine, around the best so far
        factors = np.exp(width * np.linspace(-1, 1, 21))
        lines = [Line(best.bias * b, best.slope * s) for b in factors for s in factors]
        best = min(lines, key=lambda line: _unlikelihood(DIMENSIONS[part], line, spread))
    scale = float(np.quantile(spread.error / (best.bias + best.slope * spread.cycle), INSIDE))
    return Line(best.bias * scale / SIGMAS, best.slope * scale / SIGMAS)


def coverage(line: Line, spread: Spread, radii: npt.ArrayLike) -> dict[str, float]:
    """Level to the share of pairs whose error lies within the radius, in sigmas, of that level."""
    ratio = spread.error / line(spread.cycle)
    return _by_level(np.mean(ratio[:, None] <= np.asarray(radii), axis=0))


def nominal_levels(part: str, line: Line, spread: Spread) -> Array:
    """The least level (N,) whose region holds each error; evenly spread where sigmas are right."""
    ratio = spread.error / line(spread.cycle)
    tail = np.exp(-np.square(ratio) / 2)
    if part == "translation":
        return 1 - tail
    erf = np.array([math.erf(r) for r in ratio / math.sqrt(2)])
    return np.asarray(erf - math.sqrt(2 / math.pi) * ratio * tail)


def _unlikelihood(dimensions: int, line: Line, spread: Spread) -> float:
    """Mean negative logarithm of the likelihood, but for a constant."""
    sigma = line(spread.cycle)
    square = np.square(spread.error / sigma)
    tail = (FREEDOM + dimensions) / 2 * np.log1p(square / FREEDOM)
    return float(np.mean(dimensions * np.log(sigma) + tail))


def _by_level(values: Array) -> dict[str, float]:
    return {str(level): float(value) for level, value in zip(LEVELS, values, strict=True)}
