# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TUM files: the exact text, the round trip, and what is refused."""

import numpy as np
import pytest
from evo.tools import file_interface

from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation import read_tum, write_tum
from geloc3r_ros.geometry import make_transform, rotation_about

LATER = 1_700_000_000_123_456_789
POSES = {
    LATER: make_transform(rotation_about([0, 1, 0], 0.25), [0.5, -1, 2]),
    5: make_transform(rotation_about([0, 0, 1], np.pi / 2), [1, 2, 3]),
}


def test_a_line_is_stamp_translation_quaternion_xyzw(tmp_path):
    write_tum(tmp_path / "poses.tum", POSES)
    header, first, second = (tmp_path / "poses.tum").read_text().splitlines()
    assert header == "# timestamp tx ty tz qx qy qz qw"
    assert first == (
        "0.000000005 1.000000000 2.000000000 3.000000000 "
        "0.000000000 0.000000000 0.707106781 0.707106781"
    )
    assert second.startswith("1700000000.123456789 0.5")


def test_stamps_come_back_to_the_nanosecond(tmp_path):
    write_tum(tmp_path / "poses.tum", POSES)
    read = read_tum(tmp_path / "poses.tum")
    assert list(read) == [5, LATER]
    for stamp, T in POSES.items():
        assert read[stamp] == pytest.approx(T, abs=1e-8)


def test_evo_reads_the_file(tmp_path):
    write_tum(tmp_path / "poses.tum", POSES)
    trajectory = file_interface.read_tum_trajectory_file(tmp_path / "poses.tum")
    for T, expected in zip(trajectory.poses_se3, [POSES[5], POSES[LATER]], strict=True):
        assert pytest.approx(expected, abs=1e-8) == T


@pytest.mark.parametrize(
    "line", ["1.0 0 0 0 0 0 0", "1.0 0 0 0 0 0 0 one", "1.0 0 0 0 0 0 0 0", "nan 0 0 0 0 0 0 1"]
)
def test_a_line_that_is_no_pose_is_named(tmp_path, line):
    path = tmp_path / "poses.tum"
    path.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(BagError, match=r"line 3: .* is not a pose"):
        read_tum(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BagError, match="cannot read the trajectory"):
        read_tum(tmp_path / "none.tum")
