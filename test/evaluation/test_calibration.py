# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where errors follow a line, it is found; coverage is that of the law they were drawn from."""

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.calibration import (
    RADII,
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
    shares = coverage(LINE, drawn(part, 40_000, 1), RADII[part])
    for level, share in shares.items():
        assert share == pytest.approx(float(level), abs=0.01)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_levels_are_evenly_spread_where_sigmas_are_right(part):
    levels = np.sort(nominal_levels(part, LINE, drawn(part, 40_000, 2)))
    assert levels == pytest.approx(np.linspace(0, 1, 40_000), abs=0.015)


@pytest.mark.parametrize("part", DIMENSIONS)
def test_with_long_tails_the_covariance_is_right_at_ninety_per_cent(part):
    line = fit_line(part, drawn(part, 4000, 3, tails=True))
    shares = coverage(line, drawn(part, 20_000, 4, tails=True), RADII[part])
    assert shares["0.9"] == pytest.approx(0.9, abs=0.02)
    assert shares["0.5"] > 0.52
    assert shares["0.99"] < 0.985


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
        (np.array([p.cycle[i] for p in parts]), np.array([p.error[i] for p in parts]))
        for i in range(len(pairs))
    ]
    stated, levels = calibrate(pairs, observed)
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
