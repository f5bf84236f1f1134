# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from helpers.rendered_views import T_0_1, rendered

from geloc3r_training.data.pair_pictures import carried, contact_sheet, epipolar_line
from geloc3r_training.data.sample import Sample, Scale


def sample(**changed):
    views = rendered((192, 144), 160.0, 164.0, 92.0, 74.0)
    values = {
        "images": views.images[:2],
        "depths": views.depths[:2],
        "K": np.stack([views.K] * 2),
        "T_world_camera": views.T_world_camera[:2],
        "scale": Scale.METRIC,
        "source": "rendered",
    }
    return Sample(**{**values, **changed})


def mismatch(pair):
    """Median difference of colours between view b and view a carried into it."""
    warped = carried(pair, 0, 1)
    seen = warped.any(axis=2)
    assert seen.mean() > 0.3
    return np.median(np.abs(warped[seen].astype(int) - pair.images[1][seen]))


def test_a_true_geometry_carries_one_view_onto_the_other():
    assert mismatch(sample()) < 12


@pytest.mark.parametrize("wrong", ["inverse", "opengl", "swapped"])
def test_a_wrong_convention_is_seen(wrong):
    T = sample().T_world_camera
    changed = {
        "inverse": np.linalg.inv(T),
        "opengl": T @ np.diag([1.0, -1, -1, 1]),
        "swapped": T[::-1],
    }
    pair = sample(T_world_camera=changed[wrong])
    warped = carried(pair, 0, 1)
    seen = warped.any(axis=2)
    difference = np.abs(warped.astype(int) - pair.images[1])[seen]
    assert seen.mean() < 0.3 or np.median(difference) > 12


def test_epipolar_lines_pass_through_the_points():
    K = sample().K[0]
    T_1_0 = np.linalg.inv(T_0_1)
    point = np.array([0.3, -0.2, 4.0])
    pixel = K @ point / 4.0
    there = K @ (T_1_0[:3, :3] @ point + T_1_0[:3, 3])
    line = epipolar_line(K, K, T_1_0, pixel)
    assert line @ there / there[2] == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(line[:2]) == pytest.approx(1)


def test_the_sheet_has_a_third_picture_where_there_is_depth():
    assert contact_sheet([sample(), sample()]).shape == (2 * 148, 3 * 196, 3)
    assert contact_sheet([sample(depths=None)]).shape == (148, 2 * 196, 3)
    alike = sample(T_world_camera=np.stack([np.eye(4)] * 2))
    assert contact_sheet([alike]).any()
