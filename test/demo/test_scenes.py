# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's scenes: their truth fits their pictures."""

import cv2
import numpy as np
import pytest

from geloc3r_ros.demo.scenes import scenes
from geloc3r_ros.geometry import rotation_angle, skew


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return {scene.name: scene for scene in scenes(tmp_path_factory.mktemp("demo"))}


def matches(view):
    """Matched points (N, 2) of both pictures, in pixels."""
    sift = cv2.SIFT_create(3000)
    (points1, words1), (points2, words2) = (
        sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), None)
        for picture in (view.left, view.right)
    )
    pairs = cv2.BFMatcher().knnMatch(words1, words2, k=2)
    good = [best for best, second in pairs if best.distance < 0.75 * second.distance]
    return (
        np.array([points1[m.queryIdx].pt for m in good]),
        np.array([points2[m.trainIdx].pt for m in good]),
    )


def bearings(points, K):
    """Rays (N, 3) through pixels, with z = 1."""
    return np.column_stack([points, np.ones(len(points))]) @ np.linalg.inv(K).T


def test_matched_points_lie_on_the_lines_of_the_true_pose(both):
    scene = both["moving"]
    for stamp, T in list(scene.truth().items())[::13]:
        view = scene.view(stamp)
        points1, points2 = matches(view)
        x1, x2 = bearings(points1, view.K_left), bearings(points2, view.K_right)
        lines2 = x1 @ (skew(T[:3, 3]) @ T[:3, :3])
        distance = np.abs((lines2 * x2).sum(axis=1)) / np.linalg.norm(lines2[:, :2], axis=1)
        assert len(distance) > 200
        assert np.median(distance) * view.K_right[0, 0] < 0.5  # pixels


def test_the_moving_scene_turns_and_drives_ahead(both):
    poses = list(both["moving"].truth().values())
    assert len(poses) == 40
    turns = np.degrees([rotation_angle(T[:3, :3]) for T in poses])
    assert turns.max() > 20
    assert turns.min() < 8
    assert poses[0][2, 3] < 0.5  # metres ahead of the camera at the dock
    assert poses[-1][2, 3] > 3
    assert all(T[1, 3] > 0.3 for T in poses)  # below it, as y points down


def test_the_rig_of_the_recording_does_not_change(both):
    poses = list(both["recording"].truth().values())
    assert not np.ptp(poses, axis=0).any()
