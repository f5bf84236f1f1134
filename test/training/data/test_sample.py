# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from geloc3r_ros import geometry
from geloc3r_training.data.sample import DataError, Sample, Scale, read_sample, write_sample


def sample(**changed):
    moved = geometry.make_transform(geometry.rotation_about([0, 0, 1], np.pi / 2), [1, 0, 0])
    values = {
        "images": np.zeros((2, 8, 10, 3), np.uint8),
        "depths": np.ones((2, 8, 10), np.float32),
        "K": np.tile(np.array([[9.0, 0, 4.5], [0, 9, 3.5], [0, 0, 1]]), (2, 1, 1)),
        "T_world_camera": np.stack([moved, moved @ geometry.make_transform(np.eye(3), [0, 0, 2])]),
        "scale": Scale.METRIC,
        "source": "made/here",
    }
    return Sample(**{**values, **changed})


def test_relative_pose():
    assert sample().T_a_b(0, 1) == pytest.approx(geometry.make_transform(np.eye(3), [0, 0, 2]))
    assert len(sample()) == 2


def test_a_file_holds_all_of_it(tmp_path):
    path = tmp_path / "sample.npz"
    for written in (sample(), sample(depths=None, scale=Scale.UP_TO_SCALE)):
        write_sample(path, written)
        read = read_sample(path)
        assert read.scale is written.scale
        assert read.source == written.source
        assert (read.depths is None) == (written.depths is None)
        for name in ("images", "K", "T_world_camera"):
            assert np.array_equal(getattr(read, name), getattr(written, name))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": np.zeros((2, 8, 10, 3), np.float32)}, "not uint8"),
        ({"depths": np.ones((2, 8, 9), np.float32)}, "beside images"),
        ({"K": np.eye(3)[None]}, "for 2 views"),
        ({"T_world_camera": np.full((2, 4, 4), np.nan)}, "pose of view 0 is not rigid"),
        ({"K": np.zeros((2, 3, 3))}, "K of view 0 is no camera"),
    ],
)
def test_what_is_wrong_is_said(changed, message):
    with pytest.raises(DataError, match=message):
        sample(**changed)


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"bad\.npz is not a sample"):
        read_sample(path)
