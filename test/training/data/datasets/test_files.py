# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import io
import pickle
import zipfile

import cv2
import numpy as np
import pytest

from geloc3r_training.data.datasets import files, lenses
from geloc3r_training.data.datasets.pose_track import PoseTrack
from geloc3r_training.data.sample import DataError


def test_objects_of_an_index_are_read(tmp_path):
    paths = np.array(["a.jpg", None], object)
    pairs = np.array([((0, 1), np.float64(0.3), np.zeros(2)), ((1, 0), 0.1, None)], object)
    np.savez(tmp_path / "index.npz", image_paths=paths, pair_infos=pairs, numbers=np.arange(3.0))
    read = files.read_npz_objects(tmp_path / "index.npz", ["image_paths", "pair_infos", "numbers"])
    assert read["image_paths"].tolist() == ["a.jpg", None]
    assert read["pair_infos"][0][0] == (0, 1)
    assert read["pair_infos"][0][1] == pytest.approx(0.3)
    assert read["numbers"].tolist() == [0, 1, 2]


def test_a_pickled_dictionary_is_an_index_too(tmp_path):
    path = tmp_path / "index.npz"
    path.write_bytes(pickle.dumps({"poses": [np.eye(4), None], "more": 1}))
    assert files.read_npz_objects(path, ["poses"])["poses"][1] is None
    with pytest.raises(DataError, match="'scores'"):
        files.read_npz_objects(path, ["scores"])


class Harmful:
    def __reduce__(self):
        return print, ("code of the file ran",)


def test_an_index_cannot_run_code(tmp_path, capsys):
    array = np.empty(1, object)
    array[0] = Harmful()
    np.savez(tmp_path / "bad.npz", image_paths=array)
    with pytest.raises(DataError, match=r"builtins\.print, which is not data"):
        files.read_npz_objects(tmp_path / "bad.npz", ["image_paths"])
    assert capsys.readouterr().out == ""


def test_damaged_indices(tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match="is not an index"):
        files.read_npz_objects(path, ["x"])
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + pickle.dumps("cut")[:-2])
    with pytest.raises(DataError, match="is not an index"):
        files.read_npz_objects(path, ["x"])


def test_depth_pngs(tmp_path):
    path = tmp_path / "depth.png"
    cv2.imwrite(str(path), np.array([[0, 1500, 65535]], np.uint16))
    assert files.read_depth_png(path, 1000.0).tolist() == [[0, 1.5, pytest.approx(65.535)]]
    assert files.read_depth_png(path, 1000.0, unknown=65535).tolist() == [[0, 1.5, 0]]
    cv2.imwrite(str(path), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match="not a 16-bit depth map"):
        files.read_depth_png(path, 1000.0)
    with pytest.raises(DataError, match="no such file"):
        files.read_depth_png(tmp_path / "none.png", 1000.0)


def test_poses_of_other_conventions():
    # Half a turn about z; a point of the world at (1, 2, 3) + R^T t.
    T = files.world_camera([0, 0, 0, 1], [1, 2, 3])
    assert pytest.approx([1, 2, -3]) == T[:3, 3]
    assert np.diag(T).tolist() == pytest.approx([-1, -1, 1, 1])
    # A camera that looks along -z of its own OpenGL axes looks along +z of the optical ones.
    looking = files.opengl_to_optical(np.eye(4)) @ [0, 0, 5, 1]
    assert looking.tolist() == [0, 0, -5, 1]
    assert (files.opengl_to_optical(np.eye(4)) @ [0, 1, 0, 0]).tolist() == [0, -1, 0, 0]


def test_lenses_by_hand():
    # The pixel (30, 10) is at x = 0.2, y = -0.1 ideally: r^2 = 0.05.
    K = np.array([[100.0, 0, 10], [0, 100, 20], [0, 0, 1]])
    x, y = lenses.BrownLens(0.1, -0.2, 0.01, -0.02).sources(K, (64, 48))
    radial = 1 + 0.1 * 0.05 - 0.2 * 0.0025
    measured_x = 0.2 * radial + 2 * 0.01 * 0.2 * -0.1 - 0.02 * (0.05 + 2 * 0.04)
    measured_y = -0.1 * radial + 0.01 * (0.05 + 2 * 0.01) + 2 * -0.02 * 0.2 * -0.1
    assert x[10, 30] == pytest.approx(100 * measured_x + 10, abs=1e-4)
    assert y[10, 30] == pytest.approx(100 * measured_y + 20, abs=1e-4)
    x, y = lenses.MeasurementLens(-0.1).sources(K, (64, 48))
    measured = np.array([x[10, 30] - 10, y[10, 30] - 20]) / 100
    assert measured * (1 - 0.1 * measured @ measured) == pytest.approx([0.2, -0.1], abs=1e-6)
    assert (x[20, 10], y[20, 10]) == (10, 20)


def test_poses_between_known_ones():
    T0, T1 = np.eye(4), np.eye(4)
    T1[:3, :3] = cv2.Rodrigues(np.array([0, 0, np.pi / 2]))[0]
    T1[:3, 3] = 2, 0, 0
    track = PoseTrack({0: T0, 1_000: T1, 9_000: T0})
    half = track.at(500, max_gap=2_000)
    assert half[:3, 3].tolist() == [1, 0, 0]
    assert cv2.Rodrigues(half[:3, :3])[0].ravel() == pytest.approx([0, 0, np.pi / 4])
    assert track.at(1_000, max_gap=1) is T1
    with pytest.raises(DataError, match=r"8e-06 s apart"):
        track.at(2_000, max_gap=2_000)
    with pytest.raises(DataError, match="no pose of its time"):
        track.at(9_001, max_gap=10_000)
    with pytest.raises(DataError, match="no pose in the source"):
        PoseTrack({})
