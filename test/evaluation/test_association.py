# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nearest in time, as found by looking at every pose for every stamp."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geloc3r_ros.evaluation.association import NearestPoses


def pose(x):
    T = np.eye(4)
    T[0, 3] = x
    return T


def test_the_nearest_within_the_tolerance():
    nearest = NearestPoses(np.array([100, 200, 300]), tolerance=10)
    for stamp in (80, 95, 104, 211, 310, 290):
        nearest.add(stamp, pose(stamp))
    assert nearest.poses[0, 0, 3] == 104
    assert np.isnan(nearest.poses[1]).all()
    assert nearest.poses[2, 0, 3] == 310  # as near as 290, and there before it
    assert nearest.offsets.tolist() == [4, 11, 10]


@given(
    asked=st.sets(st.integers(0, 60), min_size=1),
    told=st.permutations(range(0, 60, 7)),
    tolerance=st.integers(0, 20),
)
def test_like_looking_at_all(asked, told, tolerance):
    stamps = np.array(sorted(asked))
    nearest = NearestPoses(stamps, tolerance)
    for stamp in told:
        nearest.add(stamp, pose(stamp))
    for i, stamp in enumerate(stamps):
        distance = min(abs(stamp - t) for t in told)
        if distance <= tolerance:
            assert abs(nearest.poses[i, 0, 3] - stamp) == distance == nearest.offsets[i]
        else:
            assert np.isnan(nearest.poses[i]).all()


def test_stamps_must_increase():
    with pytest.raises(ValueError, match="must increase"):
        NearestPoses(np.array([2, 1]), tolerance=1)
