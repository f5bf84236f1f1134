# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The methods that ``geloc3r eval`` knows, by name, with one way to ask each for a pose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.classical import (
    FEWEST,
    Points,
    Solver,
    match_orb,
    match_sift,
    solve_magsac,
    solve_poselib,
)
from geloc3r_ros.evaluation.predictions import DIGITS
from geloc3r_ros.geometry import Array, make_transform
from geloc3r_ros.inference.images import Image

if TYPE_CHECKING:
    from geloc3r_ros.inference import RelativePoseEstimator

__all__ = ["METHODS", "Answer", "Method", "load_method"]

Matcher = Callable[[Image, Image], tuple[Points, Points]]
CLASSICAL: dict[str, tuple[Matcher, Solver]] = {
    "sift": (match_sift, solve_magsac),
    "orb": (match_orb, solve_magsac),
    "sift+poselib": (match_sift, solve_poselib),
    "orb+poselib": (match_orb, solve_poselib),
}
METHODS = ("geloc3r", *CLASSICAL, "constant")


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a method says about a pair.

    Attributes:
        T_a_b: (4, 4), translation of length 1; 0 where there is no direction; None without a pose.
        reason: why something is missing, or what else to know.
        covariance: (6, 6) or None.
        seconds: how long it took.
        trained: False where untrained weights made it.
    """

    T_a_b: Array | None
    reason: str
    covariance: Array | None = None
    seconds: float
    trained: bool = True


@dataclass(frozen=True)
class Method:
    """A method, loaded: its name, what it runs on, and how to ask it."""

    name: str
    about: dict[str, Any]
    ask: Callable[[Image, Image, Array | None, Array | None], Answer]


def load_method(
    name: str, *, weights: str = "tiny", device: str = "auto", precision: str = "auto"
) -> Method:
    """Load a method of :data:`METHODS`; the settings are for ``geloc3r`` alone.

    Raises:
        ConfigError: if the name is unknown; whatever the estimator raises.
    """
    if name == "geloc3r":
        from geloc3r_ros.inference import RelativePoseEstimator
        from geloc3r_ros.model import locate_weights
        from geloc3r_ros.model.hub import sha256_of

        estimator = RelativePoseEstimator.load(weights, device=device, precision=precision)
        about = {
            "weights": estimator.weights_id,
            "weights_sha256": sha256_of(locate_weights(weights))[:DIGITS],
            "trained": estimator.trained,
            "device": estimator.device,
            "precision": estimator.precision,
        }
        return Method(name, about, partial(_ask_network, estimator))
    if name == "constant":
        return Method(name, {"pose": "no turn, straight ahead"}, _ask_nobody)
    if name not in CLASSICAL:
        raise ConfigError(f"method '{name}' is not one of {', '.join(METHODS)}")
    matcher, solver = CLASSICAL[name]
    about = {"features": matcher.__name__, "solver": solver.__name__}
    return Method(name, about, partial(_ask_features, matcher, solver))


def _ask_network(
    estimator: RelativePoseEstimator,
    rgb_a: Image,
    rgb_b: Image,
    K_a: Array | None,
    K_b: Array | None,
) -> Answer:
    estimate = estimator.estimate(rgb_a, rgb_b, K_a, K_b)
    return Answer(
        T_a_b=estimate.T_1_2 if estimate.valid else None,
        reason=estimate.reason,
        covariance=estimate.covariance,
        seconds=estimate.latency.total,
        trained=estimate.trained,
    )


def _ask_features(
    matcher: Matcher,
    solver: Solver,
    rgb_a: Image,
    rgb_b: Image,
    K_a: Array | None,
    K_b: Array | None,
) -> Answer:
    if K_a is None or K_b is None:
        raise ConfigError(
            "features need intrinsics: give K of every pair, or camera_info beside the images"
        )
    start = perf_counter()
    points_a, points_b = matcher(rgb_a, rgb_b)
    T_a_b = solver(points_a, points_b, K_a, K_b) if len(points_a) >= FEWEST else None
    return Answer(
        T_a_b=T_a_b,
        reason="" if T_a_b is not None else f"no pose from {len(points_a)} matches",
        seconds=perf_counter() - start,
    )


def _ask_nobody(rgb_a: Image, rgb_b: Image, K_a: Array | None, K_b: Array | None) -> Answer:
    """The same pose for every pair: what a number is worth that nobody looked at images for."""
    return Answer(T_a_b=make_transform(np.eye(3), [0, 0, 1]), reason="", seconds=0.0)
