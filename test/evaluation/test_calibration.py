# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where errors follow a line, it is found; coverage is that of the law they were drawn from."""

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
from geloc3r_ros.evaluation.calibration import (
    INSIDE,
    RADII,
    SIGMAS,
    BadSupport,
    Line,
    Observed,
    Spread,
    calibrate,
    coverage,
    fit_line,
    limits,
    nominal_levels,
)
from geloc3r_ros.evaluation.pair_list import ImagePair

LINE = Line(0.02, 0.8)
DIMENSIONS = {"rotation": 3, "translation": 2}


def drawn(part, count, seed, tails=False):
    """Errors as Gaussian vectors with the sigmas of LINE, or with the tails of Student's t."""
    rng = np.random.default_rng(seed)
    cycle = rng.lognormal(-3, 1, count)
    vectors = rng.normal(size=(count, DIMENSIONS[part])) * LINE(cycle)[:, None]
    if tails:
        vectors /= np.sqrt(rng.gamma(3, 1 / 3, count))[:, None]
    return Spread(cycle, np.linalg.norm(vectors, axis=1))


@pytest.mark.parametrize("part", DIMENSIONS)
def test_the_line_is_found_but_for_its_scale(part):
    line = fit_line(part, drawn(part, 20_000, 0))
    ratio = [line(np.array([c])) / LINE(np.array([c])) for c in (0.0, 0.05, 0.3)]
    assert ratio == pytest.approx(np.full((3, 1), np.mean(ratio)), rel=0.1)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_coverage_of_the_true_line_is_nominal(part):
    shares = coverage(LINE, drawn(part, 40_000, 1), RADII[part])
    for level, share in shares.items():
        assert share == pytest.approx(float(level), abs=0.01)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_levels_are_evenly_spread_where_sigmas_are_right(part):
    levels = np.sort(nominal_levels(part, LINE, drawn(part, 40_000, 2)))
    assert levels == pytest.approx(np.linspace(0, 1, 40_000), abs=0.015)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_with_long_tails_three_sigmas_hold_nearly_all(part):
    line = fit_line(part, drawn(part, 4000, 3, tails=True))
    other = drawn(part, 20_000, 4, tails=True)
    assert np.mean(other.error < SIGMAS * line(other.cycle)) == pytest.approx(INSIDE, abs=0.004)
    assert coverage(line, other, RADII[part])["0.5"] > 0.6  # more than asked for, nearer by


def test_sigmas_end_at_half_a_turn():
    assert Line(1.0, 2.0)(np.array([0.5, 3.0])).tolist() == [2.0, np.pi]


def test_too_few_pairs_are_refused():
    with pytest.raises(ConfigError, match="49 pairs are too few"):
        fit_line("rotation", drawn("rotation", 49, 0))


def test_half_of_the_places_are_fitted_and_the_others_checked():
    names = [f"{place}/{pair}" for place in range(301) for pair in range(4)]
    pairs = [
        ImagePair(name=name, images=(), K=None, T_a_b=np.eye(4), overlap=0.5) for name in names
    ]
    parts = [drawn(part, len(pairs), 5, tails=True) for part in DIMENSIONS]
    observed = [
        Observed(np.array([p.cycle[i] for p in parts]), np.array([p.error[i] for p in parts]))
        for i in range(len(pairs))
    ]
    stated, levels = calibrate(pairs, observed, [])
    assert (stated["pairs_fitted"], stated["pairs_checked"]) == (151 * 4, 150 * 4)
    for part, spread in zip(DIMENSIONS, parts, strict=True):
        checked = [i for i, name in enumerate(names) if int(name.split("/")[0]) % 2]
        others = Spread(spread.cycle[checked], spread.error[checked])
        line = Line(stated[part]["bias"], stated[part]["slope"])
        radii = list(stated[part]["radii"].values())
        assert stated["coverage"][part] == coverage(line, others, radii)
        for level, share in stated["coverage"][part].items():
            assert share == pytest.approx(float(level), abs=0.05)
        assert len(levels[part]) == len(checked)


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
        error = [3.0 if lost else p.error[i] for p in parts]
        certainty = 0.1 if lost else 0.5
        observed.append(
            Observed(np.array([p.cycle[i] for p in parts]), np.array(error), certainty, 0.2)
        )
    stated, _ = calibrate(pairs, observed, bad_supports())
    assert stated["limits"] == limits(bad_supports())
    assert stated["checked_with"] == pytest.approx({"rotation": 0.9, "translation": 0.9})
    assert stated["rotation"]["bias"] < 3 * LINE.bias
    assert stated["coverage"]["rotation"]["0.9"] == pytest.approx(0.9, abs=0.05)
