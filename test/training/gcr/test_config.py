# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_training.gcr import GcrConfig


def test_the_presets():
    paper, tiny = GcrConfig.paper(), GcrConfig.tiny()
    assert (paper.points, paper.dim, paper.layers, paper.heads) == (1024, 256, 4, 8)
    assert (tiny.points, tiny.dim, tiny.layers) == (256, 64, 2)
    assert (paper.hypotheses, tiny.hypotheses, tiny.candidates) == (256, 64, 2)
    assert (paper.direct_weight, paper.descriptor_weight, paper.fusion_weight) == (0.5, 0.1, 1.0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("observation", "seen", r"gcr.observation is 'seen'; choose one of \['matched', 'gt'\]"),
        ("points", 3, "gcr.points is 3; a pose takes 4 or more"),
        ("hypotheses", 0, "gcr.hypotheses is 0; it must be > 0"),
        ("direct_weight", -1.0, "gcr.direct_weight is -1.0; it must be >= 0"),
        ("threshold", float("nan"), "gcr.threshold is nan; it must be > 0"),
        ("layers", 2.5, r"gcr.layers is 2.5; give a number \(int\)"),
        ("dim", 65, "gcr.dim is 65; it must be a multiple of gcr.heads = 2"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_it(field, value, message):
    with pytest.raises(ConfigError, match=message):
        GcrConfig.tiny(**{field: value})


def test_weights_may_be_zero_and_floats_whole_numbers():
    assert GcrConfig(direct_weight=0, threshold=3).threshold == 3


def test_the_ramp_is_linear_after_the_warm_up():
    config = GcrConfig(warm_up_steps=100, ramp_steps=50)
    assert [config.ramp(step) for step in (0, 100, 125, 150, 999)] == [0, 0, 0.5, 1, 1]
    assert GcrConfig(warm_up_steps=0, ramp_steps=0).ramp(1) == 1
