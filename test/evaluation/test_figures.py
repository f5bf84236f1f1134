# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers of a report from predictions whose errors are known by hand."""

import json

import numpy as np
import pytest

from geloc3r_ros.evaluation.figures import errors, figures, missing, percentiles
from geloc3r_ros.evaluation.predictions import Prediction, Predictions
from geloc3r_ros.geometry import make_transform, rotation_about


def posed(turn, tilt, baseline=1.0):
    """Turned about the vertical, its translation tilted from straight ahead, in degrees."""
    t = [baseline * np.sin(np.radians(tilt)), 0, baseline * np.cos(np.radians(tilt))]
    return make_transform(rotation_about([0, 1, 0], np.radians(turn)), t)


def prediction(name, T_a_b, T_a_b_true, **more):
    return Prediction(name=name, T_a_b=T_a_b, T_a_b_true=T_a_b_true, **more)


PREDICTIONS = Predictions.of(
    {"method": "test"},
    [
        prediction("good", posed(21, 2), posed(20, 0, 2.0), seconds=0.1, overlap=0.9),
        prediction("bad", posed(47, 0), posed(40, 0, 4.0), seconds=0.3, overlap=0.1),
        prediction("failed", None, posed(5, 0, 6.0)),
        prediction("no direction", make_transform(np.eye(3), [0, 0, 0]), posed(3, 0, 8.0)),
        prediction("still", posed(53, 80), posed(50, 0, 0.0)),
        prediction("no truth", posed(0, 0), None),
    ],
)


def test_errors_by_hand():
    e = errors(PREDICTIONS)
    assert [PREDICTIONS.names[i] for i in e.index] == PREDICTIONS.names[:5]
    assert np.degrees(e.rotation) == pytest.approx([1, 7, np.inf, 3, 3])
    assert np.degrees(e.direction) == pytest.approx([2, 0, np.inf, np.inf, np.nan], nan_ok=True)
    assert np.degrees(e.pose) == pytest.approx([2, 7, np.inf, np.inf, 3])
    assert e.moved.tolist() == [True, True, True, True, False]


def test_figures_by_hand():
    said = figures(PREDICTIONS)
    assert (said["pairs"], said["failures"]) == (4, 2)
    assert (said["still_pairs"], said["without_truth"]) == (1, 1)
    assert said["still_rotation_median_deg"] == pytest.approx(3)
    # One of four below 5 degrees: 0 to 1/4 in a line up to 2, then level.
    assert said["auc"]["5"] == pytest.approx((2 * 0.125 + 3 * 0.25) / 5)
    assert said["latency_ms"] == pytest.approx({"p50": 200, "p95": 290, "max": 300})
    assert said["trained"] is True
    assert said["covariance"] is None


def test_covariances_of_directions_are_judged_where_the_camera_moved():
    covariance = np.diag([4.0, 4.0, 4.0, 1.0, 1.0, 1.0]) * np.radians(1) ** 2
    still = posed(50, 0, 1e-4)  # what is left of 0 in a recording, and points anywhere
    said = figures(
        Predictions.of(
            {"method": "test"},
            [
                prediction("moved", posed(21, 2), posed(20, 0, 2.0), covariance=covariance),
                prediction("still", posed(53, 80), still, covariance=covariance),
            ],
        )
    )["covariance"]
    # One degree and three of rotation at a sigma of one; two of direction at a sigma of two.
    assert said["rotation"]["nees_mean"] == pytest.approx((1 + 9) / 2)
    assert said["direction"]["nees_mean"] == pytest.approx(1)


def test_breakdowns_share_out_all_pairs():
    parts = figures(PREDICTIONS)["breakdown"]
    rotation = {(part["from"], part["to"]): part for part in parts["rotation_deg"]}
    assert {k: p["pairs"] + p["still_pairs"] for k, p in rotation.items()} == {
        (0, 10): 2,
        (10, 30): 1,
        (30, 60): 2,
    }
    assert rotation[10, 30]["rotation_median_deg"] == pytest.approx(1)
    assert [(p["from"], p["pairs"]) for p in parts["overlap"]] == [(0.0, 1), (0.8, 1)]
    assert sum(p["pairs"] + p["still_pairs"] for p in parts["baseline"]) == 5


def test_figures_are_json():
    empty = Predictions.of({}, [])
    for predictions in (PREDICTIONS, empty):
        json.dumps(figures(predictions), allow_nan=False)
    assert figures(empty)["auc"] == {"5": None, "10": None, "20": None}


def test_percentiles_leave_the_unknown_out():
    assert percentiles(np.array([np.nan, 1, 2, 3])) == {"p50": 2, "p95": 2.9, "max": 3}
    assert percentiles(np.array([np.nan])) is None


def test_what_is_missing_in_a_rhythm():
    assert missing(np.array([100.0, 100, 310, 95])) == 2
    assert missing(np.array([])) == 0


def test_reasons_that_differ_in_numbers_are_one():
    reasons = ["no image", "no pose from 7 matches", "no pose from 12 matches"]
    failed = [
        prediction(reason, None, posed(5, 0), reason=reason) for reason in [*reasons, "no image "]
    ]
    said = figures(Predictions.of({}, [prediction("good", posed(5, 1), posed(5, 0)), *failed]))
    assert (said["pairs"], said["failures"]) == (5, 4)
    assert said["commonest_failure"] == {"reason": "no pose from 7 matches", "pairs": 2}
    assert figures(PREDICTIONS)["commonest_failure"] == {
        "reason": "no reason is known",
        "pairs": 2,
    }
    fine = Predictions.of({}, [prediction("good", posed(5, 1), posed(5, 0))])
    assert figures(fine)["commonest_failure"] is None
