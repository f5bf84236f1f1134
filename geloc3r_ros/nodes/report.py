# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an estimate of the network to what the node says: gates, scale, frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.geometry import make_transform
from geloc3r_ros.inference import PoseEstimate
from geloc3r_ros.nodes.parameters import Settings
from geloc3r_ros.nodes.poses import move_covariance, scale_covariance

__all__ = ["Report", "as_rectified", "assess", "in_base_frames", "with_scale"]

Array = npt.NDArray[np.float64]

# Variance of a translation of which nothing is known, m^2. A filter that fuses it all the same
# takes it for a measurement of 0: with a kilometre of sigma, twice a second for ten minutes, a
# robot 50 m away is drawn by 0.9 m; with 30 m, all the way.
UNKNOWN_VARIANCE = 1e6

NO_SCALE = "no translation: between base frames it takes a scale; set scale.source"


@dataclass(frozen=True, eq=False)
class Report:
    """The pose ``T_a_b`` (4, 4) of one camera, its covariance (6, 6), and what it is good for."""

    T_a_b: Array
    covariance: Array
    valid: bool
    translation_valid: bool
    scale_known: bool
    reason: str


def assess(estimate: PoseEstimate, settings: Settings) -> Report:
    """Apply the gates; the translation is a unit direction.

    An invalid pose keeps its numbers, for whoever wants to study them.
    """
    report = Report(
        T_a_b=estimate.T_1_2,
        covariance=estimate.covariance,
        valid=estimate.valid,
        translation_valid=estimate.valid and estimate.translation_valid,
        scale_known=False,
        reason=estimate.reason,
    )
    if not report.valid:
        return report
    if not estimate.trained and not settings.publish_untrained:
        return _invalid(report, "the weights are untrained; publish_untrained overrules this")
    if estimate.cycle_rotation_error > settings.gate_max_cycle_rotation:
        return _invalid(
            report,
            f"the two directions disagree by {estimate.cycle_rotation_error:.3f} rad in rotation, "
            f"gate.max_cycle_rotation is {settings.gate_max_cycle_rotation:g}",
        )
    if not report.translation_valid:
        return _without_translation(report, 1.0)
    if estimate.cycle_translation_error > settings.gate_max_cycle_translation:
        reason = (
            f"no translation: the two directions disagree by "
            f"{estimate.cycle_translation_error:.3f} rad in it, "
            f"gate.max_cycle_translation is {settings.gate_max_cycle_translation:g}"
        )
        return _without_translation(replace(report, reason=reason), 1.0)
    return report


def with_scale(report: Report, length: float, *, measured: bool = True) -> Report:
    """Give the translation its length in metres.

    Args:
        report: the translation is a unit direction.
        length: distance of the cameras.
        measured: whether someone measured it. If not, it is what a filter believes, which must
            not come back to it as a measurement: its standard deviation is the length itself.

    Raises:
        ConfigError: if the length is not above 0; the covariance would have no width.
    """
    if not length > 0.0:
        raise ConfigError(
            f"the distance of the cameras is {length:g} m; a scale needs one above 0, correct "
            "it or set scale.source: unit"
        )
    T_a_b = make_transform(report.T_a_b[:3, :3], length * report.T_a_b[:3, 3])
    covariance = scale_covariance(report.covariance, length)
    if not measured:
        covariance[:3, :3] += np.outer(T_a_b[:3, 3], T_a_b[:3, 3])
    return replace(report, T_a_b=T_a_b, covariance=covariance, scale_known=True)


def as_rectified(report: Report) -> Report:
    """Hold the pose against what camera_info says: camera b stands to the right of camera a.

    Two cables that were exchanged give good poses of the wrong cameras.
    """
    if report.translation_valid and report.T_a_b[0, 3] < 0.0:
        return _invalid(
            report,
            "camera b is seen to the left of camera a, and camera_info has it to the right: the "
            "cameras, or their camera_info, are swapped",
        )
    return report


def in_base_frames(report: Report, T_A_a: Array, T_b_B: Array) -> Report:
    """Move the pose to the frames A and B that carry the cameras a and b.

    Without scale the lever arms cannot be added to a direction, so only the rotation remains.
    """
    moved = replace(
        report,
        T_a_b=T_A_a @ report.T_a_b @ T_b_B,
        covariance=move_covariance(report.covariance, T_A_a, report.T_a_b, T_b_B),
    )
    if report.scale_known and report.translation_valid:
        return moved
    if report.translation_valid:
        moved = replace(moved, reason=NO_SCALE)
    return _without_translation(moved, UNKNOWN_VARIANCE)


def _invalid(report: Report, reason: str) -> Report:
    return replace(report, valid=False, translation_valid=False, reason=reason)


def _without_translation(report: Report, variance: float) -> Report:
    """Set the translation to zero with ``variance`` on each axis.

    A direction of which nothing is known is a point on the unit sphere: variance 1 covers it.
    """
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = variance * np.eye(3)
    covariance[3:, 3:] = report.covariance[3:, 3:]
    T_a_b = make_transform(report.T_a_b[:3, :3], np.zeros(3))
    return replace(report, T_a_b=T_a_b, covariance=covariance, translation_valid=False)
