# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the estimator says about a pair of images, and how it follows from the two heads.

The network answers twice: ``T_2_1`` from one side and ``T_1_2`` from the other. How far one is
from being the inverse of the other (the cycle error) tells how much to trust them. The estimate
is ``T_1_2``, as ReLoc3R's authors read it. A network that matches the views has settled it on the
matches of both sides, and tells besides what each side found alone, for the cycle error, and what
the matches say for the pose (:mod:`geloc3r_ros.model.support`): whether there is one at all, and
whether its direction is the only one that they allow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.geometry import (
    Array,
    angle_between,
    make_transform,
    rotation_angle,
)
from geloc3r_ros.model.pose_head import pose_from_raw_on_host
from geloc3r_ros.model.support import SUPPORT

__all__ = ["Calibration", "Latency", "PoseEstimate", "left_open", "pose_from_heads"]

RADIAL_VARIANCE = 1e-6
"""Variance of a unit translation along itself; its length is 1 by definition, but a covariance
must be positive definite."""

MIN_LENGTH = 1e-9
"""A raw translation shorter than this has no direction."""

POSE_NUMBERS = 12
"""Of the numbers of a head, those that are the pose; what :func:`support` tells follows."""

NOISE = POSE_NUMBERS + 7
"""Which of them is the noise of the matches; the information follows."""

ALONE = POSE_NUMBERS + SUPPORT
"""From which of them on they are the pose that the side found alone."""

TINY = 1e-12
"""Instead of 0 in a denominator."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Seconds that each stage took; views of one set share the stages.

    Attributes:
        preprocess: checks, resizing, digests.
        encode: encoding the views that were not in the cache; 0 where all were.
        decode: decoder and heads of all pairs, and the poses from their numbers.
        total: the whole call.
    """

    preprocess: float
    encode: float
    decode: float
    total: float


@dataclass(frozen=True, kw_only=True)
class PoseEstimate:
    """The pose of camera 2 in camera 1, with unknown scale. Optical axes, radians.

    Attributes:
        T_1_2: (4, 4), maps points of camera 2 into camera 1; the translation has length 1, or
            0 where ``translation_valid`` is false because there is no direction at all.
        cycle_rotation_error: angle of ``R_1_2 @ R_2_1``, which would be 0 if both heads agreed.
        cycle_translation_error: angle between ``t_1_2`` and ``-R_1_2 @ t_2_1``.
        covariance: (6, 6), order x, y, z, rotation about x, y, z, fixed axes of camera 1, for
            the translation of length 1.
        left_open: (6, 6), the part of the covariance that the noise of the matches explains,
            before it is calibrated; None where the network does not match, or without direction.
        certainty: how sure the matches are that bear the pose out; None where the network does
            not match.
        ambiguity: how well the next best direction explains the matches, from 0 (not at all) to
            1 (as well as this one); None where the network does not match.
        valid: whether there is a pose; if not, ``T_1_2`` means nothing.
        translation_valid: whether the direction of the translation means anything.
        reason: why one of the two is false, in words, and what to know about the images; or "".
        trained: whether the weights were ever trained; if not, the pose is noise.
        latency: how long it took.
    """

    T_1_2: Array
    cycle_rotation_error: float
    cycle_translation_error: float
    covariance: Array
    left_open: Array | None = None
    certainty: float | None = None
    ambiguity: float | None = None
    valid: bool
    translation_valid: bool
    reason: str
    trained: bool
    latency: Latency


@dataclass(frozen=True)
class Calibration:
    """How sure a pose is: what its matches leave open, widened by a line over the cycle error.

    Standard deviations are ``gain`` times those that the noise of the matches alone would give,
    and, independent of them and alike in all axes, ``bias + slope * error``.

    Weights files carry it as ``{"rotation": {"bias": .., "slope": .., "gain": ..}, "translation":
    {..}, "limits": {"certainty": .., "ambiguity": ..}}``, in radians; without a gain it is 0.
    Weights without one get 5 degrees + error and 15 degrees + error, which is meant to be cautious
    and was not measured; untrained weights know nothing (pi).

    Attributes:
        rotation: bias, slope and gain.
        translation: bias, slope and gain.
        least_certainty: of the matches, for a pose to be valid; 0 where nothing was measured.
        most_ambiguity: of the direction, for a translation to be valid; 1 where nothing was.
    """

    rotation: tuple[float, float, float]
    translation: tuple[float, float, float]
    least_certainty: float = 0.0
    most_ambiguity: float = 1.0

    @classmethod
    def of_weights(cls, calibration: Mapping | None, trained: bool) -> Calibration:
        """Read the calibration of a weights file, or take the default where it has none.

        Raises:
            WeightsError: if the numbers are missing, negative or not finite.
        """
        if calibration is None:
            if not trained:
                return cls((np.pi, 0.0, 0.0), (np.pi, 0.0, 0.0))
            return cls((np.radians(5.0), 1.0, 0.0), (np.radians(15.0), 1.0, 0.0))
        try:
            rotation, translation = (
                (float(part["bias"]), float(part["slope"]), float(part.get("gain", 0.0)))
                for part in (calibration["rotation"], calibration["translation"])
            )
            limits = calibration.get("limits", {"certainty": 0.0, "ambiguity": 1.0})
            gates = float(limits["certainty"]), float(limits["ambiguity"])
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise WeightsError(
                f"the calibration of these weights is not of the form "
                f'{{"rotation": {{"bias", "slope"}}, "translation": ...}}: {calibration}'
            ) from error
        numbers = np.array([rotation, translation])
        if not (np.isfinite(numbers).all() and (numbers >= 0).all() and (numbers[:, 0] > 0).all()):
            raise WeightsError(
                "the calibration of these weights needs bias > 0, slope and gain >= 0: "
                f"{calibration}"
            )
        if not all(0 <= gate <= 1 for gate in gates):
            raise WeightsError(
                f"the calibration of these weights needs limits from 0 to 1: {calibration}"
            )
        return cls(rotation, translation, *gates)

    def covariance(
        self,
        t: Array,
        rotation_error: float,
        translation_error: float,
        left_open: Array | None = None,
    ) -> Array:
        """Return the covariance (6, 6) at a translation (3,) of length 1 or 0.

        A direction is uncertain across itself only. No direction at all is any unit vector.

        Args:
            t: the translation.
            rotation_error: of the cycle, radians; half a turn where nothing is known.
            translation_error: of the cycle, radians; the same.
            left_open: what :func:`left_open` returned, where there are matches.
        """
        sigma_rotation = _sigma(self.rotation, rotation_error)
        sigma_direction = _sigma(self.translation, translation_error if t.any() else np.pi)
        C = np.zeros((6, 6))
        along = np.outer(t, t)
        C[:3, :3] = sigma_direction**2 * (np.eye(3) - along) + RADIAL_VARIANCE * along
        C[3:, 3:] = sigma_rotation**2 * np.eye(3)
        if left_open is None:
            return C
        gain = np.repeat([self.translation[2] if t.any() else 0.0, self.rotation[2]], 3)
        return C + gain[:, None] * left_open * gain

    def doubt(self, certainty: float) -> str:
        """Why matches of this certainty give no pose; "" where they do."""
        if certainty >= self.least_certainty:
            return ""
        return (
            f"the images do not match (certainty {certainty:.3f}, at least "
            f"{self.least_certainty:.3f} is needed): they have too little in common, or to show"
        )

    def vagueness(self, ambiguity: float) -> str:
        """Why matches of this ambiguity give no direction; "" where they do."""
        if ambiguity <= self.most_ambiguity:
            return ""
        return (
            f"no direction: another one explains the matches nearly as well (ambiguity "
            f"{ambiguity:.3f}, at most {self.most_ambiguity:.3f} is allowed), as where the camera "
            "hardly moved"
        )


def pose_from_heads(
    raw_2_1: Array,
    raw_1_2: Array,
    calibration: Calibration,
    *,
    trained: bool,
    latency: Latency,
    identical: bool = False,
    note: str = "",
) -> PoseEstimate:
    """Turn the raw numbers of both heads into an estimate.

    Args:
        raw_2_1: of ``T_2_1``, from the side of view 1: 12, and 41 more where the network matches.
        raw_1_2: of ``T_1_2``, from the side of view 2.
        calibration: of the weights.
        trained: whether the weights are.
        latency: passed on.
        identical: whether both network images are the same to the last bit.
        note: what to know about the images.
    """
    if not (np.isfinite(raw_2_1).all() and np.isfinite(raw_1_2).all()):
        return PoseEstimate(
            T_1_2=np.eye(4),
            cycle_rotation_error=np.pi,
            cycle_translation_error=np.pi,
            covariance=calibration.covariance(np.zeros(3), np.pi, np.pi),
            valid=False,
            translation_valid=False,
            reason="the network's output is not finite; try precision fp32",
            trained=trained,
            latency=latency,
        )
    T_1_2 = pose_from_raw_on_host(raw_1_2)
    rotation_error, translation_error = _cycle_errors(raw_2_1, raw_1_2)
    length = np.linalg.norm(T_1_2[:3, 3])
    directed = bool(length > MIN_LENGTH and np.isfinite(translation_error))
    direction = T_1_2[:3, 3] / length if directed else np.zeros(3)
    certainty, ambiguity = _support(raw_2_1, raw_1_2)
    doubt = "" if certainty is None else calibration.doubt(certainty)
    if not directed:
        vague = "the network gave a translation without direction"
    elif identical:
        vague = "both images are the same: there is no motion to take a direction from"
    else:
        vague = "" if ambiguity is None else calibration.vagueness(ambiguity)
    known = not (doubt or vague)
    unknown = None if certainty is None or not directed else left_open(raw_2_1, direction)
    return PoseEstimate(
        T_1_2=make_transform(T_1_2[:3, :3], direction),
        cycle_rotation_error=rotation_error,
        cycle_translation_error=translation_error if directed else np.pi,
        covariance=calibration.covariance(
            direction if known else np.zeros(3),
            np.pi if doubt else rotation_error,
            translation_error if known else np.pi,
            unknown,
        ),
        left_open=unknown,
        certainty=certainty,
        ambiguity=ambiguity,
        valid=not doubt,
        translation_valid=known,
        reason="; ".join(part for part in (doubt or vague, note) if part),
        trained=trained,
        latency=latency,
    )


def _sigma(line: tuple[float, float, float], error: float) -> float:
    """By a line over the cycle error, radians; sigmas end at half a turn."""
    bias, slope, _ = line
    return np.pi if error >= np.pi else min(bias + slope * error, np.pi)


def left_open(raw_2_1: Array, t: Array) -> Array:
    """What matches leave open of a pose, if they are right but for noise.

    Args:
        raw_2_1: numbers of the head of view 1, which matches its cells.
        t: translation of the pose, unit length, in camera 1, (3,).

    Returns:
        Covariance (6, 6), of the direction, then of the rotation about the axes of camera 1.
    """
    noise, information = raw_2_1[NOISE], _symmetric(raw_2_1[NOISE + 1 : ALONE])
    across = np.zeros((6, 5))  # from a turn and a shift across t
    across[:3, :3] = np.eye(3)
    across[3:, 3:] = np.linalg.svd(t[None])[2][1:].T
    most = noise / np.pi**2 + TINY  # sigmas end at half a turn
    size, axes = np.linalg.eigh(across.T @ information @ across)
    # Information that was computed in float32 may lie below 0 by its rounding.
    whole = across @ axes
    whole = noise * whole / (size.clip(0.0) + most) @ whole.T
    return np.roll(whole, 3, (0, 1))  # the head turns R_2_1 and shifts -t_1_2: both signs cancel


def _symmetric(triangle: Array) -> Array:
    """Symmetric matrix (n, n) of the rows of its upper triangle, n (n + 1) / 2 numbers."""
    n = math.isqrt(2 * len(triangle))
    upper = np.zeros((n, n))
    upper[np.triu_indices(n)] = triangle
    return upper + np.triu(upper, 1).T


def _cycle_errors(raw_2_1: Array, raw_1_2: Array) -> tuple[float, float]:
    """How far the answers of both sides are from being inverses, by angle and by direction."""
    if len(raw_1_2) > ALONE:
        raw_2_1, raw_1_2 = raw_2_1[ALONE:], raw_1_2[ALONE:]
    T_2_1, T_1_2 = pose_from_raw_on_host(raw_2_1), pose_from_raw_on_host(raw_1_2)
    R_1_2 = T_1_2[:3, :3]
    return (
        rotation_angle(R_1_2 @ T_2_1[:3, :3]),
        angle_between(T_1_2[:3, 3], -R_1_2 @ T_2_1[:3, 3]),
    )


def _support(*raws: Array) -> tuple[float | None, float | None]:
    """Certainty and ambiguity, means over both sides, where the heads tell what they saw."""
    if any(len(raw) == POSE_NUMBERS for raw in raws):
        return None, None
    certainties, ambiguities = [], []
    for raw in raws:
        certainty, normals = raw[POSE_NUMBERS], raw[POSE_NUMBERS + 1 : NOISE]
        least, next_best, _ = np.linalg.eigvalsh(_symmetric(normals))
        certainties.append(certainty)
        ambiguities.append(np.sqrt(max(least, 0.0) / max(next_best, TINY)))
    return float(np.mean(certainties)), float(min(np.mean(ambiguities), 1.0))
