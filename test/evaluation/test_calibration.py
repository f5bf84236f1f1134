# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where errors follow a line, it is found; coverage is that of the law they were drawn from."""

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.calibration import (
    Line,
    Spread,
    calibrate,
    coverage,
    fit_line,
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
def test_the_line_is_found(part):
    line = fit_line(part, drawn(part, 20_000, 0))
    for cycle in (0.0, 0.05, 0.3):
        assert line(np.array([cycle])) == pytest.approx(LINE(np.array([cycle])), rel=0.1)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_coverage_of_the_true_line_is_nominal(part):
    shares = coverage(part, LINE, drawn(part, 40_000, 1))
    for level, share in shares.items():
        assert share == pytest.approx(level, abs=0.01)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_levels_are_evenly_spread_where_sigmas_are_right(part):
    levels = np.sort(nominal_levels(part, LINE, drawn(part, 40_000, 2)))
    assert levels == pytest.approx(np.linspace(0, 1, 40_000), abs=0.015)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_long_tails_stay_within_five_points(part):
    line = fit_line(part, drawn(part, 4000, 3, tails=True))
    for level, share in coverage(part, line, drawn(part, 20_000, 4, tails=True)).items():
        assert share == pytest.approx(level, abs=0.05)


def test_sigmas_end_at_half_a_turn():
    assert Line(1.0, 2.0)(np.array([0.5, 3.0])).tolist() == [2.0, np.pi]


def test_too_few_pairs_are_refused():
    with pytest.raises(ConfigError, match="199 pairs are too few"):
        fit_line("rotation", drawn("rotation", 199, 0))


def test_half_of_the_places_are_fitted_and_the_others_checked():
    names = [f"{place}/{pair}" for place in range(301) for pair in range(4)]
    pairs = [
        ImagePair(name=name, images=(), K=None, T_a_b=np.eye(4), overlap=0.5) for name in names
    ]
    parts = [drawn(part, len(pairs), 5) for part in DIMENSIONS]
    observed = [
        (np.array([p.cycle[i] for p in parts]), np.array([p.error[i] for p in parts]))
        for i in range(len(pairs))
    ]
    stated, levels = calibrate(pairs, observed)
    assert (stated["pairs_fitted"], stated["pairs_checked"]) == (151 * 4, 150 * 4)
    checked = [i for i, name in enumerate(names) if int(name.split("/")[0]) % 2]
    for part, spread in zip(DIMENSIONS, parts, strict=True):
        line = Line(**stated[part])
        assert stated["coverage"][part]["0.9"] == pytest.approx(
            coverage(part, line, Spread(spread.cycle[checked], spread.error[checked]))[0.9]
        )
        assert len(levels[part]) == len(checked)
