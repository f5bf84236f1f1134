# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether errors are as large as the covariances say: NEES and coverage.

NEES, the normalised estimation error squared, is ``e @ inv(C) @ e``. Where the covariances are
right it follows a chi-square distribution: its mean is the number of dimensions of the error, and
a share p of it lies below the quantile of p. Source: Y. Bar-Shalom, X. Li, T. Kirubarajan,
Estimation with Applications to Tracking and Navigation, section 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from transforms3d.axangles import mat2axangle

from geloc3r_ros.geometry import Array, angle_between

__all__ = [
    "CHI_SQUARE",
    "Consistency",
    "consistency",
    "direction_error",
    "direction_nees",
    "rotation_error",
    "rotation_nees",
]

CHI_SQUARE = {
    2: {0.5: 1.386294, 0.68: 2.278869, 0.9: 4.605170, 0.95: 5.991465},
    3: {0.5: 2.365974, 0.68: 3.505883, 0.9: 6.251389, 0.95: 7.814728},
}
"""Dimensions to share to quantile."""


@dataclass(frozen=True)
class Consistency:
    """NEES over many pairs.

    Attributes:
        dimensions: of the error; the mean NEES of right covariances.
        mean: mean NEES; above the dimensions the covariances are too small.
        coverage: share to the share of pairs below its quantile, which would be equal.
    """

    dimensions: int
    mean: float
    coverage: dict[float, float]


def rotation_error(T_estimated: Array, T_true: Array) -> Array:
    """Rotation from the estimate to the truth about the fixed axes of camera a, (3,) radians."""
    axis, angle = mat2axangle(T_true[:3, :3] @ T_estimated[:3, :3].T)
    return np.asarray(angle * np.asarray(axis))


def direction_error(T_estimated: Array, T_true: Array) -> tuple[Array, Array]:
    """Error of the direction of the translation, on the sphere at the estimate.

    Returns:
        Two axes across the estimate (2, 3), and the error along them (2,), as long as its angle
        in radians; NaN where one of both has no direction.
    """
    t_estimated, t_true = T_estimated[:3, 3], T_true[:3, 3]
    # The last two right-singular vectors of a row span the plane across it.
    across = np.linalg.svd(t_estimated[None])[2][1:]
    aside, angle = across @ t_true, angle_between(t_estimated, t_true)
    size = np.linalg.norm(aside)
    return across, angle * aside / size if size else np.array([angle, 0.0])


def rotation_nees(T_estimated: Array, T_true: Array, covariance: Array) -> float:
    """NEES of the rotation, 3 dimensions, about the fixed axes of camera a.

    Args:
        T_estimated: ``T_a_b`` (4, 4).
        T_true: the same in truth.
        covariance: (6, 6), order x y z rotX rotY rotZ.
    """
    return _nees(rotation_error(T_estimated, T_true), covariance[3:, 3:])


def direction_nees(T_estimated: Array, T_true: Array, covariance: Array) -> float:
    """NEES of the direction of the translation: 2 dimensions, on the sphere at the estimate.

    The length plays no part, so it serves poses with and without scale alike; NaN where one of
    them has no direction.
    """
    length = np.linalg.norm(T_estimated[:3, 3])
    if not np.isfinite(angle_between(T_estimated[:3, 3], T_true[:3, 3])):
        return float("nan")
    across, error = direction_error(T_estimated, T_true)
    return _nees(error, across @ covariance[:3, :3] @ across.T / length**2)


def consistency(nees: Array, dimensions: int) -> Consistency | None:
    """Sum up the NEES (N,) of many pairs; NaN are left out, None where nothing remains."""
    nees = nees[np.isfinite(nees)]
    if not len(nees):
        return None
    coverage = {share: float((nees < q).mean()) for share, q in CHI_SQUARE[dimensions].items()}
    return Consistency(dimensions, float(nees.mean()), coverage)


def _nees(error: Array, covariance: Array) -> float:
    try:
        return float(error @ np.linalg.solve(covariance, error))
    except np.linalg.LinAlgError:
        return float("nan")
