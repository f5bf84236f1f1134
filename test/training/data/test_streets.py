# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from geloc3r_ros.geometry import make_transform, rotation_about
from geloc3r_training.data.pictures import Picture
from geloc3r_training.data.streets import EDGE, LANE, STRIP, Street

K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
SIZE = (81, 101)
ROW, COLUMN = 40, 50  # of the middle


def street(*things, is_open=False, shade=90):
    """Walls 1 to the left and 2 to the right, ground 0.5 below, top 1.5 above, end 20 ahead."""
    place = Street(
        [np.full((60, 80, 3), shade, np.uint8)] * 2,
        np.full((8, 8, 3), 255, np.uint8),
        np.random.default_rng(0),
    )
    place.open = is_open
    place.boxes = np.array([[(-1, -1.5, -3.0), (2, 0.5, 20.0)], *things])
    shape = len(place.boxes), 3
    place.strips, place.shifts = np.zeros(shape, int), np.zeros(shape)
    place.scales = np.full(shape, 100.0)
    return place


def test_walls_ground_and_end_are_met_where_they_are_by_hand():
    depth = street().seen(np.eye(4), K, SIZE).depth
    assert depth[ROW, COLUMN] == pytest.approx(20, rel=1e-5)
    # A ray to (r, d, 1) meets the left wall at a depth of 1 / -r, the ground at 0.5 / d.
    assert depth[ROW, COLUMN - 40] == pytest.approx(1 / 0.4, rel=1e-5)
    assert depth[ROW, COLUMN + 40] == pytest.approx(2 / 0.4, rel=1e-5)
    assert depth[ROW + 40, COLUMN] == pytest.approx(0.5 / 0.4, rel=1e-5)
    assert depth[ROW - 40, COLUMN] == pytest.approx(1.5 / 0.4, rel=1e-5)
    # Two ahead and turned to the right by 30 degrees, the middle meets the right wall.
    T_world_camera = make_transform(rotation_about([0, 1, 0], np.pi / 6), [0.5, 0, 2.0])
    depth = street().seen(T_world_camera, K, SIZE).depth
    assert depth[ROW, COLUMN] == pytest.approx(1.5 / np.sin(np.pi / 6), rel=1e-5)


def test_a_thing_hides_what_is_behind_it_by_hand():
    depth = street([(0.4, -0.1, 4.0), (1.0, 0.5, 6.0)]).seen(np.eye(4), K, SIZE).depth
    assert depth[ROW, COLUMN + 12] == pytest.approx(4, rel=1e-5)  # its front, from x = 0.4 on
    assert depth[ROW, COLUMN + 8] == pytest.approx(0.4 / 0.08, rel=1e-5)  # its side
    assert depth[ROW, COLUMN + 5] == pytest.approx(20, rel=1e-5)
    assert depth[ROW - 10, COLUMN + 12] == pytest.approx(1.5 / 0.1, rel=1e-5)  # above it


def test_above_an_open_street_there_is_sky():
    view = street(is_open=True).seen(np.eye(4), K, SIZE)
    assert view.depth[0, COLUMN] == 0
    assert view.light[0, COLUMN] == pytest.approx(1, abs=1e-3)
    assert view.depth[ROW + 40, COLUMN] > 0
    assert view.light[ROW + 40, COLUMN] == pytest.approx((90 / 255) ** 2.2, abs=0.01)


def test_a_wall_shows_its_strip_by_hand():
    """Brighter along the wall, 100 pixels a unit, and mirrored where the strip ends."""
    place = street()
    ramp = np.linspace(0, 255, STRIP[1]).round().astype(np.uint8)
    place.picture = Picture(np.tile(ramp[:, None], (STRIP[0], 1, 3)))
    view = place.seen(np.eye(4), K, SIZE)
    stored = 255 * view.light[ROW, :, 0] ** (1 / 2.2)
    for column in (COLUMN - 40, COLUMN - 20):
        along = 100 / ((COLUMN - column) / 100)  # z of the left wall, pixels of the strip
        reach = STRIP[1] - 1 - 2 * EDGE
        expected = EDGE + reach - abs(along % (2 * reach) - reach)
        assert stored[column] == pytest.approx(expected / (STRIP[1] - 1) * 255, abs=2)


def test_nothing_stands_in_the_lane():
    photographs = [np.full((60, 80, 3), 90, np.uint8)] * 2
    for seed in range(50):
        rng = np.random.default_rng(seed)
        place = Street.drawn(photographs, 0.5, rng)
        low, high = place.boxes[1:, 0, 0], place.boxes[1:, 1, 0]
        assert ((low >= LANE - 1e-9) | (high <= -LANE + 1e-9)).all()
        assert (place.boxes[:, 0] < place.boxes[:, 1]).all()
        for first in (True, False):
            assert abs(place.look(rng, first)[0, 3]) < LANE
