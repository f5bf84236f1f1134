# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a dataset in its authors' layout to steps of GCR, by the public way."""

from pathlib import Path

import pytest
import yaml
from accelerate import Accelerator
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import SMALL, rendered
from rich.console import Console

from geloc3r_training.checkpoint import Checkpoint
from geloc3r_training.config import load_config
from geloc3r_training.data.datasets import open_dataset
from geloc3r_training.data.pair_selection import PairConfig
from geloc3r_training.data.preparation import prepare
from geloc3r_training.trainer import Trainer, starting_parts

FINE_TUNE = Path(__file__).parents[2] / "config" / "training" / "fine_tune.yaml"
ANY = SMALL, 80.0, 82.0, 46.0, 37.0
KINECT = (640, 480), 525.0, 525.0, 319.5, 239.5
SEVEN = (640, 480), 585.0, 585.0, 320.0, 240.0
# Those of the benchmarks too, on whose test split nobody should train in earnest.
LAYOUTS = {
    "co3d": (dataset_layouts.co3d, ANY),
    "megadepth": (dataset_layouts.megadepth, ANY),
    "blendedmvs": (dataset_layouts.blendedmvs, ANY),
    "scannetpp": (video_layouts.scannetpp, ANY),
    "arkitscenes": (video_layouts.arkitscenes, ANY),
    "tum": (video_layouts.tum, KINECT),
    "7scenes": (dataset_layouts.seven_scenes, SEVEN),
    "scannet1500": (video_layouts.scannet1500, SEVEN),
    "recording": (dataset_layouts.recording, ANY),
    "realestate10k": (video_layouts.realestate10k, ANY),
    "dl3dv": (video_layouts.dl3dv, ANY),
}


SELECTION = {"covisibility": [0.1, 1.0], "frame_gap": [1, 3]}


def prepare_pairs(name, folder):
    """Write a dataset to ``data`` and select its pairs into ``pairs``."""
    write, camera = LAYOUTS[name]
    write(folder / "data", rendered(*camera))
    config = PairConfig(covisibility=(0.1, 1.0), frame_gap=(1, 3))
    console = Console(quiet=True)
    return prepare(open_dataset(folder / "data"), config, folder / "pairs", 1, console)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_dataset_is_fine_tuned_on(name, tmp_path, toy):
    prepared = prepare_pairs(name, tmp_path)
    assert len(prepared[0].names) >= 3
    mixture = {
        "parts": [{"dataset": name, "root": str(tmp_path / "data"), "pairs": 100}],
        "cache": str(tmp_path / "pairs"),
        "sizes": [[48, 64]],
        "selection": SELECTION,
        "workers": 0,
    }
    settings = toy(
        f"mixture={yaml.safe_dump(mixture, default_flow_style=True, width=10_000).strip()}",
        "stages.0.steps=1",
        "stages.1.steps=1",
        "stages.2.steps=2",
        "stages.2.gcr.warm_up_steps=0",
        "stages.2.gcr.ramp_steps=1",
        *(f"stages.{i}.batch_size=2" for i in range(3)),
    )
    trainer = Trainer(settings, tmp_path / "run", Accelerator(cpu=True), Console(quiet=True))
    assert trainer.run()
    assert trainer.done
    assert trainer.stage.skipped.sum() == 0


def test_the_settings_of_fine_tuning_train_what_ships(tmp_path):
    prepare_pairs("recording", tmp_path)
    settings = load_config(
        FINE_TUNE,
        [
            f"mixture.parts.0.root={tmp_path / 'data'}",
            f"mixture.cache={tmp_path / 'pairs'}",
            "mixture.sizes=[[96, 128]]",
            f"mixture.selection={SELECTION}",
            "mixture.workers=0",
            "validation.pairs=2",
            *(f"stages.{i}.{name}" for i in range(3) for name in ("steps=1", "batch_size=2")),
            "stages.2.gcr.warm_up_steps=0",
        ],
    )
    trainer = Trainer(settings, tmp_path / "run", Accelerator(cpu=True), Console(quiet=True))
    assert trainer.run()
    before = starting_parts(settings)
    trained = []
    for index in range(3):
        after = Checkpoint.read(tmp_path / "run" / f"stage{index}.pt").state["average"]
        trained.append({n.split(".")[1] for n, x in before.items() if not x.equal(after[n])})
        before = {name: after[name] for name in before}
    assert {"matcher", "enc_blocks", "dec_blocks"} <= trained[0]
    assert "pose_head" not in trained[0]
    assert trained[1] == trained[2] == {"pose_head"}
