# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings are read exactly, and whatever does not fit is named with its file and key."""

from pathlib import Path

import pytest
import yaml

from geloc3r_ros.errors import ConfigError
from geloc3r_training.config import TrainingConfig, load_config
from geloc3r_training.gcr import GcrConfig

FOLDER = Path(__file__).parents[2] / "config" / "training"
FILES = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "ablation.yaml"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_of_settings_loads(path):
    config = load_config(path)
    assert TrainingConfig.from_dict(config.as_dict()) == config


def test_overrides_reach_every_level(smoke):
    config = load_config(
        smoke,
        ["seed=3", "stages.1.learning_rate=1e-4", "stages.2.gcr.threshold=3", "data.views=4"],
    )
    assert config.seed == 3
    assert config.stages[1].learning_rate == 1e-4
    assert config.stages[2].gcr.threshold == 3.0
    assert isinstance(config.stages[2].gcr.threshold, float)
    assert config.data.views == 4
    assert config.network.model_config().encoder_dim == 48


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.worker=2", r"tiny_smoke.yaml: data has no setting 'worker'; there are .*workers"),
        ("seed=red", "tiny_smoke.yaml: seed is 'red'; it must be an integer"),
        ("seed=true", "seed is True; it must be an integer"),
        ("seed=256", "seed is 256; it must be at least 0 and at most 255"),
        ("stages.0.learning_rate=0", "stages.0.learning_rate is 0; it must be above 0"),
        ("stages.0.objective=poses", "choose one of simulated, matching, pose"),
        ("precision=fp16", "precision is 'fp16'; choose one of auto, fp32, bf16"),
        ("data.sizes=[[48]]", r"data.sizes.0 is \[48\]; it must be a list of 2"),
        ("data.sizes=[[48, 60]]", "multiples of 16 fit"),
        ("data.pairs_per_scene=2", "2 views make 1"),
        ("network.changes.width=9", "no dimension 'width'"),
        ("network.changes.encoder_dim=50", "encoder_dim is 50; it must be a multiple of"),
        ("stages.2.gcr.points=3", "gcr.points is 3; a pose takes 4 or more"),
        ("stages.2.gcr.coarse_stride=6", "coarse_stride is 6; the descriptors are 4 pixels apart"),
        ("stages=[]", "stages is empty"),
        ("stages.0.auxiliary.attention_block=2", "the decoder has 2 blocks"),
        ("stages.0.objective=matching", "rounds is 0.5; objective matching .* leave it at 0"),
        ("network.variant=large", "rounds is 0.5; objective pose of design reloc3r has no"),
        ("stages.7.steps=1", "leads to no setting"),
        (
            "stages.1={objective: matching, steps: 1, batch_size: 8, learning_rate: 1, "
            "auxiliary: {attention: 0, match: 0, translation: 1}}",
            "objective matching has no term that teaches it: give auxiliary.correlation",
        ),
        (
            "stages.0={objective: simulated, steps: 1, batch_size: 8, learning_rate: 1, "
            "reliefs: 0.5}",
            "reliefs is 0.5, of no photographs",
        ),
        ("seed", "'seed' is no override"),
    ],
)
def test_what_does_not_fit_is_named(smoke, change, message):
    with pytest.raises(ConfigError, match=message):
        load_config(smoke, [change])


@pytest.mark.parametrize(
    "change", ["stages.1.auxiliary.correlation=1", "stages.1.objective=simulated"]
)
def test_what_design_matching_alone_has_is_refused_elsewhere(change):
    large = next(path for path in FILES if path.stem == "large")
    with pytest.raises(ConfigError, match="is for design matching; large is of design reloc3r"):
        load_config(large, [change])


def test_what_would_have_no_effect_is_refused(smoke):
    stage = "{objective: simulated, steps: 1, batch_size: 8, learning_rate: 1, reliefs: 0.5}"
    with pytest.raises(ConfigError, match="simulated sees no images"):
        load_config(smoke, ["data.photographs=photographs", f"stages.0={stage}"])
    mixture = "mixture={parts: [{dataset: recording, root: a, pairs: 1}], cache: c}"
    with pytest.raises(ConfigError, match="whose poses have errors of their own"):
        load_config(smoke, [mixture, "data.pose_error=[1, 0.01]"])


def test_a_setting_of_gcr_leaves_the_others_alone(smoke):
    values = yaml.safe_load(smoke.read_text())
    values["stages"][2]["gcr"] = {"direct_weight": 0.4}
    gcr = TrainingConfig.from_dict(values).stages[2].gcr
    assert gcr == GcrConfig.tiny(direct_weight=0.4)


def test_what_is_missing_is_named(tmp_path, smoke):
    values = yaml.safe_load(smoke.read_text())
    del values["stages"][0]["steps"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"mine.yaml: stages.0.steps is missing"):
        load_config(path)


@pytest.mark.parametrize("text", ["- a list", "key: [", None])
def test_a_file_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_config(path)
