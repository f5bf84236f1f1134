# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0

import dataclasses

import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.model import ModelConfig

VARIANTS = (ModelConfig.large(), ModelConfig.large_224(), ModelConfig.tiny())


@pytest.mark.parametrize("config", VARIANTS, ids=lambda config: config.variant)
def test_survives_a_dictionary(config):
    assert ModelConfig.from_dict(dataclasses.asdict(config)) == config


def test_the_224_variant_differs_in_its_input_alone():
    large = ModelConfig.large()
    same = dataclasses.replace(large, variant="large-224", image_size=224, crop="square")
    assert ModelConfig.large_224() == same


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder_depth": 0}, "encoder_depth is 0; it must be a positive integer"),
        ({"image_size": "256"}, "image_size is '256'; it must be a positive integer"),
        ({"head_dim": True}, "head_dim is True; it must be a positive integer"),
        ({"crop": "round"}, "crop is 'round'; it must be one of grid, square"),
        ({"image_size": 250}, "image_size is 250; it must be a multiple of patch_size 16"),
        ({"decoder_dim": 200}, "decoder_dim is 200; it must be a multiple of 4 x decoder_heads"),
    ],
)
def test_a_value_that_cannot_be_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(ModelConfig.tiny(), **change)


def test_unknown_and_missing_fields_are_named():
    values = dataclasses.asdict(ModelConfig.tiny())
    values["depth"] = values.pop("encoder_depth")
    with pytest.raises(ConfigError, match=r"missing \['encoder_depth'\], unknown \['depth'\]"):
        ModelConfig.from_dict(values)
