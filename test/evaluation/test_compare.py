# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparing runs: no difference where there is none, and the better one where there is."""

import warnings

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.compare import Row, compare, paired_errors, read_errors
from geloc3r_ros.evaluation.predictions import Prediction, Predictions
from geloc3r_ros.evaluation.results import write_errors
from geloc3r_ros.geometry import make_transform, rotation_about

T_TRUE = make_transform(rotation_about([0, 1, 0], 0.3), [0, 0, 2.0])


def run(folder, degrees, T_true=T_TRUE):
    """Write a run whose pairs are off by these degrees in rotation, none where it is None."""
    folder.mkdir(parents=True)
    estimates = [
        None
        if d is None
        else make_transform(rotation_about([1, 0, 0], np.radians(d)) @ T_true[:3, :3], [0, 0, 1])
        for d in degrees
    ]
    predictions = [
        Prediction(name=f"pair {i}", T_a_b=T, T_a_b_true=T_true) for i, T in enumerate(estimates)
    ]
    write_errors(folder, Predictions.of({}, predictions))
    return folder


def errors(rng, sigma, count=200):
    rotation = np.abs(rng.normal(0, sigma, count))
    return np.array([rotation, rotation, np.zeros(count)])


def test_a_run_does_not_differ_from_itself():
    same = errors(np.random.default_rng(0), 5)
    for found in compare(same, same, resamples=50):
        assert (found.difference, found.low, found.high, found.better) == (0, 0, 0, "")


def test_the_better_run_is_found():
    rng = np.random.default_rng(0)
    found = {d.metric: d for d in compare(errors(rng, 8), errors(rng, 4), resamples=200)}
    for metric in ("AUC@5", "AUC@10", "AUC@20", "rotation (°)"):
        assert found[metric].better == "B", metric
        assert found[metric].low <= found[metric].difference <= found[metric].high
    assert found["AUC@5"].low > 0 > found["rotation (°)"].high
    assert found["direction (°)"].better == ""


@pytest.mark.parametrize("worse", ["A", "B"])
def test_a_run_that_often_fails_is_worse_without_doubt(worse):
    rng = np.random.default_rng(0)
    good, bad = errors(rng, 4, 40), errors(rng, 4, 40)
    bad[:, :30] = np.inf
    given = (bad, good) if worse == "A" else (good, bad)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {d.metric: d for d in compare(*given, resamples=200)}
    assert all(d.better and d.better != worse for d in found.values())
    assert not any(np.isnan(d[1:]).any() for d in found.values())
    rotation = found["rotation (°)"]
    assert abs(rotation.difference) == abs(rotation.low) == abs(rotation.high) == np.inf


def test_two_runs_that_fail_alike_do_not_differ():
    failed = np.full((3, 40), np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(failed, failed, resamples=50)
    assert {(d.difference, d.low, d.high, d.better) for d in found} == {(0, 0, 0, "")}


def test_intervals_hold_the_true_difference_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held, trials = 0, 60
    for _ in range(trials):
        (found,) = (
            d
            for d in compare(errors(rng, 5, 80), errors(rng, 5, 80), resamples=200)
            if d.metric == "AUC@10"
        )
        held += found.low <= 0 <= found.high
    assert 0.87 * trials <= held


def test_runs_meet_by_the_names_of_their_pairs(tmp_path):
    a = read_errors(run(tmp_path / "a", [1, 2, None, 4]))
    b = read_errors(run(tmp_path / "b" / "sift", [2, 3, 5]).parent)
    errors_a, errors_b = paired_errors(a, b)
    assert errors_a[0] == pytest.approx([1, 2, np.inf])
    assert errors_b[0] == pytest.approx([2, 3, 5])
    assert set(a) == {f"pair {i}" for i in range(4)}
    assert a["pair 0"] == Row(*map(pytest.approx, (1, 1, 0, np.degrees(0.3), 2)))


def test_what_cannot_be_compared_is_said(tmp_path):
    a = run(tmp_path / "a", [1, 2])
    other = run(tmp_path / "other", [1, 2], make_transform(np.eye(3), [0, 0, 1]))
    with pytest.raises(ConfigError, match="disagree about the truth"):
        paired_errors(read_errors(a), read_errors(other))
    with pytest.raises(ConfigError, match="no moving pair in common, of 2 and 0"):
        paired_errors(read_errors(a), {})
    with pytest.raises(ConfigError, match=r"name the run of one method; there are .*a, .*other"):
        read_errors(tmp_path)
    (a / "errors.csv").write_text("pair,direction_error_deg\nx,1\n")
    with pytest.raises(ConfigError, match="is no table of errors"):
        read_errors(a)
