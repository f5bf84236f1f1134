# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.pair_list import read_pairs
from geloc3r_ros.geometry import rotation_angle
from geloc3r_ros.inference.images import read_image
from geloc3r_training.data.held_out_pairs import OVERLAP, STILL, write_held_out_pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held_out") / "pairs"
    assert write_held_out_pairs(folder, None, 40, longer_side=64).moved == 40
    return folder


def test_pairs_are_as_promised(folder):
    pairs = read_pairs(folder / "pairs.json").pairs
    assert len(pairs) == 40
    for pair in pairs:
        assert pair.overlap >= OVERLAP
        assert rotation_angle(pair.T_a_b[:3, :3]) <= np.radians(60)
        assert np.linalg.norm(pair.T_a_b[:3, 3]) >= STILL
    sizes = Counter(read_image(pair.images[0]).shape for pair in pairs)
    assert set(sizes) <= {(48, 64, 3), (36, 64, 3), (64, 48, 3)}
    assert len(sizes) > 1


def test_what_hardly_moves_is_apart(folder):
    still = read_pairs(folder / "still.json").pairs
    assert all(np.linalg.norm(pair.T_a_b[:3, 3]) < STILL for pair in still)


def test_the_same_arguments_give_the_same_pairs(folder, tmp_path):
    write_held_out_pairs(tmp_path / "again", None, 10, longer_side=64)
    again = json.loads((tmp_path / "again" / "pairs.json").read_text())["pairs"]
    assert again == json.loads((folder / "pairs.json").read_text())["pairs"][:10]
    for image in again[-1]["images"]:
        assert (tmp_path / "again" / image).read_bytes() == (folder / image).read_bytes()


def test_parts_share_no_place(folder, tmp_path):
    write_held_out_pairs(tmp_path / "other", None, 10, longer_side=64, part="calibration")
    other = json.loads((tmp_path / "other" / "pairs.json").read_text())["pairs"]
    places = {pair["name"].split("/")[0] for pair in other}
    assert places.isdisjoint(p.name.split("/")[0] for p in read_pairs(folder / "pairs.json").pairs)


def test_a_folder_is_never_written_over(folder):
    with pytest.raises(ConfigError, match="exists; name a new folder"):
        write_held_out_pairs(folder, None, 1)
    with pytest.raises(ConfigError, match="'trial' is not one of test, calibration"):
        write_held_out_pairs(folder / "new", None, 1, part="trial")
