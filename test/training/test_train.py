# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command from nothing to weights that the estimator runs."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from geloc3r_ros.cli import app as geloc3r
from geloc3r_ros.errors import GeLoc3rError, WeightsError
from geloc3r_ros.inference.backends.torch import TorchBackend
from geloc3r_ros.model import GeLoc3r, load_weights, read_info
from geloc3r_training.checkpoint import SHARD_BYTES, Checkpoint
from geloc3r_training.data.mixture_config import MixtureConfig, PartConfig
from geloc3r_training.train import app

SHORT = [
    "data.workers=0",
    "validation.pairs=4",
    "stages.0.steps=4",
    "stages.1.steps=2",
    "stages.2.steps=2",
    *(f"stages.{i}.batch_size=2" for i in range(3)),
]


def call(command, *arguments):
    result = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory, smoke):
    folder = tmp_path_factory.mktemp("runs") / "smoke"
    assert "complete" in call(app, "run", smoke, folder, *SHORT, "--cpu")
    return folder


@pytest.fixture(scope="module")
def weights(folder):
    path = folder / "tiny.safetensors"
    call(app, "export", folder / "last.pt", path)
    return path


def test_a_training_leaves_checkpoints_and_logs(folder):
    names = {path.name for path in folder.iterdir()}
    assert names >= {"last.pt", "best.pt", "stage0.pt", "stage1.pt", "stage2.pt", "tensorboard"}
    assert not any(name.endswith(".partial") for name in names)


def test_weights_hold_the_network_alone_and_say_how_they_came_about(weights, folder):
    network, info = load_weights(weights)
    assert info.trained
    assert info.name == "smoke"
    assert info.recipe["settings"]["stages"][2]["objective"] == "consistency"
    assert info.recipe["validation"]["pairs"] + info.recipe["validation"]["still pairs"] == 4
    average = Checkpoint.read(folder / "last.pt").state["average"]
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, average[f"network.{name}"])


def test_the_estimator_runs_the_trained_head_bit_for_bit(weights, folder):
    checkpoint = Checkpoint.read(folder / "last.pt")
    trained = GeLoc3r(checkpoint.config.network.model_config())
    trained.load_state_dict(
        {
            name.removeprefix("network."): tensor
            for name, tensor in checkpoint.state["average"].items()
            if name.startswith("network.")
        }
    )
    rng = np.random.default_rng(0)
    images = [rng.integers(256, size=(48, 64, 3), dtype=np.uint8) for _ in range(2)]
    backend = TorchBackend(str(weights), "cpu", "fp32")
    views = backend.encode(images, [60.0, 60.0])
    raw_2_1, raw_1_2 = backend.decode(views[0], views[1:])
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    with torch.no_grad():
        both = trained.encode(batch, torch.tensor([60.0, 60.0]))
        expected = trained.decode(both.of(slice(1)), both.of(slice(1, None)))
    assert np.array_equal(raw_2_1, expected[0].numpy())
    assert np.array_equal(raw_1_2, expected[1].numpy())


def test_geloc3r_takes_the_weights(weights, tmp_path):
    assert "consistency" in call(geloc3r, "info", weights)
    import cv2

    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for seed, path in enumerate(paths):
        noise = np.random.default_rng(seed).integers(256, size=(48, 64, 3), dtype=np.uint8)
        cv2.imwrite(str(path), noise)
    assert "rotation" in call(geloc3r, "pose", *paths, "--weights", weights)


def test_half_precision_export(folder, tmp_path):
    call(app, "export", folder / "last.pt", tmp_path / "half.safetensors", "--dtype", "float16")
    assert read_info(tmp_path / "half.safetensors").dtype == "float16"


def test_the_recipe_names_what_it_is_told_and_no_folder_of_this_machine(folder, tmp_path):
    checkpoint, path = Checkpoint.read(folder / "last.pt"), tmp_path / "noted.safetensors"
    config = checkpoint.config
    data = dataclasses.replace(config.data, textures=str(tmp_path / "textures"))
    part = PartConfig(dataset="recording", root=str(tmp_path / "robot"), pairs=1)
    mixture = MixtureConfig(parts=(part,), cache=str(tmp_path / "cache"), sizes=((48, 64),))
    stages = tuple(dataclasses.replace(s, teacher=str(tmp_path / "t.pth")) for s in config.stages)
    config = dataclasses.replace(config, data=data, mixture=mixture, stages=stages)
    dataclasses.replace(checkpoint, config=config).write(tmp_path / "last.pt")
    notes = ["--note", "hardware=two cores", "--note", "date=2026-11-23"]
    call(app, "export", tmp_path / "last.pt", path, *notes)
    recipe = read_info(path).recipe
    assert (recipe["hardware"], recipe["date"]) == ("two cores", "2026-11-23")
    assert recipe["settings"]["data"]["textures"] == "textures"
    assert recipe["settings"]["mixture"]["parts"][0]["root"] == "robot"
    assert recipe["settings"]["stages"][2]["teacher"] == "t.pth"
    assert str(tmp_path) not in str(recipe)
    with pytest.raises(GeLoc3rError, match="--note 'fast' is not KEY=TEXT"):
        call(app, "export", tmp_path / "last.pt", path, "--note", "fast")


def test_a_packed_checkpoint_goes_on_elsewhere(folder, tmp_path, smoke):
    parts, other = tmp_path / "parts", tmp_path / "other"
    call(app, "pack", folder / "stage1.pt", parts)
    assert all(file.stat().st_size <= SHARD_BYTES for file in parts.iterdir())
    call(app, "unpack", parts, other)
    before, after = (Checkpoint.read(p) for p in (folder / "stage1.pt", other / "last.pt"))
    assert (after.stage, after.step, after.config) == (before.stage, before.step, before.config)
    for name, tensor in before.state["average"].items():
        assert torch.equal(tensor.half().float(), after.state["average"][name])
    assert "complete" in call(app, "run", smoke, other, *SHORT, "--cpu")
    with pytest.raises(GeLoc3rError, match=r"last.pt exists"):
        call(app, "unpack", parts, other)
    (parts / "weights-000.part").write_bytes(b"short")
    with pytest.raises(WeightsError, match="a part is missing or damaged"):
        call(app, "unpack", parts, tmp_path / "third")


def test_gcr_can_be_looked_at(folder, tmp_path):
    call(app, "picture", folder / "last.pt", tmp_path / "gcr.png", "--pair", 3)
    picture = cv2.imread(str(tmp_path / "gcr.png"))
    assert picture.shape[1] > 1000
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1000
    with pytest.raises(GeLoc3rError, match="is of stage pose; give one of stage consistency"):
        call(app, "picture", folder / "stage0.pt", tmp_path / "none.png")


def test_show_prints_settings_that_can_be_read_again(smoke, tmp_path):
    text = call(app, "show", smoke, "seed=5")
    assert yaml.safe_load(text)["seed"] == 5
    again = tmp_path / "again.yaml"
    again.write_text(text)
    assert call(app, "show", again) == text


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learnt(tmp_path, smoke):
    command = [sys.executable, "-m", "geloc3r_training.train", "run", "--cpu"]
    changes = ["stages.0.steps=100000", "checkpoint_every=2", "data.workers=1"]
    process = subprocess.Popen(
        [*command, str(smoke), str(tmp_path / "run"), *changes],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "last.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "stopped by SIGINT" in output
    assert "Traceback" not in output
    step = Checkpoint.read(tmp_path / "run" / "last.pt").step
    assert f"step {step} of stage 0 is kept" in " ".join(output.split())
