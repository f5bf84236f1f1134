# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of any name and value: taken as they are meant, or refused in words."""

import contextlib

import pytest
from helpers.damage import check_words, refused_in_words
from hypothesis import example, given
from hypothesis import strategies as st
from rclpy.validate_full_topic_name import validate_full_topic_name

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.nodes.parameters import PARAMETERS, Settings, check, unknown

# What a ROS parameter can hold.
INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    st.none(), st.booleans(), INTEGERS, st.floats(), st.text(), st.lists(st.text(), max_size=4)
)
NAMES = st.sampled_from(sorted(PARAMETERS))


@given(st.dictionaries(st.one_of(NAMES, st.text()), VALUES, max_size=5))
def test_values(values):
    with refused_in_words():
        if words := unknown(values):
            raise ConfigError("; ".join(words))
    with refused_in_words():
        known = {name: value for name, value in values.items() if name in PARAMETERS}
        checked = {name: check(PARAMETERS[name], value) for name, value in known.items()}
        for name, value in checked.items():
            assert type(value) is PARAMETERS[name].kind
        Settings.from_values(checked).check()


PARTS = st.text("aZ09_/", max_size=8)


@given(st.lists(st.one_of(PARTS, st.text(max_size=5)), min_size=2, max_size=3))
@example(["a", "b" * 300])
@example(["a", "b\n"])
@example(["a__b", "c_"])
@example(["a", "é"])
def test_names_of_cameras_that_pass_are_topics(names):
    """The longest topic of a camera, in a node without a namespace."""
    try:
        cameras = check(PARAMETERS["cameras"], names)
    except ConfigError as error:
        check_words(str(error))
        return
    for camera in cameras:
        validate_full_topic_name(f"/geloc3r/{camera}/pose_with_covariance")


@given(st.lists(st.text(), max_size=3))
def test_names_of_frames(names):
    with contextlib.suppress(ConfigError):
        assert check(PARAMETERS["frame_ids"], names) == tuple(names)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_no_parameter_takes_nan(name):
    with pytest.raises(ConfigError):
        check(PARAMETERS[name], float("nan"))
