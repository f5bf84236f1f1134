# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Paths chain their steps; a failure breaks them; unknown lengths come from the truth."""

import numpy as np
import pytest

from geloc3r_ros.evaluation.paths import path_figures, path_of
from geloc3r_ros.evaluation.predictions import Prediction, Predictions
from geloc3r_ros.geometry import make_transform, rotation_about

STEPS = [
    make_transform(rotation_about([0.3, 1, 0.1 * i], 0.2), [0.1 * i, 0.2, 1.0]) for i in range(6)
]


def predictions(estimates, *, chained=True, scale_known=False):
    return Predictions.of(
        {},
        [
            Prediction(
                name=str(i),
                T_a_b=T,
                T_a_b_true=STEPS[i],
                stamps=(i, i + 1) if chained else (i, i),
                scale_known=scale_known,
            )
            for i, T in enumerate(estimates)
        ],
    )


def unit(T):
    return make_transform(T[:3, :3], T[:3, 3] / np.linalg.norm(T[:3, 3]))


def test_right_directions_chain_to_the_truth():
    path = path_of(predictions([unit(T) for T in STEPS]), chained=True)
    assert (path.kind, path.pieces, path.lengths_from_truth) == ("chained", 1, True)
    assert path.stamps.tolist() == list(range(7))
    assert path.true[2] == pytest.approx(STEPS[0] @ STEPS[1])
    assert path.estimated == pytest.approx(path.true)
    figures = path_figures(path, "none")
    assert figures["ape_m"]["max"] == pytest.approx(0, abs=1e-9)
    lengths = [np.linalg.norm(T[:3, 3]) for T in STEPS]
    assert figures["path_length_m"] == pytest.approx(sum(lengths))


def test_known_lengths_are_kept():
    doubled = [make_transform(T[:3, :3], 2 * T[:3, 3]) for T in STEPS]
    path = path_of(predictions(doubled, scale_known=True), chained=True)
    assert not path.lengths_from_truth
    assert path_figures(path, "sim3")["ape_m"]["max"] == pytest.approx(0, abs=1e-9)
    assert path_figures(path, "se3")["ape_m"]["rmse"] > 0.1


def test_a_failure_ends_a_piece():
    path = path_of(predictions([*map(unit, STEPS[:2]), None, *map(unit, STEPS[3:])]), chained=True)
    assert (path.pieces, path.stamps.tolist()) == (2, [3, 4, 5, 6])


def test_two_cameras_show_the_path_of_b():
    path = path_of(predictions([unit(T) for T in STEPS], chained=False), chained=False)
    assert (path.kind, path.stamps.tolist()) == ("seen from a", list(range(6)))
    assert path.true == pytest.approx(np.array(STEPS))
    assert path.estimated == pytest.approx(path.true)


def test_a_camera_that_stands_still_has_no_path():
    still = [
        Prediction(name=str(i), T_a_b=unit(STEPS[1]), T_a_b_true=STEPS[1], stamps=(i, i))
        for i in range(4)
    ]
    assert path_of(Predictions.of({}, still), chained=False) is None


def test_a_straight_line_has_no_alignment():
    line = [
        Prediction(name=str(i), T_a_b=T, T_a_b_true=T, stamps=(i, i), scale_known=True)
        for i, T in enumerate(make_transform(np.eye(3), [0, 0, i + 1.0]) for i in range(4))
    ]
    path = path_of(Predictions.of({}, line), chained=False)
    assert "4 positions determine no alignment" in path_figures(path, "se3")["failure"]
    assert path_figures(path, "none")["ape_m"]["max"] == 0


@pytest.mark.parametrize("chained", [True, False])
def test_too_little_is_no_path(chained):
    assert path_of(predictions([None, unit(STEPS[1])], chained=chained), chained) is None


def test_of_chains_side_by_side_the_longest_counts():
    """Each image against the one two before it: 0-2-4-6 and 1-3-5."""
    positions = [np.array([0.1 * i**2, 0, i]) for i in range(7)]
    true = [make_transform(np.eye(3), b - a) for a, b in zip(positions, positions[2:])]
    path = path_of(
        Predictions.of(
            {},
            [
                Prediction(name=str(i), T_a_b=unit(T), T_a_b_true=T, stamps=(i, i + 2))
                for i, T in enumerate(true)
            ],
        ),
        chained=True,
    )
    assert (path.pieces, path.stamps.tolist()) == (2, [0, 2, 4, 6])
    assert path.true[:, :3, 3] == pytest.approx(np.array(positions[::2]))
    assert path_figures(path, "none")["ape_m"]["max"] == pytest.approx(0, abs=1e-9)
