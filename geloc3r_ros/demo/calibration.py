# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The true pose of a stereo pair from pictures of a chessboard, and the camera_info it implies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ImageError
from geloc3r_ros.geometry import Array, inverse, make_transform

__all__ = ["Camera", "StereoCalibration", "calibrate", "read_grey"]

BOARD = (9, 6)  # inner corners
SQUARE = 0.025  # metres; square_size in OpenCV's left_intrinsics.yml


@dataclass(frozen=True)
class Camera:
    """One camera of a rectifiable pair, with the names of sensor_msgs/CameraInfo.

    Attributes:
        size: width and height in pixels.
        K: (3, 3) intrinsics.
        D: (5,) distortion, ``plumb_bob``.
        R: (3, 3) turns the camera's axes into those of the rectified pair.
        P: (3, 4) projection of the rectified camera; ``P[0, 3]`` is -fx times the baseline in the
            right one.
    """

    size: tuple[int, int]
    K: Array
    D: Array
    R: Array
    P: Array


@dataclass(frozen=True)
class StereoCalibration:
    """Two cameras, ``T_left_right`` (4, 4) in metres, and the RMS reprojection error in pixels."""

    left: Camera
    right: Camera
    T_left_right: Array
    reprojection_error: float


def read_grey(path: Path) -> npt.NDArray[np.uint8]:
    """Read a picture as (H, W) grey values.

    Raises:
        ImageError: if it cannot be read.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise ImageError(f"cannot read the picture {path}")
    return np.asarray(picture, np.uint8)


def _corners(path: Path) -> npt.NDArray[np.float32]:
    """Find the corners (54, 1, 2) of the board, to a fraction of a pixel."""
    grey = read_grey(path)
    found, corners = cv2.findChessboardCorners(grey, BOARD)
    if not found:
        raise ImageError(f"{path} shows no chessboard of {BOARD[0]}x{BOARD[1]} inner corners")
    until = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 30, 0.01)
    return np.asarray(cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), until), np.float32)


def _camera(size: tuple[int, int], K: Any, D: Any, R: Any, P: Any) -> Camera:
    return Camera(size, *(np.asarray(M, float) for M in (K, np.ravel(D), R, P)))


def calibrate(pairs: Sequence[tuple[Path, Path]]) -> StereoCalibration:
    """Calibrate from pictures (left, right) of one board, taken at the same instant.

    Each camera is calibrated alone, then the pose between them with the intrinsics held.
    Source: Z. Zhang, A flexible new technique for camera calibration, PAMI 2000 (as in OpenCV).

    Raises:
        ImageError: if a picture cannot be read or shows no whole board.
    """
    height, width = read_grey(pairs[0][0]).shape
    size = (width, height)
    board = np.zeros((BOARD[0] * BOARD[1], 3), np.float32)
    board[:, :2] = SQUARE * np.mgrid[: BOARD[0], : BOARD[1]].T.reshape(-1, 2)
    boards = [board] * len(pairs)
    seen = [[_corners(pair[side]) for pair in pairs] for side in (0, 1)]
    (_, K_l, D_l, *_), (_, K_r, D_r, *_) = (
        cv2.calibrateCamera(boards, corners, size, None, None) for corners in seen
    )
    error, *_, R_right_left, t_right_left, _, _ = cv2.stereoCalibrate(
        boards, seen[0], seen[1], K_l, D_l, K_r, D_r, size, flags=cv2.CALIB_FIX_INTRINSIC
    )
    R_l, R_r, P_l, P_r, *_ = cv2.stereoRectify(
        K_l, D_l, K_r, D_r, size, R_right_left, t_right_left, alpha=0
    )
    return StereoCalibration(
        left=_camera(size, K_l, D_l, R_l, P_l),
        right=_camera(size, K_r, D_r, R_r, P_r),
        T_left_right=inverse(make_transform(R_right_left, t_right_left.ravel())),
        reprojection_error=float(error),
    )
