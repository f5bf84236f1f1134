# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Is what is said to be sure also right, and is what cannot be right refused?

All good pairs are asked for their pose: of those that are flagged valid, how many are off by more
than three of their own sigmas? Of some, bad inputs are made, and counted as refused where no pose
is valid; where a rotation remains, as at rest, where no direction is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
from geloc3r_ros.evaluation.consistency import direction_nees, rotation_nees
from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.geometry import Array, make_transform, rotation_angle
from geloc3r_ros.inference import PoseEstimate, RelativePoseEstimator
from geloc3r_ros.inference.images import read_image
from geloc3r_ros.inference.pose import RADIAL_VARIANCE

__all__ = ["SWAPPED", "Judged", "Trust", "examine", "others", "spread_out", "summarise"]

SIGMAS = 3.0
SWAPPED = "cameras swapped"
LEVEL = np.radians(15.0)
"""Cameras of a stereo pair are turned against each other by less."""


class Judged(NamedTuple):
    """What was said of one pair, and how that compares with the truth.

    ``kind`` is "" for a good pair. ``rotation`` and ``direction`` are errors in sigmas, which
    are roots of NEES, NaN where nothing was claimed or is known. The sigmas are means of all axes.
    """

    kind: str
    refused: bool
    directed: bool
    rotation: float
    direction: float
    sigma_rotation: float
    sigma_direction: float

    @property
    def wrong(self) -> bool:
        """Whether a claim is off by more than three of its sigmas."""
        return bool(self.rotation > SIGMAS or self.direction > SIGMAS)


class Trust(NamedTuple):
    """Shares of the pairs of a kind; sigmas are medians, radians, NaN without any claim."""

    pairs: int
    refused: float
    directed: float
    wrong: float
    sigma_rotation: float
    sigma_direction: float


def spread_out(pairs: list[ImagePair], count: int) -> list[ImagePair]:
    """About so many pairs, evenly from the whole list."""
    return pairs[:: max(1, len(pairs) // count)]


def others(pairs: list[ImagePair], everything: list[ImagePair]) -> list[ImagePair]:
    """For each pair one of another place, a place being a name up to its ``/``.

    It is one of the pairs, or where these are of one place, of everything.

    Raises:
        ConfigError: if all are of one place.
    """
    found = []
    for i, pair in enumerate(pairs):
        away = _elsewhere(pair, pairs) or _elsewhere(pair, everything)
        if not away:
            raise ConfigError("all pairs are of one place; bad inputs need two (names up to a /)")
        found.append(away[(7 * i) % len(away)])
    return found


def _elsewhere(pair: ImagePair, pairs: list[ImagePair]) -> list[ImagePair]:
    place = pair.name.split("/")[0]
    return [other for other in pairs if other.name.split("/")[0] != place]


def examine(
    estimator: RelativePoseEstimator, pairs: list[ImagePair], bad: int
) -> Iterator[Judged]:
    """Judge all pairs, then about ``bad`` of each kind of bad inputs made of them.

    Raises:
        ConfigError, ImageError, DeviceError: as the estimator; or if all pairs are of one place.
    """
    chosen = spread_out(pairs, bad)
    elsewhere = others(chosen, pairs)
    for pair in pairs:
        images = [read_image(path) for path in pair.images]
        yield _judge(
            "",
            estimator.estimate(*images, *(pair.K or (None, None))),
            pair.T_a_b[:3, :3],
            pair.T_a_b[:3, 3],
        )
    for seed, (pair, other) in enumerate(zip(chosen, elsewhere)):
        for kind, make in {**NO_POSE, **NO_DIRECTION}.items():
            given = make(pair, other, np.random.default_rng(seed))
            found = estimator.estimate(*given.images, *(given.K or (None, None)))
            judged = _judge(kind, found, given.R_a_b)
            yield judged._replace(refused=not found.valid) if kind in NO_POSE else judged
    for pair in chosen:
        if rotation_angle(pair.T_a_b[:3, :3]) < LEVEL:
            images = [read_image(path) for path in pair.images[::-1]]
            found = estimator.estimate(*images, *(pair.K[::-1] if pair.K else (None, None)))
            agrees = found.translation_valid and found.T_1_2[:3, 3] @ pair.T_a_b[:3, 3] > 0
            yield _judge(SWAPPED, found)._replace(refused=not agrees)


def _judge(
    kind: str, found: PoseEstimate, R_a_b: Array | None = None, t_a_b: Array | None = None
) -> Judged:
    """Compare a claim with the truth, as far as known; it is refused without a direction."""
    rotation = direction = float("nan")
    T_a_b = make_transform(
        np.eye(3) if R_a_b is None else R_a_b, np.zeros(3) if t_a_b is None else t_a_b
    )
    if found.valid and R_a_b is not None:
        rotation = math.sqrt(rotation_nees(found.T_1_2, T_a_b, found.covariance))
    if found.translation_valid and t_a_b is not None:
        direction = math.sqrt(direction_nees(found.T_1_2, T_a_b, found.covariance))
    sigma_rotation = math.sqrt(np.trace(found.covariance[3:, 3:]) / 3)
    sigma_direction = math.sqrt((np.trace(found.covariance[:3, :3]) - RADIAL_VARIANCE) / 2)
    return Judged(
        kind,
        refused=not found.translation_valid,
        directed=found.translation_valid,
        rotation=rotation,
        direction=direction,
        sigma_rotation=sigma_rotation if found.valid else float("nan"),
        sigma_direction=sigma_direction if found.translation_valid else float("nan"),
    )


def summarise(judged: list[Judged]) -> Trust:
    """Put the pairs of one kind together; what is wrong counts among those with a claim.

    Good pairs without a direction still have a rotation: there, refused means that neither is.
    """
    claimed = [j for j in judged if not (np.isnan(j.rotation) and np.isnan(j.direction))]
    good = judged[0].kind == ""
    refused = [np.isnan(j.sigma_rotation) if good else j.refused for j in judged]
    return Trust(
        pairs=len(judged),
        refused=float(np.mean(refused)),
        directed=float(np.mean([j.directed for j in judged])),
        wrong=float(np.mean([j.wrong for j in claimed])) if claimed else float("nan"),
        sigma_rotation=_median([j.sigma_rotation for j in judged]),
        sigma_direction=_median([j.sigma_direction for j in judged]),
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.median(known)) if known else float("nan")
