# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUC and medians by hand-computed numbers, then the laws they obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geloc3r_ros.evaluation.metrics import area_under_recall, errors_of, summarise
from geloc3r_ros.geometry import make_transform, rotation_about

DEGREE = np.pi / 180
errors = st.lists(st.floats(0, 4) | st.just(np.inf), min_size=1, max_size=30)
thresholds = st.floats(0.01, 3)


def test_area_by_hand():
    # Recall climbs to 1/4 at 1, to 2/4 at 3, and stays there up to 5.
    triangle, trapezium, level = 0.5 * 1 * 0.25, 2 * 0.375, 2 * 0.5
    area = area_under_recall([3.0, 1.0, 12.0, np.inf], 5.0)
    assert area == pytest.approx((triangle + trapezium + level) / 5)


@pytest.mark.parametrize(("errors", "area"), [([0, 0], 1), ([5, 9], 0), ([np.inf], 0)])
def test_area_at_the_ends(errors, area):
    assert area_under_recall(errors, 5.0) == area


def test_summary_by_hand():
    metrics = summarise(
        rotation=np.array([1, 2, 30, np.nan, 3]) * DEGREE,
        direction=np.array([4, 1, 1, np.nan, np.nan]) * DEGREE,
        moved=[True, True, True, True, False],
    )
    # Largest errors 4, 2, 30 degrees and a failure: 1/4 at 2, 2/4 at 4, level.
    assert metrics.auc[5] == pytest.approx((0.5 * 2 * 0.25 + 2 * 0.375 + 1 * 0.5) / 5)
    assert metrics.auc[20] == pytest.approx((0.5 * 2 * 0.25 + 2 * 0.375 + 16 * 0.5) / 20)
    assert (metrics.pairs, metrics.failures, metrics.still_pairs) == (4, 1, 1)
    assert metrics.rotation_median == pytest.approx(16 * DEGREE)
    assert metrics.direction_median == pytest.approx(2.5 * DEGREE)
    assert metrics.still_rotation_median == pytest.approx(3 * DEGREE)


def test_errors_of_poses():
    T_true = make_transform(np.eye(3), [1, 0, 0])
    T_back = make_transform(rotation_about([0, 1, 0], 0.1), [-3, 0, 0])
    still = np.eye(4)
    rotation, direction = errors_of([T_back, None, T_true], [T_true, T_true, still])
    assert rotation == pytest.approx([0.1, np.inf, 0])
    assert direction == pytest.approx([np.pi, np.inf, np.nan], nan_ok=True)  # sign not folded


def test_no_pairs_have_no_numbers():
    metrics = summarise([], [])
    assert np.isnan([metrics.rotation_median, *metrics.auc.values()]).all()
    rotation, direction = errors_of([], [])
    assert len(rotation) == len(direction) == 0


def test_what_is_no_error_is_refused():
    with pytest.raises(ValueError, match="at least 0"):
        summarise([-0.1], [0.0])
    with pytest.raises(ValueError, match="2 rotations, 1 directions"):
        summarise([0.1, 0.2], [0.0])


@given(errors, thresholds, st.randoms())
def test_order_changes_nothing(errors, threshold, random):
    shuffled = random.sample(errors, len(errors))
    assert area_under_recall(shuffled, threshold) == area_under_recall(errors, threshold)


@given(errors, thresholds)
def test_area_is_that_of_steps_within_half_a_pair(errors, threshold):
    steps = np.maximum(0, 1 - np.array(errors) / threshold).mean()
    excess = area_under_recall(errors, threshold) - steps
    assert -1e-12 <= excess <= 0.5 / len(errors) + 1e-12


@given(errors, thresholds, thresholds)
def test_area_grows_with_the_threshold_and_is_bounded(errors, a, b):
    low, high = sorted((a, b))
    assert -1e-12 <= area_under_recall(errors, low) <= area_under_recall(errors, high) + 1e-12
    assert area_under_recall(errors, high) <= 1 + 1e-12


@given(errors, thresholds)
def test_a_failure_more_never_helps(errors, threshold):
    worse = area_under_recall([*errors, np.inf], threshold)
    assert worse <= area_under_recall(errors, threshold) + 1e-12
