# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Updates: the schedule by hand, skipped steps, freezing, and what passes between stages."""

import copy
import dataclasses

import pytest
import torch
from accelerate import Accelerator

from geloc3r_ros.errors import ConfigError
from geloc3r_training.config import StageConfig
from geloc3r_training.objectives import own_teacher
from geloc3r_training.stage import Stage, learning_rate


@pytest.fixture
def stage_of(toy):
    def make(index, parts=None, changes=()):
        return Stage(toy(*changes), index, parts or {}, None, Accelerator(cpu=True))

    return make


def test_learning_rate_by_hand():
    config = StageConfig(
        objective="pose",
        steps=110,
        batch_size=1,
        learning_rate=1.0,
        warm_up_steps=10,
        final_rate=0.2,
    )
    rates = [learning_rate(config, step) for step in (0, 4, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.6, 0.2])
    assert learning_rate(config, 60, restarted=60) == pytest.approx(0.6 / 200)


def test_an_update_moves_weights_and_their_average(stage_of, wall):
    stage = stage_of(0)
    before = copy.deepcopy(stage.objective.parts.state_dict())
    stage.update(wall, 0)
    after, average = stage.objective.parts.state_dict(), stage.average.state_dict()
    name = "network.decoder_embed.weight"
    assert not torch.equal(after[name], before[name])
    # The first decay is 1 / 10.
    assert torch.allclose(average[name], 0.1 * before[name] + 0.9 * after[name], atol=1e-7)
    assert stage.skipped.tolist() == [0, 0]


def test_a_step_that_is_not_finite_is_skipped_and_counted(stage_of, wall):
    stage = stage_of(0)
    stage.update(wall, 0)
    before = copy.deepcopy(stage.objective.parts.state_dict())
    optimizer = copy.deepcopy(stage.optimizer.state_dict()["state"])
    spoilt = dataclasses.replace(wall, T_2_1=wall.T_2_1 * torch.nan)
    for step in (1, 2):
        stage.update(spoilt, step)
    assert stage.skipped.tolist() == [2, 2]
    for name, tensor in stage.objective.parts.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    for key, state in stage.optimizer.state_dict()["state"].items():
        assert all(torch.equal(value, optimizer[key][name]) for name, value in state.items())
    stage.update(wall, 3)
    assert stage.skipped.tolist() == [2, 0]


def test_frozen_parts_stay(stage_of, wall):
    stage = stage_of(0, changes=["stages.0.freeze=[patch_embed, enc_blocks]"])
    before = copy.deepcopy(stage.network.state_dict())
    stage.update(wall, 0)
    # Those two have no slope: in the first round there is no direction to correct yet.
    idle = "norm_y.bias", "first.trust.bias", "first.damping"
    for name, tensor in stage.objective.network.state_dict().items():
        frozen = name.startswith(("patch_embed", "enc_blocks"))
        assert torch.equal(tensor, before[name]) == frozen or name.endswith(idle), name


def test_the_fusion_transformer_learns_at_a_rate_of_its_own(stage_of, wall):
    parts = stage_of(1).average.state_dict()
    stage = stage_of(2, parts, changes=["stages.2.gcr.fusion_rate=8", "stages.2.warm_up_steps=0"])
    stage.update(wall, 0)
    fusion = {id(one) for one in stage.objective.parts["consistency"].parameters()}
    rates = {group["lr"]: group["params"] for group in stage.optimizer.param_groups}
    slow, fast = sorted(rates)
    assert (slow, fast) == pytest.approx((5e-4, 4e-3))
    assert {id(one) for group in stage.optimizer.param_groups for one in group["params"]
            if group["lr"] == fast} == fusion  # fmt: skip
    assert {id(one) for group in stage.optimizer.param_groups for one in group["params"]} == {
        id(one) for group in stage.clipped for one in group
    }


def test_what_does_not_exist_cannot_be_frozen(stage_of):
    with pytest.raises(ConfigError, match=r"no part 'encoder'; there are all, patch_embed"):
        stage_of(0, changes=["stages.0.freeze=[encoder]"])


def test_gradient_norms_leave_the_update_alone(stage_of, wall):
    plain, watched = stage_of(0), stage_of(0)
    plain.update(wall, 0)
    _, norms = watched.update(wall, 0, with_gradients=True)
    terms = {"pose", "rounds", "attention", "match", "translation", "coarse", "fine"}
    assert set(norms) == terms
    assert all(norm > 0 for norm in norms.values())
    for a, b in zip(plain.objective.parameters(), watched.objective.parameters()):
        assert torch.equal(a, b)


def test_a_fusion_transformer_that_learns_leaves_the_network_alone(stage_of, wall):
    """GCR whose losses for the network count nothing trains it to the bit as L_pose does."""
    parts = stage_of(1).average.state_dict()
    idle = ["stages.2.gcr.direct_weight=0", "stages.2.gcr.descriptor_weight=0", "clip_norm=0.01"]
    plain = stage_of(2, parts, changes=[*idle, "stages.2.objective=pose"])
    watched = stage_of(2, parts, changes=[*idle, "stages.2.gcr.fusion_weight=100"])
    plain.objective.load_state_dict(
        {k: v for k, v in watched.objective.state_dict().items()
         if k in plain.objective.state_dict()}
    )  # fmt: skip
    for step in (10, 11):
        plain.update(wall, step)
        _, norms = watched.update(wall, step, with_gradients=True)
    assert norms["fusion"] > 0.01
    expected = plain.objective.network.state_dict()
    for name, tensor in watched.objective.network.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_descriptors_leave_the_network_as_it_is(stage_of, wall):
    stage = stage_of(1)
    before = copy.deepcopy(stage.objective.parts.state_dict())
    result, _ = stage.update(wall, 0)
    assert set(result.terms) == {"infonce"}
    for name, tensor in stage.objective.parts.state_dict().items():
        assert torch.equal(tensor, before[name]) != name.startswith("descriptor."), name


def test_gcr_is_taught_by_the_stage_before(stage_of, wall):
    with pytest.raises(ConfigError, match="no teacher: put a stage descriptors before it"):
        stage_of(2)
    descriptors = stage_of(1)
    descriptors.update(wall, 0)
    parts = descriptors.average.state_dict()
    stage = stage_of(2, parts)
    frozen = stage.objective.teacher.state_dict()
    for name in ("decoder_embed.weight", "dec_norm.bias"):
        assert torch.equal(frozen[f"trunk.{name}"], parts[f"network.{name}"])
        assert torch.equal(stage.network.state_dict()[name], parts[f"network.{name}"])
    result, _ = stage.update(wall, 10)
    assert {"pose", "direct", "descriptor", "fusion", "match"} <= set(result.terms)
    assert result.total.item() == pytest.approx(sum(t.item() for t in result.terms.values()))
    assert all(torch.equal(x, frozen[n]) for n, x in stage.objective.teacher.state_dict().items())
    again = own_teacher(stage.network, stage.state()["teacher"])
    assert all(torch.equal(x, frozen[n]) for n, x in again.state_dict().items())


def test_pairs_without_depth_train_the_pose_alone(stage_of, wall):
    parts: dict = {}
    blind = dataclasses.replace(wall, depth=torch.zeros_like(wall.depth))
    for index in range(3):
        stage = stage_of(index, parts)
        result, _ = stage.update(blind, 10)
        costly = {name for name, term in result.terms.items() if term > 0}
        assert costly == (set() if index == 1 else {"pose", "rounds"})
        assert stage.skipped.tolist() == [0, 0]
        parts = {**parts, **stage.average.state_dict()}
