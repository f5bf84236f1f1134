# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from rich.console import Console

from geloc3r_ros.errors import ConfigError
from geloc3r_training.ablation import evaluate_heads, load_ablation, train_heads
from geloc3r_training.ablation_report import HeadErrors, difference, read_test, write_report

SHIPPED = Path(__file__).parents[2] / "config" / "training" / "ablation.yaml"
TOY = (
    "training.network.start=tiny",
    "training.data.sizes=[[48, 64]]",
    "training.data.textures=null",
    "training.data.texture_count=4",
    "training.data.workers=0",
    "training.validation.batch_size=5",
    "training.gradients_every=1",
    "training.stages.0.steps=3",
    "training.stages.0.batch_size=5",
    "training.stages.0.warm_up_steps=0",
    "training.stages.0.gcr.points=32",
    "training.stages.0.gcr.hypotheses=8",
    "training.stages.0.gcr.warm_up_steps=0",
    "training.stages.0.gcr.ramp_steps=0",
    "seeds=[4]",
    "test_pairs=60",
)
ARMS = "arms={pose: [stages.0.objective=pose], GCR: [], twin: []}"


def run(folder, *changes, minutes=None):
    """Train and test; returns what came of it."""
    config = load_ablation(SHIPPED, (*TOY, ARMS, *changes))
    rest = (folder, Console(quiet=True), Accelerator(cpu=True), minutes)
    while not train_heads(config, 4, *rest):
        pass
    while not evaluate_heads(config, *rest):
        pass
    return config, read_test(config, folder)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Its folder, and what came of it; not to be changed."""
    folder, threads = tmp_path_factory.mktemp("ablation"), torch.get_num_threads()
    torch.set_num_threads(1)  # as in all tests of trainings
    config, tested = run(folder)
    torch.set_num_threads(threads)
    return folder, config, tested


def test_arms_differ_by_their_losses_alone_and_the_page_says_by_how_much(unbroken):
    folder, config, tested = unbroken
    assert tested.names == ["start", "pose", "GCR", "twin"]
    assert tested.rotation.shape[:2] == (4, 1)
    assert 30 < tested.rotation.shape[2] <= 60
    start, pose, gcr, twin = tested.rotation
    assert np.array_equal(gcr, twin)
    assert not np.array_equal(gcr, pose)
    assert not np.array_equal(start, pose)
    page = write_report(config, folder).read_text()
    assert "3 arms, 1 seeds of 15 training pairs" in page
    assert "| twin | +0.00 [+0.00, +0.00] |" in page
    assert "gate open" in page
    logged = json.loads((folder / "seed4.json").read_text())
    assert logged["GCR"]["gradient/direct"] > 0
    assert "gradient/direct" not in logged["pose"]
    assert (folder / "ablation.png").stat().st_size > 10_000


def test_an_ablation_goes_on_as_if_never_stopped(unbroken, tmp_path):
    *_, whole = unbroken
    _, parts = run(tmp_path, minutes=0)
    assert np.array_equal(whole.rotation, parts.rotation)
    assert np.array_equal(whole.direction, parts.direction)


def test_an_arm_that_trains_more_than_the_head_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="arm pose trains more than the pose head"):
        run(tmp_path, "training.stages.0.freeze=[enc_blocks]")


def test_arms_that_lead_to_no_setting_are_refused():
    with pytest.raises(ConfigError, match=r"arm odd.*no setting 'gcrs'"):
        load_ablation(SHIPPED, (*TOY, "arms={odd: [stages.0.gcrs.points=3]}"))


@pytest.mark.parametrize(
    "change",
    [
        "training.stages.0.learning_rate=0.1",
        "arms.twin=[stages.0.gcr.direct_weight=7]",
        "test_pairs=70",
    ],
)
def test_another_ablation_does_not_go_on(unbroken, change):
    folder, *_ = unbroken
    with pytest.raises(ConfigError, match="other settings"):
        run(folder, change)


@pytest.mark.parametrize(
    "change",
    [
        "data.rotation=10",
        "stages.0.steps=9",
        "average=0.5",
        "stages.0.auxiliary.attention=1",
        "data.sizes=[[48, 64]]",
    ],
)
def test_an_arm_that_changes_what_all_share_is_refused(change):
    key = change.partition("=")[0]
    two_sizes = "training.data.sizes=[[48, 64], [64, 48]]"
    with pytest.raises(ConfigError, match=f"arm odd changes {key}.*, which all arms share"):
        load_ablation(SHIPPED, (*TOY, two_sizes, f"arms={{odd: ['{change}']}}"))


def test_an_ablation_on_recordings_is_refused():
    part = "{dataset: bag, root: drives, pairs: 8}"
    mixture = f"training.mixture={{parts: [{part}], cache: cache}}"
    with pytest.raises(ConfigError, match=r"training\.mixture is given, but arms"):
        load_ablation(SHIPPED, (*TOY, mixture))


def test_arms_that_see_other_depths_are_given_other_observations(tmp_path):
    arms = "arms={GCR: [], loose: [stages.0.gcr.depth_tolerance=0.5]}"
    run(tmp_path, "training.stages.0.steps=1", "test_pairs=5", arms)
    logged = json.loads((tmp_path / "seed4.json").read_text())
    assert logged["GCR"]["pairs/covisibility"] < logged["loose"]["pairs/covisibility"]


def test_scores_are_the_area_under_the_recall():
    errors = np.radians([[[0.0, 5.0, 30.0]], [[10.0, 5.0, 30.0]]])
    tested = HeadErrors(["a", "b"], errors, np.zeros_like(errors), np.zeros_like(errors))
    np.testing.assert_allclose(tested.scores("a", 20), [[1.0, 0.75, 0.0]])
    np.testing.assert_allclose(tested.scores("b", 10), [[0.0, 0.5, 0.0]], atol=1e-12)


def test_the_interval_holds_the_mean_of_paired_differences():
    generator = np.random.default_rng(0)
    a = generator.random((2, 1000))
    value, low, high = difference(a, a + 0.1 + 0.2 * generator.standard_normal((2, 1000)))
    assert value == pytest.approx(0.1, abs=0.02)
    # 1.96 standard errors, of the mean over two seeds: 0.2 / sqrt(2) / sqrt(1000).
    assert high - low == pytest.approx(2 * 1.96 * 0.2 / 2**0.5 / 1000**0.5, rel=0.15)
    assert low < value < high


@pytest.fixture(autouse=True)
def _small_files(monkeypatch):
    monkeypatch.setattr("geloc3r_training.ablation.TEST_BATCHES", 4)
    torch.set_num_threads(1)


def test_changed_settings_keep_the_order_of_the_arms():
    names = list(load_ablation(SHIPPED, TOY).arms)
    assert names[:3] == ["pose", "idle GCR", "larger pose weight"]
