# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which cases there are, and what follows from a measurement."""

import pytest
from helpers.bench_data import measurement

from geloc3r_ros.bench.cases import PLAIN, cases_of, without_baseline
from geloc3r_ros.errors import ConfigError

SETTINGS = {
    "weights": ["tiny", "large"],
    "backends": ["torch"],
    "precisions": ["fp32", "bf16"],
    "sizes": ["640x480"],
    "modes": ["pair", "stream"],
    "device": "cpu",
    "runs": 3,
}


def test_all_combinations_after_their_baseline():
    cases = cases_of(**SETTINGS)
    assert [case.label for case in cases[:5]] == [
        "tiny 640x480 pair plain fp32",
        "tiny 640x480 pair torch fp32",
        "tiny 640x480 stream torch fp32",
        "tiny 640x480 pair torch bf16",
        "tiny 640x480 stream torch bf16",
    ]
    assert [case.backend == PLAIN for case in cases] == [True, *[False] * 4] * 2


def test_an_export_has_no_baseline(tmp_path):
    (tmp_path / "geloc3r.json").write_text("{}")
    cases = cases_of(**{**SETTINGS, "weights": [str(tmp_path)], "backends": ["onnx"]})
    assert [case.backend for case in cases] == ["onnx"] * 4


@pytest.mark.parametrize("name", ["tiny", "large"])
def test_a_folder_does_not_hide_the_weights_of_its_name(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "geloc3r.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert not without_baseline(name)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"sizes": ["640"]}, "'640' is not WIDTHx"),
        ({"sizes": ["640x0"]}, "'640x0' has no pixels"),
        ({"runs": 0}, "0 runs"),
    ],
)
def test_what_is_no_case_is_told(setting, message):
    with pytest.raises(ConfigError, match=message):
        cases_of(**{**SETTINGS, **setting})


def test_the_network_is_all_from_upload_to_head():
    m = measurement(stages={"image": [9.0], "upload": [1.0], "encode": [2.0], "head": [4.0]})
    assert m.network == [7.0]


def test_the_floor_is_the_longer_of_arithmetic_and_reading():
    assert measurement(arithmetic=6e9, rate=3e9, weight_bytes=10, bandwidth=10).floor == 2
    assert measurement(arithmetic=6e9, rate=3e9, weight_bytes=50, bandwidth=10).floor == 5
