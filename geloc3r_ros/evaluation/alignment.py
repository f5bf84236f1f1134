# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far a trajectory is from the truth: APE and RPE, after an alignment that is named.

Trajectories are poses ``T_fixed_moving`` (N, 4, 4) at the same N moments. The numbers are those of
evo (``evo_ape``, ``evo_rpe`` with ``--delta 1 --delta_unit f``) on the same files.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from geloc3r_ros.errors import GeLoc3rError
from geloc3r_ros.geometry import Array, rotation_angle

__all__ = [
    "Alignment",
    "AlignmentError",
    "Similarity",
    "absolute_errors",
    "align",
    "relative_errors",
    "umeyama",
]

Alignment = Literal["none", "se3", "sim3"]
"""Nothing; rotation and translation; these and one scale for all."""


class AlignmentError(GeLoc3rError):
    """The positions determine no alignment: too few, or all on one line."""


class Similarity(NamedTuple):
    """``x_true = scale * R @ x_estimated + t``: R (3, 3), t (3,)."""

    R: Array
    t: Array
    scale: float


def umeyama(estimated: Array, true: Array, with_scale: bool) -> Similarity:
    """Return the similarity that carries positions (N, 3) onto others in least squares.

    Source: S. Umeyama, Least-squares estimation of transformation parameters between two point
    patterns, PAMI 1991, equations 40 to 43.

    Raises:
        AlignmentError: if the positions determine no rotation.
    """
    mean_e, mean_t = estimated.mean(axis=0), true.mean(axis=0)
    centred_e, centred_t = estimated - mean_e, true - mean_t
    U, D, Vt = np.linalg.svd(centred_t.T @ centred_e / len(true))
    if np.linalg.matrix_rank(np.diag(D), tol=np.finfo(float).eps * max(D[0], 1.0)) < 2:
        raise AlignmentError(
            f"{len(true)} positions determine no alignment: they are too few, or on one line"
        )
    S = np.diag([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U @ S @ Vt
    variance = (centred_e**2).sum() / len(true)
    scale = float(np.trace(np.diag(D) @ S) / variance) if with_scale else 1.0
    return Similarity(R, mean_t - scale * R @ mean_e, scale)


def align(estimated: Array, true: Array, alignment: Alignment) -> Array:
    """Return the estimated trajectory (N, 4, 4), aligned to the true one.

    Raises:
        AlignmentError: as :func:`umeyama`.
    """
    if alignment == "none":
        return estimated
    R, t, scale = umeyama(estimated[:, :3, 3], true[:, :3, 3], alignment == "sim3")
    aligned = estimated.copy()
    aligned[:, :3, :3] = R @ estimated[:, :3, :3]
    aligned[:, :3, 3] = scale * estimated[:, :3, 3] @ R.T + t
    return aligned


def absolute_errors(estimated: Array, true: Array) -> tuple[Array, Array]:
    """APE: distances (N,) in metres, and angles (N,) in radians, pose by pose."""
    return _errors(_inverses(true) @ estimated)


def relative_errors(estimated: Array, true: Array) -> tuple[Array, Array]:
    """RPE from each pose to the next: lengths (N - 1,) in metres, and angles in radians."""
    steps_e = _inverses(estimated[:-1]) @ estimated[1:]
    steps_t = _inverses(true[:-1]) @ true[1:]
    return _errors(_inverses(steps_t) @ steps_e)


def _errors(E: Array) -> tuple[Array, Array]:
    angles = np.array([rotation_angle(R) for R in E[:, :3, :3]])
    return np.linalg.norm(E[:, :3, 3], axis=1), angles


def _inverses(T: Array) -> Array:
    inverted = np.tile(np.eye(4), (len(T), 1, 1))
    R_t = np.swapaxes(T[:, :3, :3], 1, 2)
    inverted[:, :3, :3] = R_t
    inverted[:, :3, 3] = -np.einsum("nij,nj->ni", R_t, T[:, :3, 3])
    return inverted
