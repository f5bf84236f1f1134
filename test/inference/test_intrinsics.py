# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Intrinsics by hand-computed numbers, with integer pixel centres."""

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.inference.intrinsics import Intrinsics


def camera_info(k=(500.0, 0.0, 319.5, 0.0, 600.0, 239.5, 0.0, 0.0, 1.0), **fields):
    projection = [500.0, 0.0, 319.5, 0.0, 0.0, 500.0, 239.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    fields = {"width": 640, "height": 480, "p": projection, **fields}
    return CameraInfo(k=list(k), distortion_model="plumb_bob", **fields)


def test_the_numbers_of_the_message():
    intrinsics = Intrinsics.from_message(camera_info(d=[0.1, 0.2, 0.3, 0.4, 0.5]))
    assert intrinsics.K.tolist() == [[500, 0, 319.5], [0, 600, 239.5], [0, 0, 1]]
    assert intrinsics.D.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert intrinsics.distortion_model == "plumb_bob"
    assert (intrinsics.width, intrinsics.height, intrinsics.baseline) == (640, 480, 0.0)


def test_binning_keeps_the_centre_of_the_image():
    # Bins of 2x4: the corner of the image at -0.5 stays, so u' = (u + 0.5) / 2 - 0.5.
    # (319.5 + 0.5) / 2 - 0.5 = 159.5 is the centre of 320 columns, 59.5 that of 120 rows.
    intrinsics = Intrinsics.from_message(camera_info(binning_x=2, binning_y=4))
    assert intrinsics.K.tolist() == [[250, 0, 159.5], [0, 150, 59.5], [0, 0, 1]]
    assert (intrinsics.width, intrinsics.height) == (320, 120)


@pytest.mark.parametrize("binning", [0, 1])
def test_no_binning_is_0_or_1(binning):
    intrinsics = Intrinsics.from_message(camera_info(binning_x=binning, binning_y=binning))
    assert intrinsics.K[0].tolist() == [500, 0, 319.5]
    assert intrinsics.width == 640


def test_a_region_of_interest_moves_the_principal_point():
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=200)
    intrinsics = Intrinsics.from_message(camera_info(roi=roi))
    assert intrinsics.K.tolist() == [[500, 0, 219.5], [0, 600, 199.5], [0, 0, 1]]
    assert (intrinsics.width, intrinsics.height) == (320, 200)


def test_a_region_is_given_before_binning():
    # ((319.5 - 100) + 0.5) / 2 - 0.5 = 109.5 and ((239.5 - 40) + 0.5) / 2 - 0.5 = 99.5.
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=320, height=200)
    intrinsics = Intrinsics.from_message(camera_info(roi=roi, binning_x=2, binning_y=2))
    assert intrinsics.K.tolist() == [[250, 0, 109.5], [0, 300, 99.5], [0, 0, 1]]
    assert (intrinsics.width, intrinsics.height) == (160, 100)


def test_binning_agrees_with_the_projection_of_a_point():
    K_full = Intrinsics.from_message(camera_info()).K
    K_binned = Intrinsics.from_message(camera_info(binning_x=2, binning_y=2)).K
    # The centre of binned pixel 7 is the border between the full pixels 14 and 15.
    full, binned = np.array([14.5, 14.5, 1.0]), np.array([7.0, 7.0, 1.0])
    ray_full, ray_binned = np.linalg.solve(K_full, full), np.linalg.solve(K_binned, binned)
    assert ray_binned == pytest.approx(ray_full)


def test_the_baseline_of_the_right_camera_is_positive():
    p = [400.0, 0.0, 320.0, -48.0, 0.0, 400.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert Intrinsics.from_message(camera_info(p=p)).baseline == pytest.approx(0.12)


def test_without_a_projection_there_is_no_baseline():
    assert Intrinsics.from_message(camera_info(p=[0.0] * 12)).baseline == 0.0


def test_a_camera_that_is_not_calibrated_is_refused():
    with pytest.raises(ConfigError, match="focal lengths 0, 0 in K; calibrate the camera"):
        Intrinsics.from_message(camera_info(k=[0.0] * 9))
    with pytest.raises(ConfigError, match="focal lengths 500, -3 in K; calibrate"):
        Intrinsics.from_message(camera_info(k=[500.0, 0, 0, 0, -3.0, 0, 0, 0, 1.0]))


@pytest.mark.parametrize("field", ["k", "d", "p"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(field, value):
    message = camera_info(d=[0.0] * 5)
    getattr(message, field)[2] = value
    with pytest.raises(ConfigError, match="beyond 1e\\+09 or not finite; calibrate the camera"):
        Intrinsics.from_message(message)


def test_intrinsics_hold_for_their_size_only():
    intrinsics = Intrinsics.from_message(camera_info())
    intrinsics.check_size(640, 480)
    for size in ((480, 640), (320, 240), (641, 480)):
        with pytest.raises(ConfigError) as error:
            intrinsics.check_size(*size)
        assert str(error.value) == (
            f"camera_info is for 640x480, the image has {size[0]}x{size[1]}; "
            "calibrate at the size in use"
        )


def test_the_message_is_left_as_it_was():
    message = camera_info(binning_x=2, binning_y=2)
    Intrinsics.from_message(message)
    assert message.k[0] == 500.0


def test_rectified_images_have_the_intrinsics_of_p():
    p = [300.0, 0.0, 310.5, -36.0, 0.0, 320.0, 240.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    info = camera_info(p=p, d=[0.1] * 5, binning_x=2, binning_y=2)
    intrinsics = Intrinsics.from_message(info, rectified=True)
    assert pytest.approx(np.array([[150, 0, 155], [0, 160, 120], [0, 0, 1]])) == intrinsics.K
    assert intrinsics.D.size == 0
    assert intrinsics.baseline == pytest.approx(0.12)


def test_rectified_images_need_p():
    with pytest.raises(ConfigError, match="in P"):
        Intrinsics.from_message(camera_info(p=[0.0] * 12), rectified=True)
