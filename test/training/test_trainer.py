# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole trainings of a few steps: going on, sharing, stopping, failing, learning."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from accelerate import Accelerator
from rich.console import Console

from geloc3r_ros.errors import ConfigError, WeightsError
from geloc3r_training.checkpoint import Checkpoint
from geloc3r_training.config import load_config
from geloc3r_training.sole_user import sole_user
from geloc3r_training.trainer import DivergedError, Trainer, _check_stages

SHORT = [
    "stages.0.steps=2",
    "stages.1.steps=1",
    "stages.2.steps=2",
    "stages.2.gcr.warm_up_steps=0",
    "stages.2.gcr.ramp_steps=1",
    *(f"stages.{i}.batch_size=2" for i in range(3)),
]


@pytest.fixture
def trainer(tmp_path, toy):
    def make(name, *changes, overfit=False):
        return Trainer(
            toy(*changes),
            tmp_path / name,
            Accelerator(cpu=True),
            Console(quiet=True),
            overfit=overfit,
        )

    return make


def assert_equal(a, b, where=""):
    """Equal to the last bit, at all levels."""
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}.{i}")
    else:
        assert a == b or a != a, where  # NaN where no pair was still


def test_stopping_and_going_on_changes_no_bit(tmp_path, trainer):
    assert trainer("unbroken", *SHORT).run()
    stops = 0
    while not trainer("broken", *SHORT).run(minutes=0):
        stops += 1
    assert stops == 4  # after each of 5 steps but the last
    one, other = (Checkpoint.read(tmp_path / n / "last.pt") for n in ("unbroken", "broken"))
    assert (one.stage, one.step) == (2, 2)
    assert_equal(vars(one), vars(other))


def test_stages_that_have_not_begun_may_change(tmp_path, trainer):
    trainer("run", *SHORT).run(minutes=0)
    assert Checkpoint.read(tmp_path / "run" / "last.pt").stage == 0
    longer = [*SHORT, "stages.1.steps=3"]
    while not trainer("run", *longer).run(minutes=0):
        pass
    assert Checkpoint.read(tmp_path / "run" / "stage1.pt").step == 3
    with pytest.raises(ConfigError, match=r"stages.1.steps = 3 and now 1: name another folder"):
        trainer("run", *SHORT)


def test_a_folder_belongs_to_its_settings(trainer):
    trainer("mine", *SHORT).run(minutes=0)
    trainer("mine", *SHORT, "log_every=7", "data.workers=1")
    with pytest.raises(ConfigError, match=r"stages.0.learning_rate = 0.001 and now 0.002"):
        trainer("mine", *SHORT, "stages.0.learning_rate=2e-3")


def test_a_damaged_checkpoint_is_named(tmp_path, trainer):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "last.pt").write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match=r"last.pt is no checkpoint"):
        trainer("mine")


def test_a_training_starts_from_another(tmp_path, trainer):
    trainer("first", *SHORT, "stages.0.steps=1").run(minutes=0)
    kept = Checkpoint.read(tmp_path / "first" / "stage0.pt").state["average"]
    start = f"network.start={tmp_path / 'first' / 'stage0.pt'}"
    second = trainer("second", *SHORT, start)
    assert_equal(dict(second.stage.objective.parts.state_dict()), dict(kept))


def test_a_checkpoint_of_another_network_is_refused(tmp_path, trainer):
    trainer("first", *SHORT, "stages.0.steps=1").run(minutes=0)
    start = f"network.start={tmp_path / 'first' / 'stage0.pt'}"
    with pytest.raises(WeightsError, match=r"dec_blocks\.2\..* is missing there and"):
        trainer("deeper", *SHORT, start, "network.changes.decoder_depth=3")
    with pytest.raises(WeightsError, match=r"stage0.pt is of another network: .*48.* there and"):
        trainer("wider", *SHORT, start, "network.changes.encoder_dim=96")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stages.2.freeze=[patch_embed.stm]", r"stages.2: freeze: no part 'patch_embed.stm'"),
        ("stages.2.teacher=nowhere.pth", r"stages.2: the teacher nowhere.pth is no file"),
        ("stages.0.freeze=[all]", r"stages.0: freeze \['all'\] leaves nothing to train by pose"),
        (
            "stages.0={objective: simulated, steps: 1, batch_size: 8, learning_rate: 1, "
            "freeze: [pose_head]}",
            r"stages.0: freeze \['pose_head'\] leaves nothing to train by simulated",
        ),
        (
            "stages.1={objective: consistency, steps: 1, batch_size: 8, learning_rate: 1, "
            "gcr: {dim: 64}}",
            "stages.2: gcr.dim is 32, and 64 in the stage before",
        ),
    ],
)
def test_what_a_later_stage_could_not_begin_with_is_found_at_once(trainer, change, message):
    with pytest.raises(ConfigError, match=message):
        trainer("run", *SHORT, change)


def test_training_that_diverges_stops(trainer):
    with pytest.raises(DivergedError, match=r"last 3 steps .*lower learning_rate"):
        trainer(
            "wild",
            "stages.0.learning_rate=1e30",
            "stages.0.warm_up_steps=0",
            "stages.0.batch_size=2",
            "clip_norm=1e30",
            "max_skipped=3",
            "log_every=1",
        ).run()


def test_a_folder_has_one_training_at_a_time(tmp_path, trainer):
    training = trainer("shared", *SHORT)
    with (
        sole_user(tmp_path / "shared"),
        pytest.raises(ConfigError, match=r"another process trains in .*shared"),
    ):
        training.run()
    assert training.step == 0
    training.run()
    assert training.done


@pytest.mark.parametrize("name", ["tiny", "tiny_smoke", "fine_tune", "large"])
def test_every_stage_of_the_settings_that_ship_can_begin(smoke, name):
    config = load_config(smoke.with_name(f"{name}.yaml"), ())
    _check_stages(config, processes=2)


def test_who_began_beside_another_training_does_not_write_over_it(tmp_path, trainer):
    late = trainer("shared", *SHORT)
    trainer("shared", *SHORT).run(minutes=0)
    before = (tmp_path / "shared" / "last.pt").read_bytes()
    with pytest.raises(ConfigError, match=r"another process trained in .*shared while"):
        late.run()
    assert (tmp_path / "shared" / "last.pt").read_bytes() == before


@pytest.mark.parametrize("between", ["pose", "consistency"])
def test_descriptors_teach_the_next_stage_alone(trainer, between):
    objectives = ("descriptors", between, "consistency")
    zero = "auxiliary: {attention: 0, match: 0, translation: 0}"
    stages = [
        f"{{objective: {name}, steps: 1, batch_size: 2, learning_rate: 1.0e-3, {zero}}}"
        for name in objectives
    ]
    with pytest.raises(ConfigError, match=r"stages\.2: stage consistency has no teacher"):
        trainer("run", "network.variant=large", f"stages=[{', '.join(stages)}]")


def test_where_nothing_can_be_locked_a_training_runs_with_a_warning(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.warns(UserWarning, match="cannot be locked"), sole_user(tmp_path):
        pass


def test_simulated_matches_of_one_batch_come_again(trainer):
    no_images = "stages.0.auxiliary={attention: 0, match: 0, translation: 0}"
    training = trainer("simulated", "stages.0.objective=simulated", no_images, overfit=True)
    batches = training._batches()
    assert next(batches) is next(batches)


def test_the_matches_of_one_batch_are_learnt_by_heart(trainer):
    steps = ["stages.0.steps=200", "stages.1.steps=1", "stages.2.steps=1"]
    fast = ["stages.0.learning_rate=5e-4", "stages.0.warm_up_steps=60"]
    alone = ["stages.0.objective=matching", "stages.0.auxiliary.rounds=0"]
    training = trainer("overfit", *alone, *steps, *fast, overfit=True)
    batch = next(training.pairs.of_stage(0, training.stage.config, 0, training.share))
    objective = training.stage.objective

    before = objective(batch, 0).terms["coarse"]
    training.run()
    assert objective(batch, 0).terms["coarse"] < 0.75 * before  # four cells share a truth


def two_processes(settings, folder, changes):
    command = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    command += ["--rdzv-endpoint=localhost:0", "-m", "geloc3r_training.train", "run"]
    return subprocess.Popen(
        [sys.executable, *command, str(settings), str(folder), *changes],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )


@pytest.mark.slow
def test_two_processes_agree_to_stop_between_log_lines(tmp_path, smoke):
    steps = ["stages.0.steps=1000000", "checkpoint_every=2", "log_every=1000000"]
    changes = [*steps, "data.workers=1", "data.sizes=[[48, 64]]", "stages.0.batch_size=4"]
    changes += [f"stages.{i}.batch_size=4" for i in (1, 2)]
    with two_processes(smoke, tmp_path / "two", changes) as run:
        while not (tmp_path / "two" / "last.pt").exists():
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.1)
        run.send_signal(signal.SIGTERM)
        output, errors = run.communicate(timeout=60)
    step = Checkpoint.read(tmp_path / "two" / "last.pt").step
    assert f"step {step} of stage 0 is kept" in " ".join(output.split()), errors


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path, trainer, smoke):
    changes = [
        "data.workers=0",
        "data.sizes=[[48, 64]]",
        "validation.pairs=4",
        "stages.2.gcr.warm_up_steps=0",
        "log_every=1",
        *(f"stages.{i}.steps=2" for i in range(3)),
        *(f"stages.{i}.batch_size=4" for i in range(3)),
        "precision=fp32",  # rounding to bf16 differs with the shares of a batch
    ]
    with two_processes(smoke, tmp_path / "two", changes) as run:
        _, errors = run.communicate()
    assert run.returncode == 0, errors
    trainer("one", *changes).run()
    one, two = (Checkpoint.read(tmp_path / n / "last.pt") for n in ("one", "two"))
    assert one.step == two.step == 2
    # Adam takes a gradient of nearly nothing for a step by its sign, which rounding decides, most
    # of all where the search and the settling of the head start from weights of zero.
    apart = [
        (tensor - two.state["parts"][name]).abs().flatten() > 2e-4
        for name, tensor in one.state["parts"].items()
    ]
    assert torch.cat(apart).float().mean() < 0.01
    assert one.metrics["pairs"] == two.metrics["pairs"]
