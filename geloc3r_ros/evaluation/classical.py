# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Relative pose from matched features: the classical baselines.

Features of OpenCV, matched both ways; an essential matrix, and the pose before which most of its
points lie. The solver is OpenCV's MAGSAC++, or poselib's LO-RANSAC where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.geometry import Array, inverse, make_transform, rotation_from_quat_xyzw
from geloc3r_ros.inference.images import Image

__all__ = ["Points", "Solver", "match_orb", "match_sift", "solve_magsac", "solve_poselib"]

MOST_FEATURES = 4000
LOWE_RATIO = 0.8
INLIER_PIXELS = 1.0
FEWEST = 5
"""An essential matrix has five degrees of freedom."""

Points = npt.NDArray[np.float64]
"""Pixels (N, 2)."""
Solver = Callable[[Points, Points, Array, Array], "Array | None"]


def match_sift(rgb_a: Image, rgb_b: Image) -> tuple[Points, Points]:
    """SIFT features that match, both ways and by Lowe's ratio (D. Lowe, IJCV 2004)."""
    return _match(cv2.SIFT.create(MOST_FEATURES), cv2.NORM_L2, rgb_a, rgb_b)


def match_orb(rgb_a: Image, rgb_b: Image) -> tuple[Points, Points]:
    """ORB features that match, both ways and by Lowe's ratio (E. Rublee et al., ICCV 2011)."""
    return _match(cv2.ORB.create(MOST_FEATURES), cv2.NORM_HAMMING, rgb_a, rgb_b)


def solve_magsac(points_a: Points, points_b: Points, K_a: Array, K_b: Array) -> Array | None:
    """``T_a_b`` (4, 4), translation of length 1, by OpenCV's MAGSAC++; None without one."""
    flat_a, flat_b = _normalised(points_a, K_a), _normalised(points_b, K_b)
    threshold = INLIER_PIXELS / np.mean([K_a[0, 0], K_a[1, 1], K_b[0, 0], K_b[1, 1]])
    E, inliers = cv2.findEssentialMat(
        flat_a, flat_b, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.9999, threshold=float(threshold)
    )
    if E is None or E.shape != (3, 3):
        return None
    count, R_b_a, t_b_a, _ = cv2.recoverPose(E, flat_a, flat_b, np.eye(3), mask=inliers)
    return inverse(make_transform(R_b_a, t_b_a.ravel())) if count else None


def solve_poselib(points_a: Points, points_b: Points, K_a: Array, K_b: Array) -> Array | None:
    """``T_a_b`` (4, 4), translation of length 1, by poselib; None without one.

    Raises:
        ConfigError: if poselib is not installed.
    """
    try:
        import poselib
    except ImportError as error:
        raise ConfigError("this method needs poselib: pip install poselib") from error
    pose, info = poselib.estimate_relative_pose(
        points_a, points_b, _poselib_camera(K_a), _poselib_camera(K_b),
        {"max_epipolar_error": INLIER_PIXELS},
    )  # fmt: skip
    if info["num_inliers"] < FEWEST or not np.any(pose.t):
        return None
    w, x, y, z = pose.q
    t_b_a = np.asarray(pose.t) / np.linalg.norm(pose.t)
    return inverse(make_transform(rotation_from_quat_xyzw([x, y, z, w]), t_b_a))


def _match(features: Any, norm: int, rgb_a: Image, rgb_b: Image) -> tuple[Points, Points]:
    found = [
        features.detectAndCompute(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), None)
        for rgb in (rgb_a, rgb_b)
    ]
    (points_a, words_a), (points_b, words_b) = found
    none = np.empty((0, 2))
    if words_a is None or words_b is None or min(len(words_a), len(words_b)) < 2:
        return none, none
    matcher = cv2.BFMatcher(norm)
    forth = _better_by_ratio(matcher.knnMatch(words_a, words_b, k=2))
    back = _better_by_ratio(matcher.knnMatch(words_b, words_a, k=2))
    agreed = [(a, b) for a, b in forth.items() if back.get(b) == a]
    if not agreed:
        return none, none
    return (
        np.array([points_a[a].pt for a, _ in agreed], float),
        np.array([points_b[b].pt for _, b in agreed], float),
    )


def _better_by_ratio(candidates: Any) -> dict[int, int]:
    return {
        best.queryIdx: best.trainIdx
        for best, second in candidates
        if best.distance < LOWE_RATIO * second.distance
    }


def _normalised(points: Points, K: Array) -> Points:
    homogeneous = np.column_stack([points, np.ones(len(points))])
    return np.ascontiguousarray((homogeneous @ np.linalg.inv(K).T)[:, :2])


def _poselib_camera(K: Array) -> dict[str, Any]:
    return {
        "model": "PINHOLE",
        "width": 0,
        "height": 0,
        "params": [K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
    }
