# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stages of design matching learn what they are for, and touch nothing else."""

import copy

import pytest
import torch
from accelerate import Accelerator

from geloc3r_training.pairs import Share
from geloc3r_training.simulated_matches import simulated_matches
from geloc3r_training.stage import Stage

STAGE = (
    "{{objective: {}, steps: 60, batch_size: 8, learning_rate: 1.0e-3, warm_up_steps: 20, "
    "freeze: [{}]}}"
)


def stage(toy, objective, freeze, auxiliary):
    torch.manual_seed(0)
    text = STAGE.format(objective, freeze)[:-1] + f", auxiliary: {{{auxiliary}}}}}"
    return Stage(toy(f"stages=[{text}]"), 0, {}, None, Accelerator(cpu=True))


def learn(stage, batches):
    before = copy.deepcopy(stage.objective.network.state_dict())
    losses = [stage.update(batch, step)[0].total.item() for step, batch in enumerate(batches)]
    after = stage.objective.network.state_dict()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    return losses, changed


def test_simulated_matches_teach_the_head_alone(toy):
    made = stage(toy, "simulated", "patch_embed, enc_blocks, matcher", "attention: 0, match: 0")
    batch = next(simulated_matches(0, 0, made.config, 0, Share(), 0, torch.device("cpu")))
    losses, changed = learn(made, [batch] * 60)
    assert changed == {"pose_head"}
    assert losses[-1] < 0.6 * losses[0]


def test_the_comparison_is_taught_without_a_pose(toy, wall):
    nothing_else = "attention: 0, match: 0, translation: 0, correlation: 1"
    made = stage(toy, "matching", "pose_head, patch_embed.stem", nothing_else)
    losses, changed = learn(made, [wall] * 60)
    assert {"patch_embed", "matcher", "dec_blocks"} <= changed
    assert "pose_head" not in changed
    assert losses[-1] < 0.8 * losses[0]


def test_terms_and_tallies_of_the_comparison(toy, wall):
    made = stage(
        toy, "pose", "patch_embed.stem", "attention: 0, match: 0, correlation: 1, rounds: 1"
    )
    result, _ = made.update(wall, 0)
    assert {"pose", "rounds", "coarse", "fine"} <= set(result.terms)
    right, counted = result.tallies["match/right_cell"]
    assert 0 <= right <= counted == 2 * 36  # either side sees six by six cells of the other


def test_pairs_that_share_views_cost_each_view_once(toy, wall):
    made = stage(toy, "pose", "patch_embed.stem", "attention: 0, match: 0")
    seen = []
    hook = made.objective.network.enc_norm.register_forward_hook(
        lambda module, inputs, output: seen.append(len(output))
    )
    doubled = {k: torch.cat((v, v)) for k, v in vars(wall).items() if k != "ids"}
    made.objective(type(wall)(**doubled, ids=(0, 1)), 0)
    hook.remove()
    assert seen == [2]


@pytest.mark.parametrize("part", ["all", "patch_embed.stem"])
def test_what_is_frozen_asks_for_no_gradient(toy, part):
    network = stage(toy, "pose", part, "attention: 0").objective.network
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen == [n for n, _ in network.named_parameters() if part == "all" or part in n]
