# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From held-out pairs to the uncertainty that weights state, and how true it is.

Networks that match the views are given two limits first: matches less certain give no pose,
matches that leave the direction open no direction. They are where nearly all bad inputs, which
are made of the pairs to fit, lie beyond.

The covariance is what the noise of the matches leaves open of a pose, times a gain, and a line
over the cycle error, alike in all axes (:class:`geloc3r_ros.inference.pose.Calibration`). Of all
that hold nearly all errors within three sigmas the narrowest is taken: a pose that is flagged
valid may be trusted that far. Errors have long tails, and no Gaussian is right at every level
then, so beside it stand the radii, in sigmas, that hold each of ``LEVELS``. Coverage is told of
places that nothing was fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
from geloc3r_ros.evaluation.consistency import direction_error, rotation_error
from geloc3r_ros.evaluation.figures import MOVED
from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.evaluation.trust import others, spread_out
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference import PoseEstimate, RelativePoseEstimator
from geloc3r_ros.inference.images import read_image

__all__ = [
    "BAD_INPUTS",
    "BadSupport",
    "Observed",
    "Part",
    "Spread",
    "Width",
    "calibrate",
    "check_pairs",
    "compared",
    "coverage",
    "fit",
    "limits",
    "nominal_levels",
    "observe",
    "observe_bad",
    "split",
]

LEVELS = (0.5, 0.9, 0.99)
SIGMAS, INSIDE = 3.0, 0.994
"""So many sigmas hold this share of the errors; of both together in other places still 98 %."""
REFUSED = 0.98
"""Of each kind of bad inputs, at least."""
BAD_INPUTS = 480
"""Of each kind, that limits are set by."""
RADII = {"rotation": (1.5382, 2.5003, 3.3682), "translation": (1.1774, 2.1460, 3.0349)}
"""Error over sigma within which a Gaussian has these shares: roots of chi-square quantiles."""
DIMENSIONS = {"rotation": 3, "translation": 2}
LEAST_BIAS = 0.1
"""Over the median error: no pose is surer, however well its two answers agree."""
FEWEST = 50
"""A line needs at least so many pairs."""
FEWEST_PLACES = 3
"""Every other one is to fit, and bad inputs need two of those."""
LARGEST = np.pi
"""Sigmas end there, as an angle does."""


class Part(NamedTuple):
    """Of the rotation or the direction of a pair, in axes in which what is left open is diagonal.

    Attributes:
        cycle: error of the cycle, radians.
        error: along each axis, radians, (d,).
        left_open: variance along each that the noise of the matches explains, (d,); 0 where the
            network does not match.
    """

    cycle: float
    error: Array
    left_open: Array


class Observed(NamedTuple):
    """Of a pair: both parts, and how sure the network is of its matches, None without matches."""

    rotation: Part
    translation: Part
    certainty: float | None = None
    ambiguity: float | None = None


@dataclass(frozen=True)
class Spread:
    """The same part of N pairs."""

    cycle: Array
    """(N,)."""
    error: Array
    """(N, d)."""
    left_open: Array
    """(N, d)."""

    def of(self, chosen: npt.NDArray[np.bool_]) -> Spread:
        """Some of the pairs."""
        return Spread(self.cycle[chosen], self.error[chosen], self.left_open[chosen])


@dataclass(frozen=True)
class Width:
    """Variances of a part: a line over the cycle error, and a gain on what is left open."""

    bias: float
    slope: float
    gain: float

    def variances(self, spread: Spread) -> Array:
        """Variances along each axis (N, d), radians squared; the line ends at half a turn."""
        line = np.minimum(self.bias + self.slope * spread.cycle, LARGEST)
        return np.square(line)[:, None] + self.gain**2 * spread.left_open

    def sigmas(self, spread: Spread) -> Array:
        """Errors in sigmas (N,): the roots of their NEES."""
        return np.sqrt((np.square(spread.error) / self.variances(spread)).sum(1))

    def times(self, factor: float) -> Width:
        """Wider by a factor."""
        return Width(self.bias * factor, self.slope * factor, self.gain * factor)


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
        yield compared(found, pair.T_a_b)


def compared(found: PoseEstimate, T_a_b: Array) -> Observed:
    """Compare an estimate with the truth, (4, 4)."""
    left_open = np.zeros((6, 6)) if found.left_open is None else found.left_open
    across, direction = direction_error(found.T_1_2, T_a_b)
    direction = np.nan_to_num(direction, nan=np.pi)  # there is none
    parts = (
        (found.cycle_rotation_error, rotation_error(found.T_1_2, T_a_b), left_open[3:, 3:]),
        (found.cycle_translation_error, direction, across @ left_open[:3, :3] @ across.T),
    )
    rotation, translation = (_in_its_axes(*part) for part in parts)
    return Observed(rotation, translation, found.certainty, found.ambiguity)


def _in_its_axes(cycle: float, error: Array, left_open: Array) -> Part:
    variances, axes = np.linalg.eigh(left_open)
    return Part(cycle, error @ axes, variances.clip(0.0))


def observe_bad(
    estimator: RelativePoseEstimator, pairs: list[ImagePair]
) -> Iterator[BadSupport | None]:
    """What the matches of bad inputs say, ``BAD_INPUTS`` of each kind, made of the pairs to fit.

    None where the network does not match.
    """
    chosen = _to_spoil(pairs)
    for seed, (pair, other) in enumerate(zip(chosen, others(chosen, _to_fit(pairs)))):
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
    """Set the limits, fit both widths to half of the places, and tell the coverage of the others.

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
    to_fit = split(pairs)
    stated: dict[str, Any] = {}
    good = dict.fromkeys(DIMENSIONS, np.ones(len(pairs), bool))
    if bad:
        gates = stated["limits"] = limits(bad)
        certainty, ambiguity = np.array([(o.certainty, o.ambiguity) for o in observed], float).T
        good["rotation"] = certainty >= gates["certainty"]
        good["translation"] = good["rotation"] & (ambiguity <= gates["ambiguity"])
    regions, gaussian, levels = {}, {}, {}
    for part in DIMENSIONS:
        columns = zip(*(getattr(one, part) for one in observed), strict=True)
        whole = Spread(*map(np.array, columns))
        fitted, checked = whole.of(to_fit & good[part]), whole.of(~to_fit & good[part])
        width = fit(part, fitted)
        radii = np.quantile(width.sigmas(fitted), LEVELS)
        stated[part] = {**asdict(width), "radii": _by_level(radii)}
        regions[part] = coverage(width, checked, radii)
        gaussian[part] = coverage(width, checked, RADII[part])
        levels[part] = nominal_levels(part, width, checked)
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


def check_pairs(pairs: list[ImagePair]) -> None:
    """Check that pairs are enough to calibrate with, before a network is asked about them.

    Raises:
        ConfigError: if there are too few pairs or places, or some did not move.
    """
    still = [p.name for p in pairs if np.linalg.norm(p.T_a_b[:3, 3]) <= MOVED]
    if still:
        raise ConfigError(
            f"{len(still)} pairs have no direction to be right about, as their translation is "
            f"{MOVED:g} or shorter, the first: {still[0]}; leave them out"
        )
    to_fit = split(pairs)
    count = len({pair.name.split("/")[0] for pair in pairs})
    if count < FEWEST_PLACES:
        raise ConfigError(
            f"the pairs are of {count} places (names up to a /); give {FEWEST_PLACES} or more: "
            "every other place is to fit, and bad inputs need two of those"
        )
    if to_fit.sum() < FEWEST:
        raise ConfigError(
            f"{to_fit.sum()} of {len(pairs)} pairs are to fit (every other place); give "
            f"{FEWEST} or more there"
        )
    others(_to_spoil(pairs), _to_fit(pairs))


def _to_spoil(pairs: list[ImagePair]) -> list[ImagePair]:
    """Pairs that bad inputs are made of: of those to fit, evenly from the whole list."""
    return spread_out(_to_fit(pairs), BAD_INPUTS)


def _to_fit(pairs: list[ImagePair]) -> list[ImagePair]:
    return [pair for pair, to_fit in zip(pairs, split(pairs)) if to_fit]


def fit(part: str, spread: Spread) -> Width:
    """The narrowest width whose ``SIGMAS`` hold the share ``INSIDE`` of the errors.

    Args:
        part: ``rotation`` or ``translation``.
        spread: pairs to fit to.

    Raises:
        ConfigError: if there are too few.
    """
    count = len(spread.cycle)
    if count < FEWEST:
        raise ConfigError(
            f"{count} pairs are too few to calibrate {part}; give {FEWEST} or more that moved"
        )
    usual = float(np.median(np.linalg.norm(spread.error, axis=1)))
    best = Width(usual, 0.5, 1.0 if spread.left_open.any() else 0.0)
    for width in (3.0, 1.0, 0.3, 0.1):  # coarse to fine, around the best so far
        factors = np.exp(width * np.linspace(-1, 1, 9))
        tried = product(factors, factors, factors if best.gain else (1.0,))
        shapes = (Width(best.bias * b, best.slope * s, best.gain * g) for b, s, g in tried)
        best = min((_wide_enough(shape, spread) for shape in shapes), key=partial(_room, spread))
    return replace(best, bias=max(best.bias, LEAST_BIAS * usual))


def _wide_enough(width: Width, spread: Spread) -> Width:
    return width.times(float(np.quantile(width.sigmas(spread), INSIDE)) / SIGMAS)


def _room(spread: Spread, width: Width) -> float:
    """Mean logarithm of the volume of the regions of one sigma."""
    return float(np.log(width.variances(spread)).sum(1).mean())


def coverage(width: Width, spread: Spread, radii: npt.ArrayLike) -> dict[str, float]:
    """Level to the share of pairs whose error lies within the radius, in sigmas, of that level."""
    return _by_level(np.mean(width.sigmas(spread)[:, None] <= np.asarray(radii), axis=0))


def nominal_levels(part: str, width: Width, spread: Spread) -> Array:
    """The least level (N,) whose region holds each error; evenly spread where sigmas are right."""
    ratio = width.sigmas(spread)
    tail = np.exp(-np.square(ratio) / 2)
    if part == "translation":
        return 1 - tail
    erf = np.array([math.erf(r) for r in ratio / math.sqrt(2)])
    return np.asarray(erf - math.sqrt(2 / math.pi) * ratio * tail)


def _by_level(values: Array) -> dict[str, float]:
    return {str(level): float(value) for level, value in zip(LEVELS, values, strict=True)}
