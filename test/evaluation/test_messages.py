# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages for bags, by hand-computed numbers."""

import numpy as np
import pytest

from geloc3r_ros.evaluation import messages
from geloc3r_ros.geometry import make_transform, rotation_about

K = np.array([[500.0, 0, 320], [0, 510, 240], [0, 0, 1]])


def test_a_quarter_turn_about_z_as_a_pose():
    T_a_b = make_transform(rotation_about([0, 0, 1], np.pi / 2), [1.0, 2.0, 3.0])
    stamped = messages.pose_stamped(1_500_000_002, "a", T_a_b)
    q = stamped.pose.orientation
    assert [q.x, q.y, q.z, q.w] == pytest.approx([0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    assert (stamped.header.stamp.sec, stamped.header.stamp.nanosec) == (1, 500_000_002)
    assert messages.stamp_of(stamped) == 1_500_000_002
    assert messages.transform_of(stamped.pose) == pytest.approx(T_a_b)


def test_camera_info_of_a_pinhole_camera():
    info = messages.camera_info(0, "a", (640, 480), K)
    assert (info.width, info.height) == (640, 480)
    assert info.p.tolist() == [500, 0, 320, 0, 0, 510, 240, 0, 0, 0, 1, 0]
    assert info.r.reshape(3, 3) == pytest.approx(np.eye(3))
    assert not info.d.any()


def test_a_compressed_image_holds_the_bytes_of_its_file():
    message = messages.compressed_image(0, "a", b"\xff\xd8jpeg")
    assert (message.format, bytes(message.data)) == ("jpeg", b"\xff\xd8jpeg")
