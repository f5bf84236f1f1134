# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From held-out pairs to the uncertainty that weights state, and how true it is.

The node publishes a covariance, so what is fitted is its sigma: a line over the cycle error. As
errors have longer tails than a Gaussian, no sigma is right at every level; the line is the one
whose regions of 50, 90 and 99 % hold shares nearest to these, over all and in each part of the
range of cycle errors. Coverage is told of places that the line was not fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.geometry import Array, pose_errors
from geloc3r_ros.inference import RelativePoseEstimator
from geloc3r_ros.inference.images import read_image

__all__ = ["Line", "Spread", "calibrate", "coverage", "fit_line", "nominal_levels", "observe"]

LEVELS = (0.5, 0.9, 0.99)
RADII = {"rotation": (1.5382, 2.5003, 3.3682), "translation": (1.1774, 2.1460, 3.0349)}
"""Error over sigma within which a Gaussian of 3 and of 2 dimensions has these shares: roots of
the chi-square quantiles."""
PARTS = 4
"""Equal parts of the pairs, by cycle error, in which coverage is to be right."""
FEWEST = 200
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


def observe(
    estimator: RelativePoseEstimator, pairs: list[ImagePair]
) -> Iterator[tuple[Array, Array]]:
    """Cycle errors (2,) and true errors (2,) of each pair, of rotation and of direction."""
    for pair in pairs:
        images = [read_image(path) for path in pair.images]
        found = estimator.estimate(*images, *(pair.K or (None, None)))
        cycle = np.array([found.cycle_rotation_error, found.cycle_translation_error])
        yield cycle, np.array(pose_errors(found.T_1_2, pair.T_a_b))


def calibrate(
    pairs: list[ImagePair], observed: list[tuple[Array, Array]]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Fit both lines to half of the places, and tell their coverage of the other half.

    Args:
        pairs: N pairs, all of which moved.
        observed: what :func:`observe` said of them.

    Returns:
        What a weights file carries as ``calibration``; and for both parts the least level (M,)
        whose region holds each error of the other half.

    Raises:
        ConfigError: if there are too few pairs.
    """
    cycle, error = np.array(observed).transpose(1, 2, 0)
    to_fit = split(pairs)
    stated: dict[str, Any] = {}
    levels = {}
    shares = {}
    for i, part in enumerate(RADII):
        whole = Spread(cycle[i], error[i])
        line = fit_line(part, whole.of(to_fit))
        stated[part] = {"bias": line.bias, "slope": line.slope}
        shares[part] = {
            str(level): share for level, share in coverage(part, line, whole.of(~to_fit)).items()
        }
        levels[part] = nominal_levels(part, line, whole.of(~to_fit))
    counts = {"pairs_fitted": int(to_fit.sum()), "pairs_checked": int((~to_fit).sum())}
    return {**stated, "coverage": shares, **counts}, levels


def split(pairs: list[ImagePair]) -> npt.NDArray[np.bool_]:
    """Which pairs are to fit (N,): half of the places, a place being a name up to its ``/``."""
    places = [pair.name.split("/")[0] for pair in pairs]
    numbers = {place: number for number, place in enumerate(dict.fromkeys(places))}
    return np.array([numbers[place] % 2 == 0 for place in places])


def fit_line(part: str, spread: Spread) -> Line:
    """The line whose regions hold what they should.

    Args:
        part: ``rotation`` or ``translation``.
        spread: pairs to fit to.

    Raises:
        ConfigError: if there are too few.
    """
    count = len(spread.cycle)
    if count < FEWEST:
        raise ConfigError(f"{count} pairs are too few for a calibration; give {FEWEST} or more")
    order = np.argsort(spread.cycle, kind="stable")
    cycle, error = spread.cycle[order], spread.error[order]
    scale = float(np.median(error)) / RADII[part][0]
    best, least = Line(scale, 0.0), np.inf
    for width in (1.0, 0.15, 0.03):  # coarse to fine, around the best so far
        biases = max(best.bias, scale / 50) * np.exp(width * np.linspace(-3, 3, 25))
        slopes = max(best.slope, 0.5) * np.exp(width * np.linspace(-3, 3, 25))
        if width == 1.0:
            slopes = np.append(slopes, 0.0)
        for bias in biases:
            for slope in slopes:
                line = Line(float(bias), float(slope))
                cost = _cost(RADII[part], error / line(cycle))
                if cost < least:
                    best, least = line, cost
    return best


def coverage(part: str, line: Line, spread: Spread) -> dict[float, float]:
    """Level to the share of pairs whose error lies in the region of that level."""
    ratio = spread.error / line(spread.cycle)
    shares = [float((ratio <= radius).mean()) for radius in RADII[part]]
    return dict(zip(LEVELS, shares, strict=True))


def nominal_levels(part: str, line: Line, spread: Spread) -> Array:
    """The least level (N,) whose region holds each error; evenly spread where sigmas are right."""
    ratio = spread.error / line(spread.cycle)
    tail = np.exp(-np.square(ratio) / 2)
    if part == "translation":
        return 1 - tail
    erf = np.array([math.erf(r) for r in ratio / math.sqrt(2)])
    return np.asarray(erf - math.sqrt(2 / math.pi) * ratio * tail)


def _cost(radii: tuple[float, ...], ratio: Array) -> float:
    """How far coverage is off, over all and in each part; ratios in the order of cycle errors."""
    wanted = np.array(LEVELS)

    def off(ratios: Array) -> float:
        shares = np.searchsorted(np.sort(ratios), radii, side="right") / len(ratios)
        return float(np.square(shares - wanted).sum())

    return off(ratio) + 0.1 * sum(map(off, np.array_split(ratio, PARTS))) / PARTS
