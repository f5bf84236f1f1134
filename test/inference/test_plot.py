# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a pair: what is drawn stands where the geometry says."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from geloc3r_ros.errors import ImageError
from geloc3r_ros.geometry import inverse, make_transform, rotation_about
from geloc3r_ros.inference.images import read_image
from geloc3r_ros.inference.plot import plot_pair

K = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])
T_1_2 = make_transform(rotation_about([0, 1, 0], -0.2), [2.0, 0.5, 0])

# White squares on black, one in each quarter of image A.
CENTRES = np.array([[80, 60], [240, 60], [80, 180], [240, 180]])


@pytest.fixture
def rgb():
    image = np.zeros((240, 320, 3), np.uint8)
    for u, v in CENTRES:
        image[v - 8 : v + 8, u - 8 : u + 8] = 255
    return image


def drawn(rgb, **more):
    figure = Figure()
    plot_pair(figure, rgb, rgb, T_1_2, **more)
    return figure.axes  # image A, image B, space


def texts(axes):
    return {text.get_text().strip() for text in axes.texts}


def test_cameras_are_named(rgb):
    image_a, image_b, space = drawn(rgb)
    assert (texts(image_a), texts(image_b), texts(space)) == ({"A"}, {"B"}, {"A", "B"})
    assert texts(drawn(rgb, T_1_2_true=np.eye(4))[2]) == {"A", "B", "true B"}


def test_a_camera_without_direction_says_so_and_both_names_can_be_read(rgb):
    figure = Figure()
    plot_pair(figure, rgb, rgb, make_transform(T_1_2[:3, :3], np.zeros(3)))
    names = {text.get_text().strip(): text for text in figure.axes[2].texts}
    assert set(names) == {"A", "B: rotation alone"}
    heights = [text.get_position_3d()[2] for text in names.values()]
    assert abs(heights[0] - heights[1]) > 0.2


def test_cameras_stand_a_unit_apart_with_up_being_up(rgb):
    space = drawn(rgb)[2]
    feet = [np.ravel(line.get_data_3d()) for line in space.lines if line.get_marker() == "o"]
    assert (feet[1] - feet[0])[:2] == pytest.approx([2 / np.hypot(2, 0.5), 0])  # right, ahead
    apexes = [np.transpose(line.get_data_3d())[1] for line in space.lines if line.get_ls() == ":"]
    assert apexes[0] == pytest.approx([0, 0, 0])
    assert apexes[1][2] == pytest.approx(-0.5 / np.hypot(2, 0.5))  # y of optical axes is down


def test_all_axes_have_one_scale(rgb):
    limits = drawn(rgb)[2].get_w_lims()
    lengths = np.diff(np.reshape(limits, (3, 2)))
    assert lengths == pytest.approx(np.full((3, 1), lengths[0, 0]))


def test_a_line_passes_through_what_its_point_sees_at_any_depth(rgb):
    image_a, image_b, _ = drawn(rgb, K1=K, K2=K)
    points = {line.get_color(): np.ravel(line.get_data()) for line in image_a.lines}
    assert len(points) == 4
    lines = {line.get_color(): line for line in image_b.lines if line.get_color() in points}
    for colour, pixel in points.items():
        for depth in (1.0, 4.0, 50.0):
            X_1 = depth * np.linalg.inv(K) @ [*pixel, 1]
            x, y, z = K @ (inverse(T_1_2) @ [*X_1, 1])[:3]
            start, slope = np.array(lines[colour].get_xy1()), np.array(lines[colour].get_xy2())
            along, across = slope - start, np.array([x / z, y / z]) - start
            assert along[0] * across[1] - along[1] * across[0] == pytest.approx(0, abs=1e-6)


def test_no_point_is_hidden_by_the_name_of_its_image(rgb):
    rgb[10:30, 10:30] = 255  # below the A
    marked = {tuple(np.ravel(line.get_data())) for line in drawn(rgb, K1=K, K2=K)[0].lines}
    assert len(marked) == 4
    assert all(u > 38 or v > 38 for u, v in marked)


def test_without_intrinsics_there_are_no_lines(rgb):
    image_a, image_b, _ = drawn(rgb)
    assert not image_a.lines
    assert not image_b.lines


def test_untrained_weights_are_marked(rgb):
    for trained in (True, False):
        figure = Figure()
        plot_pair(figure, rgb, rgb, T_1_2, trained=trained)
        assert any("UNTRAINED" in text.get_text() for text in figure.texts) is not trained


@pytest.mark.parametrize("T", [np.eye(4), T_1_2], ids=["no direction", "any"])
def test_the_file_is_a_picture(rgb, tmp_path, T):
    plot_pair(tmp_path / "pair.png", rgb, rgb[:, :180], T, K1=K, K2=K, title="a title")
    picture = read_image(tmp_path / "pair.png")
    assert picture.shape == (806, 1430, 3)
    assert (picture[0, 0] == 255).all()  # legible on white
    assert picture.std() > 10


def test_a_file_that_cannot_be_written_is_named(rgb, tmp_path):
    with pytest.raises(ImageError, match=r"pair\.docx: the picture cannot be written"):
        plot_pair(tmp_path / "pair.docx", rgb, rgb, T_1_2)
