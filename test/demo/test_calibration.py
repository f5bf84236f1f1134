# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The truth of the demo: direction and size of the pose between the two cameras."""

import cv2
import numpy as np
import pytest

from geloc3r_ros.demo.calibration import calibrate
from geloc3r_ros.demo.recording import stereo_pairs
from geloc3r_ros.errors import ImageError
from geloc3r_ros.geometry import is_transform, rotation_angle


@pytest.fixture(scope="module")
def calibration():
    return calibrate(stereo_pairs())


def test_thirteen_pairs_ship_with_the_package():
    pairs = stereo_pairs()
    assert len(pairs) == 13
    assert all(left.is_file() and right.is_file() for left, right in pairs)
    assert [p.name for p in pairs[9]] == ["left11.jpg", "right11.jpg"]


def test_the_right_camera_stands_at_plus_x_of_the_left(calibration):
    x, y, z = calibration.T_left_right[:3, 3]
    assert x == pytest.approx(0.083, abs=0.001)  # metres, with squares of 25 mm
    assert abs(y) < 0.002
    assert abs(z) < 0.002
    assert is_transform(calibration.T_left_right)
    assert np.degrees(rotation_angle(calibration.T_left_right[:3, :3])) < 1


def test_the_calibration_fits_to_a_fraction_of_a_pixel(calibration):
    assert calibration.reprojection_error < 0.5
    for camera in (calibration.left, calibration.right):
        assert camera.K[0, 0] == pytest.approx(535, abs=5)  # OpenCV's own value: 535.9
        assert camera.size == (640, 480)
        assert camera.D.shape == (5,)
    baseline = np.linalg.norm(calibration.T_left_right[:3, 3])
    P = calibration.right.P
    assert -P[0, 3] / P[0, 0] == pytest.approx(baseline)


def test_the_pose_agrees_with_the_board_seen_by_each_camera(calibration):
    """An oracle without stereoCalibrate: the board's pose in each camera, chained."""
    board = np.zeros((54, 3))
    board[:, :2] = 0.025 * np.mgrid[:9, :6].T.reshape(-1, 2)
    translations = []
    for pair in stereo_pairs():
        poses = []
        for path, camera in zip(pair, (calibration.left, calibration.right), strict=True):
            _, corners = cv2.findChessboardCorners(cv2.imread(str(path), 0), (9, 6))
            _, rotation, translation = cv2.solvePnP(board, corners, camera.K, camera.D)
            poses.append(np.eye(4))
            poses[-1][:3] = np.hstack([cv2.Rodrigues(rotation)[0], translation])
        T_left_board, T_right_board = poses
        translations.append((T_left_board @ np.linalg.inv(T_right_board))[:3, 3])
    assert np.median(translations, axis=0) == pytest.approx(
        calibration.T_left_right[:3, 3], abs=0.002
    )


def test_a_picture_without_a_board_is_named(tmp_path):
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((48, 64), 128, np.uint8))
    with pytest.raises(ImageError, match=r"grey\.png shows no chessboard of 9x6"):
        calibrate([(path, path)])
    with pytest.raises(ImageError, match="cannot read"):
        calibrate([(tmp_path / "none.png", path)])
