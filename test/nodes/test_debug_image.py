# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture is judged by the colours of its regions; nobody reads its text here."""

from dataclasses import replace

import numpy as np
import pytest

from geloc3r_ros import geometry as g
from geloc3r_ros.nodes.debug_image import GREEN, RED, draw
from geloc3r_ros.nodes.report import Report

BLUE_VIEW = np.full((240, 320, 3), (0, 0, 200), np.uint8)
YELLOW_VIEW = np.full((240, 320, 3), (120, 120, 0), np.uint8)
AHEAD = Report(
    T_a_b=g.make_transform(g.rotation_about([0, 1, 0], 0.2), [0.6, 0.0, 0.8]),
    covariance=np.eye(6),
    valid=True,
    translation_valid=True,
    scale_known=False,
    reason="",
)
ARROW = (slice(55, 200), slice(0, 320))
"""Rows and columns of view a below the text."""


def moved_to(direction):
    return replace(AHEAD, T_a_b=g.make_transform(np.eye(3), direction))


def ink(picture, colour):
    """Where (H, W) a picture has a colour, smoothed edges left out."""
    return (picture == colour).all(axis=-1)


def test_both_views_stand_side_by_side():
    picture = draw(BLUE_VIEW, YELLOW_VIEW, AHEAD, 640)
    assert (picture.shape, picture.dtype) == ((240, 640, 3), np.uint8)
    assert picture[235, 315].tolist() == [0, 0, 200]
    assert picture[235, 325].tolist() == [120, 120, 0]


@pytest.mark.parametrize(("width", "shape"), [(320, (120, 320)), (64, (24, 64)), (65, (24, 64))])
def test_it_is_as_wide_as_asked(width, shape):
    assert draw(BLUE_VIEW, YELLOW_VIEW, AHEAD, width).shape[:2] == shape


def test_views_of_two_shapes_keep_theirs():
    tall = np.full((400, 200, 3), (120, 120, 0), np.uint8)
    picture = draw(BLUE_VIEW, tall, AHEAD, 400)
    assert picture.shape == (400, 400, 3)  # 200 wide each: 150 and 400 high
    assert picture[148, 195].tolist() == [0, 0, 200]
    assert picture[155, 195].tolist() == [0, 0, 0]
    assert picture[395, 395].tolist() == [120, 120, 0]


def test_the_views_are_left_as_they_were():
    draw(BLUE_VIEW, YELLOW_VIEW, AHEAD, 640)
    assert np.unique(BLUE_VIEW.reshape(-1, 3), axis=0).tolist() == [[0, 0, 200]]


def test_a_valid_pose_is_green_an_invalid_one_red():
    valid = draw(BLUE_VIEW, YELLOW_VIEW, AHEAD, 640)
    invalid = draw(BLUE_VIEW, YELLOW_VIEW, replace(AHEAD, valid=False), 640)
    assert ink(valid, GREEN).any()
    assert not ink(valid, RED).any()
    assert ink(invalid, RED).any()
    assert not ink(invalid, GREEN).any()


@pytest.mark.parametrize(
    ("direction", "tip"),
    [
        ([1, 0, 0], (120, 240)),
        ([-1, 0, 0], (120, 80)),
        ([0, 1, 0], (200, 160)),
        ([0, -1, 0], (40, 160)),
    ],
)
def test_the_arrow_points_where_b_stands(direction, tip):
    # The arrow starts at the centre of view a, row 120 and column 160, and is 80 pixels long.
    picture = draw(BLUE_VIEW, YELLOW_VIEW, moved_to(direction), 640)
    middle = (np.array([120, 160]) + tip) // 2
    opposite = 2 * np.array([120, 160]) - middle
    assert ink(picture, GREEN)[tuple(middle)]
    assert not ink(picture, GREEN)[tuple(opposite)]


def test_the_length_of_the_translation_does_not_change_the_arrow():
    short, long = (draw(BLUE_VIEW, YELLOW_VIEW, moved_to([s, 0, 0]), 640) for s in (0.01, 30.0))
    assert np.array_equal(short[ARROW], long[ARROW])


def test_the_ring_is_thinner_where_b_is_behind():
    ahead, behind = (
        ink(draw(BLUE_VIEW, YELLOW_VIEW, moved_to([0.6, 0, z]), 640)[ARROW], GREEN).sum()
        for z in (0.8, -0.8)
    )
    assert 0 < behind < ahead


def test_without_translation_there_is_no_arrow():
    rotation_only = replace(moved_to([0, 0, 0]), translation_valid=False)
    picture = draw(BLUE_VIEW, YELLOW_VIEW, rotation_only, 640)
    assert ink(picture, GREEN).any()
    assert not ink(picture, GREEN)[ARROW].any()


def test_a_reason_is_written_over_both_views_in_as_many_lines_as_it_takes():
    def rows_with_text(reason):
        picture = draw(BLUE_VIEW, YELLOW_VIEW, replace(AHEAD, valid=False, reason=reason), 640)
        return np.flatnonzero(ink(picture, RED)[:, 320:].any(axis=1))

    assert not rows_with_text("").size
    one = rows_with_text("the two directions disagree by 0.310 rad in rotation")
    two = rows_with_text("the two directions disagree by 0.310 rad in rotation, " * 3)
    assert one[-1] < two[-1] < 120


def test_scale_and_invalid_add_words():
    plain, metres, invalid = (
        (draw(BLUE_VIEW, YELLOW_VIEW, report, 640)[:55, :320] != (0, 0, 200)).any(-1).sum()
        for report in (AHEAD, replace(AHEAD, scale_known=True), replace(AHEAD, valid=False))
    )
    assert plain < metres
    assert plain < invalid
