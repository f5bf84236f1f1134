# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""pairs.json: a good one is read, a bad one is refused with the pair and the key that is wrong."""

import json

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.pair_list import read_pairs

K = [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]]
GOOD = {"images": ["a.jpg", "b.jpg"], "T_a_b": np.eye(4).tolist()}


@pytest.fixture
def write(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()

    def write(content):
        path = tmp_path / "pairs.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_list_is_read(write, tmp_path):
    full = {**GOOD, "name": "second", "K": [K, K], "overlap": 0.25}
    pairs = read_pairs(write({"name": "mine", "pairs": [GOOD, full]}))
    assert pairs.name == "mine"
    first, second = pairs.pairs
    assert first.images == (tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (first.name, first.K) == ("a.jpg b.jpg", None)
    assert np.isnan(first.overlap)
    assert (second.name, second.overlap) == ("second", 0.25)
    assert np.array_equal(second.K[1], K)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "cannot read the pairs"),
        ([], "must be an object"),
        ({"pairs": []}, "one pair or more"),
        ({"pairs": [GOOD, 3]}, r"pairs\[1\]: 3 is not an object"),
        ({"pairs": [GOOD, GOOD]}, r"pairs\[1\]: the name 'a.jpg b.jpg' is taken"),
        ({"pairs": [{**GOOD, "Ks": 1}]}, r"unknown keys \['Ks'\]; known are .*'K'"),
        ({"pairs": [{"images": GOOD["images"]}]}, "T_a_b missing"),
        ({"pairs": [{**GOOD, "images": ["a.jpg"]}]}, "must be two paths"),
        ({"pairs": [{**GOOD, "images": ["a.jpg", "c.jpg"]}]}, "there is no file .*c.jpg"),
        ({"pairs": [{**GOOD, "T_a_b": [[1]]}]}, "T_a_b must be 4 rows of 4 finite numbers"),
        ({"pairs": [{**GOOD, "T_a_b": (2 * np.eye(4)).tolist()}]}, "no rigid transform"),
        ({"pairs": [{**GOOD, "K": [K]}]}, "K must be two matrices"),
        ({"pairs": [{**GOOD, "K": [K, np.zeros((3, 3)).tolist()]}]}, r"K\[1\] has focal lengths"),
        ({"pairs": [{**GOOD, "overlap": 2}]}, "overlap is 2; it must be a number from 0 to 1"),
    ],
)
def test_a_wrong_list_is_refused_in_plain_words(write, content, message):
    with pytest.raises(ConfigError, match=message):
        read_pairs(write(content))
