# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One stage of a training at work: its objective, optimiser, schedule and moving average."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from geloc3r_ros.model import GeLoc3r
from geloc3r_ros.model.match_head import MatchPoseHead
from geloc3r_ros.model.precision import computes_bf16
from geloc3r_training.config import StageConfig, TrainingConfig
from geloc3r_training.gcr import ConsistencyStep, Teacher, load_mast3r
from geloc3r_training.gcr.diagnostics import gradient_norms
from geloc3r_training.objective import Objective, Seen
from geloc3r_training.objectives import OBJECTIVES, own_teacher
from geloc3r_training.pairs import PairBatch

__all__ = ["Stage", "learning_rate"]

FUSION = "parts.consistency.fusion."
"""Names of the FusionTransformer's weights begin so."""

RESTART_STEPS = 200
"""Steps over which the learning rate rises again where the optimiser had to start afresh."""


def learning_rate(config: StageConfig, step: int, restarted: int | None = None) -> float:
    """Rate of a step: a linear rise, then half a cosine down to ``final_rate`` of the largest.

    Args:
        config: The stage.
        step: From 0.
        restarted: Step at which the optimiser started afresh.
    """
    rate = config.learning_rate * min(1.0, (step + 1) / max(config.warm_up_steps, 1))
    if restarted is not None:
        rate *= min(1.0, (step - restarted + 1) / RESTART_STEPS)
    done = max(step - config.warm_up_steps, 0) / max(config.steps - config.warm_up_steps, 1)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    return rate * (config.final_rate + (1.0 - config.final_rate) * cosine)


class Stage:
    """A stage, ready to be updated step by step.

    Args:
        config: The training.
        index: Which of its stages.
        parts: Weights of the stage before, by the names of ``Objective.parts``; what is not among
            them starts from random values.
        teacher: Weights of a teacher of our own, where the stage is continued.
        accelerator: Where it runs, and with whom.
    """

    def __init__(
        self,
        config: TrainingConfig,
        index: int,
        parts: Mapping[str, Tensor],
        teacher: Mapping[str, Tensor] | None,
        accelerator: Accelerator,
    ) -> None:
        self.training, self.config, self.accelerator = config, config.stages[index], accelerator
        torch.manual_seed(config.seed * len(config.stages) + index)
        network = _near_no_motion(GeLoc3r(config.network.model_config()))
        self.objective = OBJECTIVES[self.config.objective](
            self.config,
            network,
            self._teacher(network, teacher or parts),
            computes_bf16(accelerator.device)
            if config.precision == "auto"
            else config.precision == "bf16",
            config.seed,
        ).to(accelerator.device)
        known = self.objective.parts.state_dict()
        self.objective.parts.load_state_dict(
            {name: tensor for name, tensor in parts.items() if name in known}, strict=False
        )
        self.average = copy.deepcopy(self.objective.parts).requires_grad_(False)
        self.clipped = _clipped(self.objective)
        self.optimizer = _optimizer(self.config, self.objective)
        self.model: Objective = accelerator.prepare_model(self.objective)
        self.restarted: int | None = None
        self.skipped = torch.zeros(2, device=accelerator.device)  # in all, and in a row

    @property
    def network(self) -> GeLoc3r:
        """The network with averaged weights."""
        network = self.average["network"]
        assert isinstance(network, GeLoc3r)
        return network

    def update(
        self,
        batch: PairBatch,
        step: int,
        with_gradients: bool = False,
        seen: Seen | None = None,
    ) -> tuple[ConsistencyStep, dict[str, float]]:
        """Update the weights once; nothing here waits for a GPU, but for the gradients' norms.

        A loss or gradient that is not finite leaves weights and optimiser as they are, on all
        processes alike, and is counted in ``skipped``.

        Args:
            batch: This process's share of the pairs.
            step: Of the stage.
            with_gradients: Return the norm of each term's gradient, too.
            seen: What the network sees in the batch, where that is known.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * learning_rate(self.config, step, self.restarted)
        result = self.model(batch, step, seen)
        everything = self.objective.parameters()
        norms = gradient_norms(result.terms, everything) if with_gradients else {}
        # A loss that is not finite must spoil the gradient, which all processes see.
        spoilt = torch.where(result.total.detach().isfinite(), 1.0, torch.nan)
        self.accelerator.backward(result.total * spoilt)
        limit = self.training.clip_norm
        lengths = [torch.nn.utils.clip_grad_norm_(group, limit) for group in self.clipped]
        failed = (~torch.stack(lengths).isfinite()).any().float()
        # The fused AdamW passes over an update that is marked so, as it does for a GradScaler.
        self.optimizer.found_inf = failed  # type: ignore[attr-defined]
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.skipped = torch.stack((self.skipped[0] + failed, (self.skipped[1] + 1) * failed))
        self._update_average(step)
        return result, norms

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # In the first steps the weights change fast: a short memory follows them.
        decay = min(self.training.average, (1 + step) / (10 + step))
        averages = list(self.average.parameters())
        currents = list(self.objective.parts.parameters())
        get_ema_multi_avg_fn(decay)(averages, currents, step)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on as if never stopped, beside the step."""
        own = self.objective.teacher is not None and self.config.teacher is None
        return {
            "parts": self.objective.parts.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "teacher": _teacher_weights(self.objective.teacher) if own else None,
            "skipped": self.skipped,
            "restarted": self.restarted,
        }

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Go on from a state; where it has no optimiser, that one starts afresh and slowly."""
        self.objective.parts.load_state_dict(state["parts"])
        self.average.load_state_dict(state["average"])
        self.skipped = state["skipped"].to(self.accelerator.device)
        if state["optimizer"] is None:
            self.restarted = step
        else:
            self.restarted = state["restarted"]
            self.optimizer.load_state_dict(state["optimizer"])

    def _teacher(self, network: GeLoc3r, parts: Mapping[str, Tensor]) -> Teacher | None:
        if self.config.objective != "consistency":
            return None
        if self.config.teacher:
            return load_mast3r(Path(self.config.teacher))
        return own_teacher(network, parts)


def _near_no_motion(network: GeLoc3r) -> GeLoc3r:
    """Let a network from scratch say that nothing moved: a rotation by chance is 130 degrees."""
    head = network.pose_head
    if isinstance(head, MatchPoseHead):
        return network
    with torch.no_grad():
        head.fc_rot.weight.mul_(0.1)
        head.fc_rot.bias.copy_(torch.eye(3).flatten())
        head.fc_t.weight.mul_(0.1)
    return network


def _clipped(objective: Objective) -> list[list[nn.Parameter]]:
    """What is trained, in groups whose gradients are clipped each by itself.

    L_fusion trains the FusionTransformer alone: were they clipped together, its gradient would
    shorten the network's.
    """
    trained = [(name, p) for name, p in objective.named_parameters() if p.requires_grad]
    groups = ([p for name, p in trained if name.startswith(FUSION) == of] for of in (False, True))
    return [group for group in groups if group]


def _optimizer(config: StageConfig, objective: Objective) -> torch.optim.AdamW:
    """AdamW in groups, each with its ``rate``: the share of the stage's learning rate."""
    groups = []
    for weighs, rate in ((False, 1.0), (True, config.gcr.fusion_rate)):
        parameters = [
            parameter
            for name, parameter in objective.named_parameters()
            if parameter.requires_grad and name.startswith(FUSION) == weighs
        ]
        for matrices, decay in ((True, config.weight_decay), (False, 0.0)):
            chosen = [one for one in parameters if (one.ndim >= 2) == matrices]
            if chosen:
                groups.append({"params": chosen, "weight_decay": decay, "rate": rate})
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)


def _teacher_weights(teacher: Teacher | None) -> dict[str, Tensor]:
    """Weights of a teacher of our own, by the names of ``Objective.parts``."""
    assert teacher is not None
    names = {"trunk": "network", "heads": "descriptor"}
    renamed = {}
    for name, tensor in teacher.state_dict().items():
        part, _, rest = name.partition(".")
        renamed[f"{names[part]}.{rest}"] = tensor
    return renamed
