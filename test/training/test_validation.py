# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Validation measures what the network says of T_2_1, by the package's own metrics."""

import dataclasses

import numpy as np
import pytest
import torch

from geloc3r_ros.geometry import pose_errors
from geloc3r_ros.model import GeLoc3r
from geloc3r_training.validation import as_degrees, validate


def test_validation_agrees_with_the_poses_of_the_network(wall, toy):
    torch.manual_seed(0)
    network = GeLoc3r(toy().network.model_config())
    still = dataclasses.replace(wall, T_2_1=torch.eye(4)[None], ids=(1,))
    with torch.no_grad():
        T_2_1, _ = network(*wall.views(), *wall.focals())
    rotation, direction = pose_errors(T_2_1[0].double().numpy(), wall.T_2_1[0].double().numpy())
    found = validate(network, [wall, still], 0.02, bf16=False)
    assert found.pairs == found.still_pairs == 1
    assert found.rotation_median == pytest.approx(rotation, abs=1e-5)
    assert found.direction_median == pytest.approx(direction, abs=1e-5)
    report = as_degrees(found)
    assert report["median rotation"] == pytest.approx(np.degrees(rotation), abs=1e-3)
    assert {"AUC@5", "AUC@10", "AUC@20"} <= report.keys()
