# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""APE, RPE and the alignment: known similarities come back, and evo agrees on the same files."""

import numpy as np
import pytest
from evo.core import metrics
from evo.tools import file_interface

from geloc3r_ros.evaluation.alignment import (
    AlignmentError,
    absolute_errors,
    align,
    relative_errors,
    umeyama,
)
from geloc3r_ros.evaluation.paths import statistics
from geloc3r_ros.evaluation.trajectories import read_tum, write_tum
from geloc3r_ros.geometry import make_transform, rotation_about

R = rotation_about([0.2, -0.5, 0.8], 1.1)
T_SHIFT = np.array([3.0, -1.0, 0.5])


def trajectory(seed, count=60):
    """A smooth random path that turns as it goes."""
    rng = np.random.default_rng(seed)
    poses, T = [], np.eye(4)
    for axis in rng.normal(size=(count, 3)):
        T = T @ make_transform(rotation_about(axis, 0.2), [0.1, 0.02, 0.3])
        poses.append(T)
    return np.array(poses)


def disturbed(true, seed):
    rng = np.random.default_rng(seed)
    noise = [
        make_transform(rotation_about(axis, 0.05), shift)
        for axis, shift in zip(
            rng.normal(size=(len(true), 3)), rng.normal(0, 0.03, (len(true), 3))
        )
    ]
    moved = make_transform(R, T_SHIFT) @ true @ np.array(noise)
    moved[:, :3, 3] *= 1.7
    return moved


def test_a_known_similarity_comes_back():
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = umeyama(points, 2.5 * points @ R.T + T_SHIFT, with_scale=True)
    assert found.scale == pytest.approx(2.5)
    assert pytest.approx(R) == found.R
    assert found.t == pytest.approx(T_SHIFT)


def test_a_mirror_is_no_rotation():
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = umeyama(points, points * [1, 1, -1], with_scale=False)
    assert np.linalg.det(found.R) == pytest.approx(1.0)


def test_a_line_determines_no_rotation():
    line = np.outer(np.arange(5.0), [1.0, 2.0, 3.0])
    with pytest.raises(AlignmentError, match="5 positions determine no alignment"):
        umeyama(line, line @ R.T, with_scale=True)


def test_errors_by_hand():
    true = np.array([np.eye(4), make_transform(np.eye(3), [1, 0, 0])])
    turned = make_transform(rotation_about([0, 0, 1], 0.3), [1, 0, 2])
    metres, radians = absolute_errors(np.array([np.eye(4), turned]), true)
    assert metres == pytest.approx([0, 2])
    assert radians == pytest.approx([0, 0.3])
    metres, radians = relative_errors(np.array([np.eye(4), turned]), true)
    assert metres == pytest.approx([2])
    assert radians == pytest.approx([0.3])


@pytest.mark.parametrize("alignment", ["none", "se3", "sim3"])
def test_evo_says_the_same_of_the_same_files(tmp_path, alignment):
    true = trajectory(1)
    stamps = [10**18 + i * 10**8 for i in range(len(true))]
    for name, poses in (("truth", true), ("estimate", disturbed(true, 2))):
        write_tum(tmp_path / f"{name}.tum", dict(zip(stamps, poses)))
    theirs = [
        file_interface.read_tum_trajectory_file(tmp_path / f"{name}.tum")
        for name in ("truth", "estimate")
    ]
    if alignment != "none":
        theirs[1].align(theirs[0], correct_scale=alignment == "sim3")
    truth, estimate = (
        np.array(list(read_tum(tmp_path / f"{name}.tum").values()))
        for name in ("truth", "estimate")
    )
    aligned = align(estimate, truth, alignment)
    for kind, ours in (("APE", absolute_errors), ("RPE", relative_errors)):
        metres, radians = ours(aligned, truth)
        for relation, values in (
            (metrics.PoseRelation.translation_part, metres),
            (metrics.PoseRelation.rotation_angle_deg, np.degrees(radians)),
        ):
            metric = getattr(metrics, kind)(relation)
            metric.process_data(tuple(theirs))
            expected = metric.get_all_statistics()
            for name, value in statistics(values).items():
                assert value == pytest.approx(expected[name], abs=1e-6), (kind, name)
