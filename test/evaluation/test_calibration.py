# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where errors follow a law, it is found; coverage is that of the law they were drawn from."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
from geloc3r_ros.evaluation.calibration import (
    INSIDE,
    RADII,
    SIGMAS,
    BadSupport,
    Observed,
    Part,
    Spread,
    Width,
    calibrate,
    check_pairs,
    compared,
    coverage,
    fit,
    limits,
    nominal_levels,
)
from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.geometry import make_transform, rotation_about
from geloc3r_ros.inference import PoseEstimate
from geloc3r_ros.inference.pose import Latency

WIDTH = Width(0.02, 0.8, 2.0)
DIMENSIONS = {"rotation": 3, "translation": 2}


def drawn(part, count, seed, tails=False):
    """Errors as Gaussian vectors with the variances of WIDTH, or with the tails of Student's t."""
    rng = np.random.default_rng(seed)
    shape = count, DIMENSIONS[part]
    open_ones = rng.lognormal(-7, 1.5, shape)
    spread = Spread(rng.lognormal(-3, 1, count), np.zeros(shape), open_ones)
    vectors = rng.normal(size=shape) * np.sqrt(WIDTH.variances(spread))
    if tails:
        vectors /= np.sqrt(rng.gamma(3, 1 / 3, count))[:, None]
    return Spread(spread.cycle, vectors, open_ones)


def test_variances_by_hand():
    spread = Spread(np.array([0.1]), np.array([[0.3, 0.0]]), np.array([[0.01, 0.04]]))
    width = Width(0.1, 2.0, 3.0)  # (0.1 + 0.2)^2 + 9 x 0.01, and + 9 x 0.04
    assert width.variances(spread)[0] == pytest.approx([0.18, 0.45])
    assert width.sigmas(spread) == pytest.approx([0.3 / np.sqrt(0.18)])


@pytest.mark.parametrize("tails", [False, True])
@pytest.mark.parametrize("part", DIMENSIONS)
def test_three_sigmas_hold_nearly_all(part, tails):
    width = fit(part, drawn(part, 4000, 3, tails))
    other = drawn(part, 20_000, 4, tails)
    assert np.mean(width.sigmas(other) < SIGMAS) == pytest.approx(INSIDE, abs=0.004)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_what_is_left_open_makes_it_narrower(part):
    spread = drawn(part, 4000, 0)
    without = Spread(spread.cycle, spread.error, np.zeros_like(spread.left_open))
    widths = fit(part, spread), fit(part, without)
    room = [np.log(w.variances(spread)).sum(1).mean() for w in widths]
    assert room[0] < room[1] - 0.5


@pytest.mark.parametrize("part", DIMENSIONS)
def test_without_matches_there_is_a_line(part):
    spread = drawn(part, 4000, 0)
    found = fit(part, Spread(spread.cycle, spread.error, np.zeros_like(spread.left_open)))
    assert found.gain == 0


@pytest.mark.parametrize("part", DIMENSIONS)
def test_coverage_of_the_true_law_is_nominal(part):
    shares = coverage(WIDTH, drawn(part, 40_000, 1), RADII[part])
    for level, share in shares.items():
        assert share == pytest.approx(float(level), abs=0.01)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_levels_are_evenly_spread_where_sigmas_are_right(part):
    levels = np.sort(nominal_levels(part, WIDTH, drawn(part, 40_000, 2)))
    assert levels == pytest.approx(np.linspace(0, 1, 40_000), abs=0.015)


def test_no_pose_is_surer_than_a_tenth_of_the_usual_error():
    spread = Spread(np.ones(100), np.full((100, 3), 0.1), np.zeros((100, 3)))
    assert fit("rotation", spread).bias >= 0.1 * 0.1 * np.sqrt(3) * 0.999


def test_the_line_ends_at_half_a_turn():
    spread = Spread(np.array([0.5, 3.0]), np.zeros((2, 1)), np.zeros((2, 1)))
    variances = Width(1.0, 2.0, 1.0).variances(spread)
    assert variances == pytest.approx(np.array([[4.0], [np.pi**2]]))


def estimate(T_1_2, left_open):
    return PoseEstimate(
        T_1_2=T_1_2, cycle_rotation_error=0.1, cycle_translation_error=0.2,
        covariance=np.eye(6), left_open=left_open, certainty=0.5, ambiguity=0.1, valid=True,
        translation_valid=True, reason="", trained=True, latency=Latency(
            preprocess=0, encode=0, decode=0, total=0
        ),
    )  # fmt: skip


def test_errors_are_told_in_the_axes_of_what_is_left_open():
    # Looking along z; the truth is turned by 0.3 about x and lies 0.2 towards y of the estimate.
    left_open = np.diag([0.04, 0.01, 0.0, 0.5, 0.2, 0.1])
    T_true = make_transform(rotation_about([1, 0, 0], 0.3), [0, np.sin(0.2), np.cos(0.2)])
    found = compared(estimate(make_transform(np.eye(3), [0, 0, 1]), left_open), T_true)
    assert found.rotation.cycle == 0.1
    assert found.rotation.left_open == pytest.approx([0.1, 0.2, 0.5])
    assert np.abs(found.rotation.error) == pytest.approx([0, 0, 0.3])
    assert found.translation.left_open == pytest.approx([0.01, 0.04])
    assert np.abs(found.translation.error) == pytest.approx([0.2, 0])
    assert (found.certainty, found.ambiguity) == (0.5, 0.1)


def test_an_estimate_without_matches_leaves_open_nothing_that_is_known():
    T = make_transform(np.eye(3), [0, 0, 1])
    found = compared(estimate(T, None), T)
    assert not found.rotation.left_open.any()
    assert not found.translation.left_open.any()


def test_too_few_pairs_are_refused():
    with pytest.raises(ConfigError, match="49 pairs are too few to calibrate rotation; give 50"):
        fit("rotation", drawn("rotation", 49, 0))


def test_half_of_the_places_are_fitted_and_the_others_checked():
    names = [f"{place}/{pair}" for place in range(301) for pair in range(4)]
    pairs = [
        ImagePair(name=name, images=(), K=None, T_a_b=np.eye(4), overlap=0.5) for name in names
    ]
    parts = [drawn(part, len(pairs), 5, tails=True) for part in DIMENSIONS]
    observed = [Observed(*(part_of(p, i) for p in parts)) for i in range(len(pairs))]
    stated, levels = calibrate(pairs, observed, [])
    assert (stated["pairs_fitted"], stated["pairs_checked"]) == (151 * 4, 150 * 4)
    for part, spread in zip(DIMENSIONS, parts, strict=True):
        others = spread.of(np.array([int(name.split("/")[0]) % 2 == 1 for name in names]))
        width = Width(*(stated[part][key] for key in ("bias", "slope", "gain")))
        radii = list(stated[part]["radii"].values())
        assert stated["coverage"][part] == coverage(width, others, radii)
        assert stated["coverage_of_covariance"][part] == coverage(width, others, RADII[part])
        for level, share in stated["coverage"][part].items():
            assert share == pytest.approx(float(level), abs=0.05)
        assert len(levels[part]) == 150 * 4


def part_of(spread, i):
    return Part(spread.cycle[i], spread.error[i], spread.left_open[i])


def bad_supports():
    """100 of each kind: certainties up to 0.19 or 0.99, ambiguities from 0.4 or from 0."""
    ramp = np.linspace(0, 0.99, 100)
    return [
        *(BadSupport(kind, 0.1 + 0.09 * x, x) for kind in NO_POSE for x in ramp),
        *(BadSupport(kind, x, 0.4 + 0.5 * x) for kind in NO_DIRECTION for x in ramp),
    ]


def test_limits_lie_where_nearly_all_bad_inputs_are_beyond():
    found = limits(bad_supports())
    assert found["certainty"] == pytest.approx(0.1 + 0.09 * 0.98 * 0.99)
    assert found["ambiguity"] == pytest.approx(0.4 + 0.5 * 0.02 * 0.99)


def test_refused_pairs_do_not_widen_the_sigmas():
    names = [f"{place}/{pair}" for place in range(200) for pair in range(4)]
    pairs = [
        ImagePair(name=name, images=(), K=None, T_a_b=np.eye(4), overlap=0.5) for name in names
    ]
    parts = [drawn(part, len(pairs), 6) for part in DIMENSIONS]
    observed = []
    for i in range(len(pairs)):
        lost = i % 10 == 0  # off by anything, and the matches know it
        of_pair = [part_of(p, i) for p in parts]
        if lost:
            of_pair = [part._replace(error=np.full_like(part.error, 2.0)) for part in of_pair]
        observed.append(Observed(*of_pair, 0.1 if lost else 0.5, 0.2))
    stated, _ = calibrate(pairs, observed, bad_supports())
    assert stated["limits"] == limits(bad_supports())
    assert stated["checked_with"] == pytest.approx({"rotation": 0.9, "translation": 0.9})
    assert stated["rotation"]["bias"] < 4 * WIDTH.bias
    assert stated["coverage"]["rotation"]["0.9"] == pytest.approx(0.9, abs=0.05)


def listed(places, count):
    images, T = (Path("a"), Path("b")), make_transform(np.eye(3), [0.1, 0, 0])
    return [
        ImagePair(name=f"{i % places}/{i}", images=images, K=None, T_a_b=T, overlap=1.0)
        for i in range(count)
    ]


def test_pairs_are_counted_before_anything_is_asked():
    check_pairs(listed(3, 90))
    with pytest.raises(ConfigError, match=r"the pairs are of 2 places .* give 3 or more"):
        check_pairs(listed(2, 200))
    with pytest.raises(ConfigError, match=r"40 of 80 pairs are to fit .* give 50 or more"):
        check_pairs(listed(4, 80))
    still = dataclasses.replace(listed(3, 90)[7], T_a_b=np.eye(4))
    with pytest.raises(ConfigError, match=r"1 pairs have no direction .* the first: 1/7; leave"):
        check_pairs([*listed(3, 90), still])
