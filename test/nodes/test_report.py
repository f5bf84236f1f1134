# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gates, scale and frames of an estimate, by hand-computed numbers, up to the TF that is sent."""

from dataclasses import replace

import numpy as np
import pytest
from builtin_interfaces.msg import Time

from geloc3r_ros import geometry as g
from geloc3r_ros.errors import ConfigError
from geloc3r_ros.inference.pose import Latency, PoseEstimate
from geloc3r_ros.nodes.outputs import Place, transform_stamped
from geloc3r_ros.nodes.parameters import Settings
from geloc3r_ros.nodes.poses import transform_from_message
from geloc3r_ros.nodes.report import (
    Report,
    as_rectified,
    assess,
    in_base_frames,
    with_scale,
)

# Camera b stands to the right of camera a and is turned by 0.1 rad about a's y (down) axis.
T_A_B = g.make_transform(g.rotation_about([0, 1, 0], 0.1), [1, 0, 0])
COVARIANCE = np.diag([1e-6, 0.04, 0.04, 0.01, 0.01, 0.01])
ESTIMATE = PoseEstimate(
    T_1_2=T_A_B,
    cycle_rotation_error=0.1,
    cycle_translation_error=0.2,
    covariance=COVARIANCE,
    valid=True,
    translation_valid=True,
    reason="",
    trained=True,
    latency=Latency(preprocess=0.0, encode=0.0, decode=0.0, total=0.0),
)
REPORT = assess(ESTIMATE, Settings())
PLACE = Place(Time(sec=7, nanosec=8), Time(sec=7, nanosec=9), "left_optical", "right_optical")


def assert_without_translation(report, variance):
    assert not report.translation_valid
    assert report.T_a_b[:3, 3].tolist() == [0, 0, 0]
    assert report.covariance[:3] == pytest.approx(variance * np.eye(3, 6))
    assert not report.covariance[3:, :3].any()


def test_a_good_estimate_passes_unchanged():
    assert REPORT.T_a_b == pytest.approx(T_A_B)
    assert REPORT.covariance == pytest.approx(COVARIANCE)
    assert (REPORT.valid, REPORT.translation_valid, REPORT.scale_known) == (True, True, False)
    assert REPORT.reason == ""


def test_what_the_estimator_calls_invalid_stays_so_with_its_reason():
    report = assess(replace(ESTIMATE, valid=False, reason="not finite"), Settings())
    assert (report.valid, report.translation_valid) == (False, False)
    assert report.reason == "not finite"


def test_untrained_weights_give_no_pose_unless_asked_to():
    untrained = replace(ESTIMATE, trained=False)
    report = assess(untrained, Settings())
    assert (report.valid, report.translation_valid) == (False, False)
    assert report.reason == "the weights are untrained; publish_untrained overrules this"
    assert report.T_a_b == pytest.approx(T_A_B)
    assert assess(untrained, Settings(publish_untrained=True)).valid


@pytest.mark.parametrize(("error", "valid"), [(0.3499, True), (0.35, True), (0.3501, False)])
def test_the_rotation_gate(error, valid):
    report = assess(replace(ESTIMATE, cycle_rotation_error=error), Settings())
    assert (report.valid, report.translation_valid) == (valid, valid)
    assert report.reason == (
        ""
        if valid
        else "the two directions disagree by 0.350 rad in rotation, "
        "gate.max_cycle_rotation is 0.35"
    )


@pytest.mark.parametrize(("error", "valid"), [(0.7, True), (0.7001, False)])
def test_the_translation_gate_leaves_the_rotation(error, valid):
    report = assess(replace(ESTIMATE, cycle_translation_error=error), Settings())
    assert report.valid
    assert report.translation_valid == valid
    if not valid:
        assert_without_translation(report, 1.0)
        assert report.T_a_b[:3, :3] == pytest.approx(T_A_B[:3, :3])
        assert report.covariance[3:, 3:] == pytest.approx(COVARIANCE[3:, 3:])
        assert report.reason == (
            "no translation: the two directions disagree by 0.700 rad in it, "
            "gate.max_cycle_translation is 0.7"
        )


def test_a_wrong_rotation_is_worse_than_a_wrong_direction():
    both = replace(ESTIMATE, cycle_rotation_error=3.0, cycle_translation_error=3.0)
    assert "rotation" in assess(both, Settings()).reason
    assert not assess(both, Settings()).valid


def test_an_estimate_without_direction_is_a_rotation():
    report = assess(
        replace(ESTIMATE, translation_valid=False, reason="both images are the same"), Settings()
    )
    assert report.valid
    assert report.reason == "both images are the same"
    assert_without_translation(report, 1.0)


def test_scale_stretches_the_translation_and_its_covariance():
    scaled = with_scale(REPORT, 0.5)
    assert scaled.scale_known
    assert scaled.T_a_b[:3, 3] == pytest.approx([0.5, 0, 0])
    assert scaled.T_a_b[:3, :3] == pytest.approx(T_A_B[:3, :3])
    assert np.diag(scaled.covariance) == pytest.approx([2.5e-7, 0.01, 0.01, 0.01, 0.01, 0.01])


def test_a_distance_that_a_filter_believes_is_no_measurement_of_it():
    scaled = with_scale(REPORT, 3.0, measured=False)
    along, across = scaled.covariance[0, 0], scaled.covariance[1, 1]
    assert (along**0.5, across) == pytest.approx((3.0, 0.36), rel=1e-5)
    # A range of 0.1 m, known to 0.1 m, still moves a filter that has heard this ten times.
    believed = 1 / (1 / 0.5**2 + 10 / along)
    assert believed / (believed + 0.1**2) > 0.9


@pytest.mark.parametrize("length", [0.0, -0.1, float("nan")])
def test_a_length_that_is_none_is_refused(length):
    with pytest.raises(ConfigError, match=f"distance of the cameras is {length:g} m"):
        with_scale(REPORT, length)


def test_a_rectified_pair_seen_the_other_way_round_is_refused():
    scaled = with_scale(REPORT, 0.5)
    assert as_rectified(scaled) is scaled
    swapped = as_rectified(replace(scaled, T_a_b=g.make_transform(np.eye(3), [-0.5, 0, 0])))
    assert (swapped.valid, swapped.translation_valid) == (False, False)
    assert "are swapped" in swapped.reason


# Both cameras look forward from a robot (x forward, y left, z up), tilted down by asin(3/5):
# the optical axis z is (0.8, 0, -0.6), x is to the right (0, -1, 0), y is down (-0.6, 0, -0.8).
R_MOUNT = np.array([[0.0, -0.6, 0.8], [-1.0, 0.0, 0.0], [0.0, -0.8, -0.6]])
T_BASE_A = g.make_transform(R_MOUNT, [0.3, 0.1, 1.0])
# Camera b hangs on a trailer's base with the same tilt.
T_B_TRAILER = g.inverse(g.make_transform(R_MOUNT, [0.2, 0.0, 0.5]))


def test_base_frames_on_a_tilted_mount():
    # The trailer's camera is 2 m straight behind a, that is at (-2, 0, 0) of the robot, which
    # in a's axes is x = 0, y = 1.2, z = -1.6, and not turned. It stands at (-1.7, 0.1, 1) of the
    # robot, and its base, seen from it, at (-0.2, 0, -0.5): at (-1.9, 0.1, 0.5).
    T_a_b = g.make_transform(np.eye(3), np.array([0, 1.2, -1.6]) / 2)
    moved = in_base_frames(with_scale(replace(REPORT, T_a_b=T_a_b), 2.0), T_BASE_A, T_B_TRAILER)
    assert moved.T_a_b == pytest.approx(g.make_transform(np.eye(3), [-1.9, 0.1, 0.5]))
    assert (moved.valid, moved.translation_valid, moved.scale_known) == (True, True, True)


def test_covariance_in_base_frames_on_a_tilted_mount():
    # Only a turn about the camera's y axis is uncertain; in the robot's axes that is
    # n = (-0.6, 0, -0.8). The trailer's base is at r = (-0.2, 0, -0.5) from its camera, so it
    # moves by n x r = (0, (-0.8)(-0.2) - (-0.6)(-0.5), 0) = (0, -0.14, 0) a radian.
    yaw_only = replace(REPORT, T_a_b=np.eye(4), covariance=np.diag([0.0, 0, 0, 0, 0.01, 0]))
    scaled = replace(yaw_only, scale_known=True)
    moved = in_base_frames(scaled, T_BASE_A, T_B_TRAILER)
    column = np.array([0, -0.14, 0, -0.6, 0, -0.8])
    assert moved.covariance == pytest.approx(0.01 * np.outer(column, column))


def test_without_scale_only_the_rotation_moves_to_base_frames():
    # A turn about the camera's y (down, tilted) axis is one about (-0.6, 0, -0.8) of the robot.
    moved = in_base_frames(REPORT, T_BASE_A, T_B_TRAILER)
    assert moved.valid
    assert "scale.source" in moved.reason
    assert moved.T_a_b[:3, :3] == pytest.approx(g.rotation_about([-0.6, 0, -0.8], 0.1))
    assert_without_translation(moved, 1e6)


def test_a_rotation_stays_one_in_base_frames_whatever_the_scale():
    rotation = assess(replace(ESTIMATE, translation_valid=False), Settings())
    moved = in_base_frames(with_scale(rotation, 2.0), T_BASE_A, T_B_TRAILER)
    assert_without_translation(moved, 1e6)


@pytest.mark.parametrize("report", [REPORT, with_scale(REPORT, 0.5)])
def test_covariances_stay_symmetric_and_positive(report):
    for covariance in (
        report.covariance,
        in_base_frames(report, T_BASE_A, T_B_TRAILER).covariance,
    ):
        assert covariance == pytest.approx(covariance.T)
        assert np.linalg.eigvalsh(covariance).min() > 0


def sent(report, invert=False):
    return transform_stamped(report, PLACE, suffix="_geloc3r", invert=invert)


def test_tf_child_is_a_new_leaf_that_says_when_it_has_no_scale():
    tf = sent(REPORT)
    assert (tf.header.frame_id, tf.child_frame_id) == (
        "left_optical",
        "right_optical_geloc3r_unit",
    )
    assert sent(with_scale(REPORT, 0.5)).child_frame_id == "right_optical_geloc3r"
    assert tf.header.stamp == PLACE.stamp
    assert transform_from_message(tf.transform) == pytest.approx(T_A_B)


def test_inverted_tf_has_b_as_the_parent():
    tf = sent(with_scale(REPORT, 0.5), invert=True)
    assert (tf.header.frame_id, tf.child_frame_id) == ("right_optical", "left_optical_geloc3r")
    assert sent(REPORT, invert=True).child_frame_id == "left_optical_geloc3r_unit"
    # b is at +x of a and turned by 0.1 about y: a is at -x of b's turned axes, turned by -0.1.
    T_b_a = transform_from_message(tf.transform)
    assert T_b_a[:3, 3] == pytest.approx([-0.5 * np.cos(0.1), 0, -0.5 * np.sin(0.1)])
    assert T_b_a[:3, :3] == pytest.approx(g.rotation_about([0, 1, 0], -0.1))


def test_a_report_is_not_changed_by_what_is_made_of_it():
    before = Report(**{**vars(REPORT), "T_a_b": REPORT.T_a_b.copy()})
    in_base_frames(with_scale(REPORT, 3.0), T_BASE_A, T_B_TRAILER)
    assert REPORT.T_a_b == pytest.approx(before.T_a_b)
    assert REPORT.covariance == pytest.approx(COVARIANCE)
