# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the numbers of both heads to an estimate, by numbers computed by hand."""

import numpy as np
import pytest

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.geometry import inverse, is_transform, make_transform, rotation_about
from geloc3r_ros.inference.pose import Calibration, Latency, pose_from_heads

LATENCY = Latency(preprocess=0.0, encode=0.0, decode=0.0, total=0.0)
CALIBRATION = Calibration(rotation=(0.02, 0.5, 0.0), translation=(0.1, 2.0, 0.0))

# Camera 2 stands 2 m to the right of camera 1 and looks left, towards -x of camera 1.
T_1_2 = make_transform([[0, 0, -1], [0, 1, 0], [1, 0, 0]], [2, 0, 0])


def raw(T, scale=1.0):
    """Write a transform as a head would: t, then the rows of R, of any length."""
    return np.concatenate([T[:3, 3], scale * T[:3, :3].ravel()])


def estimate(raw_2_1, raw_1_2, **more):
    arguments = {"calibration": CALIBRATION, "trained": True, "latency": LATENCY, **more}
    return pose_from_heads(raw_2_1, raw_1_2, **arguments)


def test_T_1_2_maps_points_of_camera_2_into_camera_1():
    found = estimate(raw(inverse(T_1_2)), raw(T_1_2, scale=3.0))
    ahead_of_camera_2 = np.array([0, 0, 1, 1])
    assert found.T_1_2 @ ahead_of_camera_2 == pytest.approx([0, 0, 0, 1])  # with unit baseline
    assert found.T_1_2[:3, 3] == pytest.approx([1, 0, 0])
    assert is_transform(found.T_1_2)
    assert (found.valid, found.translation_valid, found.reason) == (True, True, "")
    assert found.cycle_rotation_error == pytest.approx(0)
    assert found.cycle_translation_error == pytest.approx(0)


def test_the_cycle_errors_are_those_put_in():
    T_2_1 = inverse(T_1_2)
    off = make_transform(rotation_about([0, 1, 0], 0.03) @ T_2_1[:3, :3], T_2_1[:3, 3])
    assert estimate(raw(off), raw(T_1_2)).cycle_rotation_error == pytest.approx(0.03)
    off = make_transform(T_2_1[:3, :3], rotation_about([0, 1, 0], 0.2) @ T_2_1[:3, 3])
    found = estimate(raw(off), raw(T_1_2))
    assert found.cycle_rotation_error == pytest.approx(0, abs=1e-12)
    assert found.cycle_translation_error == pytest.approx(0.2)
    assert found.T_1_2[:3, 3] == pytest.approx([1, 0, 0])  # the other head does not move it


def test_the_covariance_is_that_of_a_direction():
    T_2_1 = inverse(T_1_2)
    off = make_transform(
        rotation_about([0, 1, 0], 0.04) @ T_2_1[:3, :3],
        rotation_about([0, 1, 0], 0.2) @ T_2_1[:3, 3],
    )
    C = estimate(raw(off), raw(T_1_2)).covariance
    sigma_direction, sigma_rotation = 0.1 + 2.0 * 0.2, 0.02 + 0.5 * 0.04
    expected = [1e-6, sigma_direction**2, sigma_direction**2, *[sigma_rotation**2] * 3]
    assert pytest.approx(np.diag(expected), abs=1e-12) == C  # the direction is x


def test_sigmas_end_at_half_a_turn():
    C = CALIBRATION.covariance(np.array([0, 0, 1.0]), 100.0, 100.0)
    assert np.diag(C) == pytest.approx([np.pi**2, np.pi**2, 1e-6, *[np.pi**2] * 3])


@pytest.mark.parametrize("head", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_give_no_pose(head, value):
    raws = [raw(inverse(T_1_2)), raw(T_1_2)]
    raws[head][5] = value
    found = estimate(*raws)
    assert not found.valid
    assert not found.translation_valid
    assert "not finite" in found.reason
    assert np.array_equal(found.T_1_2, np.eye(4))
    assert np.linalg.eigvalsh(found.covariance).min() > 1


@pytest.mark.parametrize("head", [0, 1])
def test_a_translation_without_length_has_no_direction(head):
    raws = [raw(inverse(T_1_2)), raw(T_1_2)]
    raws[head][:3] = 0.0
    found = estimate(*raws)
    assert found.valid
    assert not found.translation_valid
    assert "without direction" in found.reason
    assert np.array_equal(found.T_1_2[:3, 3], [0, 0, 0])
    assert found.T_1_2[:3, :3] == pytest.approx(T_1_2[:3, :3])
    assert np.linalg.eigvalsh(found.covariance[:3, :3]).min() > 1


def test_identical_images_have_no_direction():
    found = estimate(raw(inverse(T_1_2)), raw(T_1_2), identical=True)
    assert found.valid
    assert not found.translation_valid
    assert "same" in found.reason
    assert np.linalg.eigvalsh(found.covariance[:3, :3]).min() > 1


LIMITED = Calibration((0.02, 0.5, 0.0), (0.1, 2.0, 0.0), least_certainty=0.25, most_ambiguity=0.3)


NO_NOISE = [0.0, *np.eye(6)[np.triu_indices(6)]]
"""Noise and information of matches that leave nothing open."""


def borne_out(certainty, ambiguity):
    """Raw numbers of both heads: matches as certain, normals as ambiguous as said."""
    numbers = [certainty, 0.04 * ambiguity**2, 0, 0, 0.04, 0, 0.09, *NO_NOISE]
    return [np.concatenate([raw(T), numbers, raw(T)]) for T in (inverse(T_1_2), T_1_2)]


def test_certain_matches_of_one_direction_give_a_pose():
    found = estimate(*borne_out(0.5, 0.2), calibration=LIMITED)
    assert (found.valid, found.translation_valid, found.reason) == (True, True, "")
    assert (found.certainty, found.ambiguity) == pytest.approx((0.5, 0.2))


@pytest.mark.parametrize("side", [1, 2])
def test_what_each_side_found_alone_is_the_cycle_error_and_nothing_else(side):
    raws = borne_out(0.5, 0.2)
    # By one of the sides alone camera 2 is turned by 0.2 about y of camera 1, where it stands.
    other = make_transform(rotation_about([0, 1, 0], 0.2) @ T_1_2[:3, :3], T_1_2[:3, 3])
    raws[side - 1][41:] = raw(inverse(other) if side == 1 else other)
    found = estimate(*raws)
    assert found.T_1_2[:3, :3] == pytest.approx(T_1_2[:3, :3])
    assert found.T_1_2[:3, 3] == pytest.approx([1, 0, 0])
    assert found.cycle_rotation_error == pytest.approx(0.2)
    assert found.cycle_translation_error == pytest.approx(0.2)


def noisy(noise, information):
    """Raw numbers of both heads, whose matches tie down the pose as said, side 1 as asked."""
    raw_2_1, raw_1_2 = borne_out(0.5, 0.2)
    raw_2_1[19:41] = noise, *np.array(information)[np.triu_indices(6)]
    return raw_2_1, raw_1_2


def test_what_the_matches_leave_open_by_hand():
    # The direction is x: what is known along it says nothing.
    information = np.diag([4, 1, 0.25, 99, 2, 5])  # on a turn, on a shift of the direction
    found = estimate(*noisy(0.01, information))
    expected = np.diag([0, 0.005, 0.002, 0.0025, 0.01, 0.04])
    assert found.left_open == pytest.approx(expected, rel=0.02, abs=1e-12)


def test_a_turn_that_a_shift_undoes_is_open_with_it():
    information = np.eye(6)
    information[1, 5] = information[5, 1] = 0.9  # turn about y, shift along z
    open_ones = estimate(*noisy(0.001, information)).left_open
    assert open_ones[4, 4] == pytest.approx(0.001 / 0.19, rel=0.01)
    assert open_ones[4, 2] == pytest.approx(-0.001 * 0.9 / 0.19, rel=0.01)


def test_what_is_left_open_widens_the_covariance():
    calibration = Calibration((0.02, 0.0, 2.0), (0.1, 0.0, 3.0))
    raws = noisy(0.01, np.diag([4, 1, 0.25, 99, 2, 5]))
    C = estimate(*raws, calibration=calibration).covariance
    expected = [
        1e-6, 0.01 + 9 * 0.005, 0.01 + 9 * 0.002,
        4e-4 + 4 * 0.0025, 4e-4 + 4 * 0.01, 4e-4 + 4 * 0.04,
    ]  # fmt: skip
    assert pytest.approx(np.diag(expected), rel=0.02, abs=1e-12) == C


def test_a_rotation_without_direction_stays_as_open_as_its_matches():
    calibration = Calibration((0.02, 0.0, 2.0), (0.1, 0.0, 3.0))
    raws = noisy(0.01, np.diag([4, 1, 0.25, 99, 2, 5]))
    C = estimate(*raws, calibration=calibration, identical=True).covariance
    assert np.diag(C)[3:] == pytest.approx([4e-4 + 0.01, 4e-4 + 0.04, 4e-4 + 0.16], rel=0.02)


def test_nothing_is_more_open_than_half_a_turn():
    open_ones = estimate(*noisy(1.0, np.zeros((6, 6)))).left_open
    assert np.linalg.eigvalsh(open_ones).max() == pytest.approx(np.pi**2, rel=1e-3)


def test_information_that_rounding_took_below_0_leaves_no_negative_variance():
    information = np.diag([4, 1, 0.25, 99, -1e-4, 5])
    found = estimate(*noisy(1e-6, information))
    assert np.linalg.eigvalsh(found.covariance).min() >= 0
    assert np.linalg.eigvalsh(found.left_open).max() == pytest.approx(np.pi**2, rel=1e-3)


def test_what_is_unknown_is_open_whatever_the_slope():
    calibration = Calibration((0.02, 0.0, 2.0), (0.1, 0.0, 3.0))
    C = calibration.covariance(np.zeros(3), np.pi, 0.0)
    assert pytest.approx(np.pi**2 * np.eye(6)) == C


def test_uncertain_matches_give_no_pose():
    found = estimate(*borne_out(0.1, 0.2), calibration=LIMITED)
    assert (found.valid, found.translation_valid) == (False, False)
    assert "do not match (certainty 0.100, at least 0.250" in found.reason
    assert np.linalg.eigvalsh(found.covariance).min() > 1


def test_ambiguous_matches_give_no_direction():
    found = estimate(*borne_out(0.5, 0.6), calibration=LIMITED)
    assert (found.valid, found.translation_valid) == (True, False)
    assert "another one explains the matches nearly as well (ambiguity 0.600" in found.reason
    assert np.diag(found.covariance)[3:] == pytest.approx([0.02**2] * 3)
    assert np.linalg.eigvalsh(found.covariance[:3, :3]).min() > 1


def test_limits_do_not_bind_where_nothing_was_measured():
    found = estimate(*borne_out(0.01, 0.99))
    assert (found.valid, found.translation_valid) == (True, True)


def test_networks_that_do_not_match_tell_neither():
    found = estimate(raw(inverse(T_1_2)), raw(T_1_2), calibration=LIMITED)
    assert (found.certainty, found.ambiguity, found.valid) == (None, None, True)


def test_a_note_is_passed_on_behind_what_is_worse():
    both = raw(inverse(T_1_2)), raw(T_1_2)
    assert estimate(*both, note="a tight crop").reason == "a tight crop"
    reason = estimate(*both, note="a tight crop", identical=True).reason
    assert reason.startswith("both images are the same")
    assert reason.endswith("; a tight crop")


def test_the_calibration_of_weights_is_used():
    lines = {"rotation": {"bias": 0.02, "slope": 0.5}, "translation": {"bias": 0.1, "slope": 2}}
    assert Calibration.of_weights(lines, trained=True) == CALIBRATION
    lines["limits"] = {"certainty": 0.25, "ambiguity": 0.3}
    assert Calibration.of_weights(lines, trained=True) == LIMITED
    lines["rotation"]["gain"] = 3
    assert Calibration.of_weights(lines, trained=True).rotation == (0.02, 0.5, 3)


def test_without_calibration_sigmas_are_cautious():
    trained = Calibration.of_weights(None, trained=True)
    assert np.degrees(trained.rotation[0]) == pytest.approx(5)
    assert np.degrees(trained.translation[0]) == pytest.approx(15)
    untrained = Calibration.of_weights(None, trained=False)
    assert untrained.rotation == untrained.translation == (np.pi, 0, 0)


GOOD = {part: {"bias": 0.1, "slope": 1} for part in ("rotation", "translation")}


@pytest.mark.parametrize(
    "calibration",
    [
        {},
        {"rotation": {"bias": 0.1}, "translation": {"bias": 0.1, "slope": 1}},
        {"rotation": {"bias": 0.0, "slope": 1}, "translation": {"bias": 0.1, "slope": 1}},
        {"rotation": {"bias": 0.1, "slope": -1}, "translation": {"bias": 0.1, "slope": 1}},
        {"rotation": {"bias": "x", "slope": 1}, "translation": {"bias": 0.1, "slope": 1}},
        {"rotation": {"bias": 0.1, "slope": 1, "gain": -1}, "translation": GOOD["translation"]},
        {"rotation": [0.1, 1], "translation": [0.1, 1]},
        {**GOOD, "limits": {"certainty": 0.2}},
        {**GOOD, "limits": {"certainty": -0.1, "ambiguity": 0.3}},
        {**GOOD, "limits": {"certainty": 0.2, "ambiguity": np.nan}},
        {**GOOD, "limits": 0.2},
    ],
)
def test_a_calibration_that_cannot_be_is_refused(calibration):
    with pytest.raises(WeightsError, match="calibration of these weights"):
        Calibration.of_weights(calibration, trained=True)
