# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters, its checks, and the files made from it."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.nodes.parameters import (
    PARAMETERS,
    Settings,
    check,
    markdown_table,
    unknown,
    yaml_text,
)

ROOT = Path(__file__).parents[2]
DEFAULTS = {name: parameter.default for name, parameter in PARAMETERS.items()}


def test_settings_without_values_are_the_defaults_and_agree():
    assert Settings.from_values({}) == Settings.from_values(DEFAULTS) == Settings()
    Settings().check()


def test_a_dotted_name_is_a_field():
    settings = Settings.from_values({"sync.slop": 0.5, "cameras": ["front", "left/wide", "B2"]})
    assert settings.sync_slop == 0.5
    assert settings.cameras == ("front", "left/wide", "B2")


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_default_is_allowed(name):
    assert check(PARAMETERS[name], DEFAULTS[name]) == DEFAULTS[name]


@pytest.mark.parametrize("name", [name for name in PARAMETERS if PARAMETERS[name].low is not None])
def test_both_limits_are_allowed_and_no_further(name):
    parameter = PARAMETERS[name]
    kind, low, high = parameter.kind, parameter.low, parameter.high
    assert (check(parameter, kind(low)), check(parameter, kind(high))) == (low, high)
    for value in (kind(low) - 1, kind(high) + 1):
        with pytest.raises(ConfigError) as error:
            check(parameter, value)
        assert str(error.value) == f"{name} is {value!r}; it takes {parameter.allowed}"


@pytest.mark.parametrize("name", [name for name in PARAMETERS if PARAMETERS[name].choices])
def test_every_choice_is_allowed_and_nothing_else(name):
    parameter = PARAMETERS[name]
    for choice in parameter.choices:
        assert check(parameter, choice) == choice
    with pytest.raises(ConfigError) as error:
        check(parameter, "banana")
    choices = ", ".join(parameter.choices)
    assert str(error.value) == f"{name} is 'banana'; it takes {choices}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rectify", "yes", "rectify is 'yes'; it takes true, false"),
        ("rectify", 1, "rectify is 1; it takes true, false"),
        ("weights", 3, "weights is 3; it takes any string"),
        ("weights", None, "weights is None; it takes any string"),
        ("tf.timeout", "0.1", "tf.timeout is '0.1'; it takes 0 to 10"),
        ("tf.timeout", True, "tf.timeout is True; it takes 0 to 10"),
        ("tf.timeout", float("nan"), "tf.timeout is nan; it takes 0 to 10"),
        ("tf.timeout", float("inf"), "tf.timeout is inf; it takes 0 to 10"),
        ("sync.queue_size", 10.0, "sync.queue_size is 10.0; it takes integers 1 to 1000"),
        ("sync.queue_size", True, "sync.queue_size is True; it takes integers 1 to 1000"),
        ("frame_ids", "left", "frame_ids is 'left'; it takes list of strings"),
        ("frame_ids", [1, 2], "frame_ids is (1, 2); it takes list of strings"),
        ("cameras", ["left"], "cameras is ['left']; give two or more different names"),
        ("cameras", ["a", "b", "a"], "cameras is ['a', 'b', 'a']; give two or more different"),
        ("cameras", ["a", ""], "cameras has ''; a name is letters, digits and _ after a letter"),
        ("cameras", ["a", "/b"], "cameras has '/b'; a name is letters, digits and _"),
        ("cameras", ["a", "b/2"], "cameras has 'b/2'; a name is letters, digits and _"),
        ("cameras", ["a", "b/"], "cameras has 'b/'; a name is letters, digits and _"),
        ("cameras", ["a", "~b"], "cameras has '~b'; a name is letters, digits and _"),
    ],
)
def test_what_is_not_allowed_is_named_with_what_is(name, value, message):
    with pytest.raises(ConfigError) as error:
        Settings.from_values({name: value})
    assert str(error.value).startswith(message)


def test_an_integer_serves_as_a_float():
    value = check(PARAMETERS["tf.timeout"], 1)
    assert (value, type(value)) == (1.0, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"scale.source": "fixed"},
            "scale.baseline is 0.0 m; scale.source: fixed needs the distance of the cameras, "
            "above 0",
        ),
        (
            {"frame_ids": ["a"]},
            "frame_ids has 1 entries for 2 cameras; give one each, or none",
        ),
        (
            {"output_frame": "base", "base.frame": ""},
            "base.frame is empty; output_frame: base needs the frame's name",
        ),
        (
            {"cameras": ["a", "b", "c"], "invert_tf": True},
            "with 3 cameras, invert_tf: true gives one TF child",
        ),
        (
            {"cameras": ["a", "b", "c"], "output_frame": "base", "base.child_frame": "base_link"},
            "with 3 cameras, base.child_frame: base_link gives one TF child",
        ),
    ],
)
def test_values_at_odds_are_named(values, message):
    with pytest.raises(ConfigError) as error:
        Settings.from_values(values).check()
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "values",
    [
        {"scale.source": "fixed", "scale.baseline": 0.12},
        {"scale.source": "tf"},
        {"frame_ids": ["a", "b"]},
        {"output_frame": "base"},
        {"cameras": ["a", "b", "c"], "invert_tf": True, "publish_tf": False},
        {"cameras": ["a", "b", "c"], "output_frame": "base"},
    ],
)
def test_values_that_agree_pass(values):
    Settings.from_values(values).check()


def test_an_empty_list_which_ros_gives_no_type_is_one():
    assert check(PARAMETERS["frame_ids"], None) == ()


def test_an_unknown_name_is_told_with_the_nearest():
    assert unknown(["sync.slopp", "weight", "sync_slop", "xyz"]) == [
        "sync.slopp is no parameter; did you mean sync.slop?",
        "weight is no parameter; did you mean weights?",
        "sync_slop is no parameter; did you mean sync.slop?",
        "xyz is no parameter",
    ]


def test_what_ros_itself_understands_is_not_unknown():
    of_ros = ["use_sim_time", "start_type_description_service"]
    assert unknown([*PARAMETERS, *of_ros, "qos_overrides./left/image.subscription.depth"]) == []


def test_the_yaml_file_is_the_table():
    text = (ROOT / "config/geloc3r.yaml").read_text(encoding="utf-8")
    assert text == yaml_text(), "python -m geloc3r_ros.nodes.parameters yaml > config/geloc3r.yaml"
    loaded = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert Settings.from_values(loaded) == Settings()
    assert set(PARAMETERS) - set(loaded) == {"frame_ids"}  # an empty list has no type in ROS


def test_the_documentation_has_the_table():
    text = (ROOT / "docs/node.md").read_text(encoding="utf-8")
    begin, end = "<!-- parameters: begin -->\n", "<!-- parameters: end -->"
    table = text.split(begin)[1].split(end)[0].strip()
    assert table == markdown_table().strip(), "python -m geloc3r_ros.nodes.parameters markdown"


def test_the_table_of_the_documentation_has_a_row_a_parameter():
    rows = markdown_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(PARAMETERS)
    assert {row.count("|") for row in rows} == {7}
    assert rows[list(PARAMETERS).index("tf.timeout")] == (
        "| `tf.timeout` | `0.1` | 0 to 10 | s | any time "
        "| Longest wait for a TF at the stamp of a set. |"
    )


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().sync_slop = 1.0


def test_rectified_images_are_not_undistorted_again():
    settings = Settings.from_values({"rectify": True, "intrinsics.rectified": True})
    with pytest.raises(ConfigError, match="must not be undistorted again"):
        settings.check()
