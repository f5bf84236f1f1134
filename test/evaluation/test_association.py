# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses at given stamps, as found by looking at every pose for every stamp."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from geloc3r_ros.evaluation.association import PosesAt
from geloc3r_ros.geometry import make_transform


def pose(x):
    return make_transform(np.eye(3), [x, 0, 0])


def positions(stamps, told, tolerance, gap):
    """Where the poses say, of which each stands at its own stamp."""
    at = PosesAt(np.array(stamps), tolerance, gap)
    for stamp in told:
        at.add(stamp, pose(stamp))
    return at.poses()[:, 0, 3].tolist()


def test_alone_the_nearest_within_the_tolerance_counts():
    nearest = positions([100, 200, 300], [80, 95, 104, 211, 310, 290], tolerance=10, gap=0)
    assert nearest == pytest.approx([104, np.nan, 290], nan_ok=True)


def test_between_two_poses_there_is_a_line():
    assert positions([100, 200], [90, 130, 185, 225], tolerance=0, gap=40) == [100, 200]


def test_a_gap_that_is_too_wide_is_not_bridged():
    said = positions([100, 200], [90, 130, 185, 225], tolerance=12, gap=39)
    assert said == pytest.approx([90, np.nan], nan_ok=True)


def test_a_pose_of_that_very_stamp_is_taken_to_the_bit():
    at = PosesAt(np.array([100]), 0, 50)
    T = make_transform(Rotation.random(rng=1).as_matrix(), [0.1, 0.2, 0.3])
    for stamp, told in ((90, pose(1)), (100, T), (110, pose(2))):
        at.add(stamp, told)
    assert np.array_equal(at.poses()[0], T)


def test_rotations_turn_as_scipys_slerp():
    stamps = [0, 1000]
    turns = Rotation.random(2, rng=5)
    asked = np.array([1, 250, 500, 999])
    at = PosesAt(asked, 0, 1000)
    for stamp, R in zip(stamps, turns.as_matrix(), strict=True):
        at.add(stamp, make_transform(R, [0, 0, 0]))
    expected = Slerp(stamps, turns)(asked).as_matrix()
    assert at.poses()[:, :3, :3] == pytest.approx(expected, abs=1e-12)


@given(
    asked=st.sets(st.integers(0, 60), min_size=1),
    told=st.permutations(range(0, 60, 7)),
    tolerance=st.integers(0, 20),
    gap=st.integers(0, 20),
)
def test_like_looking_at_all(asked, told, tolerance, gap):
    stamps = sorted(asked)
    found = positions(stamps, told, tolerance, gap)
    for stamp, x in zip(stamps, found, strict=True):
        distance = min(abs(stamp - t) for t in told)
        inside = min(told) < stamp < max(told)
        if distance and inside and gap >= 7:
            assert x == pytest.approx(stamp)
        elif distance <= tolerance:
            assert abs(x - stamp) == distance
        else:
            assert np.isnan(x)


def test_stamps_must_increase():
    with pytest.raises(ValueError, match="must increase"):
        PosesAt(np.array([2, 1]), 1, 1)
