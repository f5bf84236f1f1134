# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each part of GCR adds: pose heads that differ in their losses alone, side by side.

All arms start from one checkpoint, share its frozen trunk, and see the same pairs in the same
order; each trains a pose head of its own. So whatever differs in the end is due to the losses, and
what is common is computed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console
from torch import Tensor

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.model import GeLoc3r
from geloc3r_ros.model.pose_head import pose_from_raw
from geloc3r_training.config import TrainingConfig
from geloc3r_training.gcr.correspondences import sample_correspondences
from geloc3r_training.gcr.diagnostics import add_tallies, means
from geloc3r_training.gcr.pairs import median_depth, scale_lengths, with_true_length
from geloc3r_training.gcr.sampling import pair_generators
from geloc3r_training.gcr.se3 import pose_errors, project, transform
from geloc3r_training.interrupt import Interrupt
from geloc3r_training.logbook import Logbook
from geloc3r_training.objective import Objective, Seen
from geloc3r_training.objectives import Consistency
from geloc3r_training.pairs import PairBatch, Pairs, Share
from geloc3r_training.stage import Stage
from geloc3r_training.trainer import starting_parts
from geloc3r_training.typed_yaml import Range, fill, flat, read_yaml, with_overrides

__all__ = ["LOGS", "AblationConfig", "evaluate_heads", "load_ablation", "train_heads"]

STATE, LOGS, TEST = "seed{}.pt", "seed{}.json", "test{:03d}.npz"
TESTED = "test.json"
OF_AN_ARM = tuple(
    f"stages.0.{name}"
    for name in (
        "objective",
        "gcr.",
        "auxiliary.rounds",
        "auxiliary.translation",
        "auxiliary.match",
        "auxiliary.correlation",
        "learning_rate",
        "final_rate",
        "weight_decay",
    )
)
"""Settings in which arms may differ begin so."""
OF_OBSERVATION = (
    "observation",
    "points",
    "depth_tolerance",
    "coarse_stride",
    "fine_radius",
    "temperature",
)
"""Settings of GCR that decide what a pose is solved of."""
TEST_BATCHES = 10
"""Batches of test pairs in a file; what is tested goes on from the last whole one."""


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """Arms and the training that they share."""

    training: TrainingConfig
    """One stage, ``consistency``, that freezes all of the network but its ``pose_head``."""
    arms: dict[str, tuple[str, ...]]
    """What each arm changes in ``training``, as ``key=value``; the first is the baseline."""
    seeds: tuple[Annotated[int, Range(0, 255)], ...] = (0, 1, 2)
    """Each has pairs and initial values of its own."""
    test_pairs: Annotated[int, Range(1)] = 20_000
    """Pairs of held-out scenes and textures."""

    def __post_init__(self) -> None:
        if len(self.training.stages) != 1:
            raise ConfigError(f"stages holds {len(self.training.stages)}; arms differ in one")
        if self.training.mixture:
            raise ConfigError(
                "training.mixture is given, but arms are trained on rendered places: leave it out"
            )
        if not self.arms or not self.seeds:
            raise ConfigError("arms or seeds is empty; give at least one of each")
        common = flat(self.training.as_dict())
        for name in self.arms:
            settings = flat(self.arm(name, self.training.seed).as_dict())
            for key in {**common, **settings}:
                if settings.get(key) != common.get(key) and not key.startswith(OF_AN_ARM):
                    raise ConfigError(
                        f"arm {name} changes {key}, which all arms share: leave it, or change it "
                        "in training"
                    )

    def settings(self) -> dict[str, Any]:
        """What its heads depend on, as plain values."""
        arms = {name: list(changes) for name, changes in self.arms.items()}
        return {"training": self.training.as_dict(), "arms": arms}

    def arm(self, name: str, seed: int) -> TrainingConfig:
        """The training of an arm.

        Raises:
            ConfigError: if a change leads to no setting.
        """
        changes = (*self.arms[name], f"seed={seed}")
        values = with_overrides(json.loads(json.dumps(self.training.as_dict())), changes)
        return TrainingConfig.from_dict(values, f"arm {name}")


def load_ablation(path: Path, overrides: tuple[str, ...] = ()) -> AblationConfig:
    """Read an ablation from YAML, some of it changed by dotted ``key=value``.

    Raises:
        ConfigError: naming file, key and what is allowed.
    """
    return fill(AblationConfig, with_overrides(read_yaml(path), overrides), str(path))


class Arms:
    """The heads of one seed in training.

    Attributes:
        stages: One an arm.
        step: Updates that are done.

    Raises:
        ConfigError: if an arm trains more than a pose head, or there is no teacher.
    """

    def __init__(
        self,
        config: AblationConfig,
        seed: int,
        parts: Mapping[str, Tensor],
        accelerator: Accelerator,
    ) -> None:
        self.config, self.step = config, 0
        self.stages = {
            name: Stage(config.arm(name, seed), 0, parts, None, accelerator)
            for name in config.arms
        }
        for name, stage in self.stages.items():
            if any(
                weight.requires_grad and not part.startswith("pose_head.")
                for part, weight in stage.objective.network.named_parameters()
            ):
                raise ConfigError(f"arm {name} trains more than the pose head: freeze the rest")
        known = [stage.objective for stage in self.stages.values()]
        self.sees = next((one for one in known if isinstance(one, Consistency)), known[0])
        self._tallies: dict[str, dict[str, Tensor]] = {name: {} for name in config.arms}
        self._norms: dict[str, list[dict[str, float]]] = {name: [] for name in config.arms}

    def update(self, batch: PairBatch) -> dict[str, float]:
        """Update all heads once; returns what is to be logged."""
        with_gradients = self.step % self.config.training.gradients_every == 0
        with torch.no_grad():
            common = self.sees.see(batch)
        observed: dict[tuple[Any, ...], Seen] = {}
        logged: dict[str, float] = {}
        for name, stage in self.stages.items():
            seen = common
            if isinstance(stage.objective, Consistency):
                gcr = stage.objective.config.gcr
                key = tuple(getattr(gcr, name) for name in OF_OBSERVATION)
                if key not in observed:
                    observed[key] = stage.objective.observe(batch, common, self.step)
                seen = observed[key]
            result, norms = stage.update(batch, self.step, with_gradients, seen)
            self._tallies[name] = add_tallies(self._tallies[name], result.tallies)
            if norms:
                self._norms[name].append(norms)
            logged |= {f"{name}/{key}": mean for key, mean in means(result.tallies).items()}
        self.step += 1
        return logged

    def summary(self) -> dict[str, dict[str, float]]:
        """Means of all that was logged of each arm, norms of gradients among it."""
        found = {}
        for name, tallies in self._tallies.items():
            norms = self._norms[name]
            found[name] = means(tallies) | {
                f"gradient/{term}": float(np.mean([one[term] for one in norms]))
                for term in norms[0]
            }
        return found

    def write(self, path: Path) -> None:
        """Write all that is needed to go on."""
        partial = path.with_suffix(".partial")
        state = {
            "config": self.config.settings(),
            "step": self.step,
            "tallies": self._tallies,
            "norms": self._norms,
            "arms": {name: stage.state() for name, stage in self.stages.items()},
        }
        torch.save(state, partial)
        partial.replace(path)

    def read(self, path: Path) -> None:
        """Go on from what was written.

        Raises:
            ConfigError: if it was of other arms or another training.
        """
        found = torch.load(path, map_location="cpu", weights_only=True)
        if found["config"] != self.config.settings():
            raise ConfigError(f"{path} is of other settings: name another folder for these")
        self.step = found["step"]
        self._norms = found["norms"]
        for name, stage in self.stages.items():
            device = stage.accelerator.device
            tallies = found["tallies"][name]
            self._tallies[name] = {key: both.to(device) for key, both in tallies.items()}
            stage.restore(found["arms"][name], self.step)


def train_heads(
    config: AblationConfig,
    seed: int,
    folder: Path,
    console: Console,
    accelerator: Accelerator,
    minutes: float | None,
) -> bool:
    """Train the heads of one seed, or go on where they were left.

    Writes ``seed0.pt`` and, at the end, ``seed0.json``: the mean of all that is logged.

    Returns:
        Whether they are trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state, training = folder / STATE.format(seed), config.training
    steps, batch_size = training.stages[0].steps, training.stages[0].batch_size
    arms = Arms(config, seed, starting_parts(training), accelerator)
    if state.exists():
        arms.read(state)
    pairs = Pairs(training.data, seed, accelerator.device)
    batches = pairs.of_stage(0, training.stages[0], arms.step, Share())
    with Logbook(folder / f"seed{seed}", console, True) as logs, Interrupt(minutes) as interrupt:
        logs.begin_stage(f"seed {seed}: {len(arms.stages)} heads", steps, arms.step)
        stopped = False
        while arms.step < steps and not stopped:
            logs.write(arms.update(next(batches)), arms.step)
            logs.count(batch_size, 0.0)
            if arms.step % training.log_every == 0:
                logs.throughput()
            stopped = bool(interrupt)
            if stopped or arms.step % training.checkpoint_every == 0 or arms.step == steps:
                arms.write(state)
    if arms.step < steps:
        return False
    text = json.dumps(arms.summary(), indent=1)
    (folder / LOGS.format(seed)).write_text(text, encoding="utf-8")
    return True


def evaluate_heads(
    config: AblationConfig,
    folder: Path,
    console: Console,
    accelerator: Accelerator,
    minutes: float | None,
) -> bool:
    """Test the trained heads of all seeds, and the one they started from, on the same pairs.

    Writes ``test000.npz``, ...: for each arm (``start`` is first), seed and pair the errors of
    rotation and direction in radians and the median reprojection error in pixels, and whether the
    pair moved.

    Raises:
        ConfigError: if a seed is not trained.
    """
    objective, networks = _networks(config, folder, starting_parts(config.training), accelerator)
    _claim(
        folder / TESTED, {**config.settings(), "seeds": config.seeds, "pairs": config.test_pairs}
    )
    data, validation = config.training.data, config.training.validation
    done = len(list(folder.glob("test*.npz")))
    scenes = -(-config.test_pairs // data.pairs_per_scene)
    total = -(-scenes // max(validation.batch_size // data.pairs_per_scene, 1))
    pairs = Pairs(data, 0, accelerator.device, held_out=True)
    batches = pairs.fixed(config.test_pairs, validation.batch_size, Share(), done * TEST_BATCHES)
    with Logbook(folder / "test", console, True) as logs, Interrupt(minutes) as interrupt:
        logs.begin_stage("test", total, min(done * TEST_BATCHES, total))
        while chunk := list(_take(batches, TEST_BATCHES)):
            rows = []
            for batch in chunk:
                rows.append(_errors(objective, networks, batch))
                logs.count(len(batch), 0.0)
            logs.throughput()
            errors, moved = (np.concatenate(parts, -1) for parts in zip(*rows, strict=True))
            partial = folder / "partial.npz"
            np.savez(partial, errors=errors, moved=moved)
            partial.replace(folder / TEST.format(done))
            done += 1
            if interrupt:
                return done * TEST_BATCHES >= total
    return True


def _claim(path: Path, settings: Mapping[str, Any]) -> None:
    """Note what the files beside this one were made with, or see that it was the same.

    Raises:
        ConfigError: if it was not.
    """
    text = json.dumps(settings, indent=1)
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path.parent} was tested with other settings; to test again, remove {path.name} and "
            "test*.npz there"
        )


def _networks(
    config: AblationConfig, folder: Path, parts: Mapping[str, Tensor], accelerator: Accelerator
) -> tuple[Objective, list[list[GeLoc3r]]]:
    """Some objective that sees, and the networks [arm][seed], that of the start first."""
    objective = Arms(config, config.seeds[0], parts, accelerator).sees.eval()
    networks: list[list[GeLoc3r]] = []
    first = Stage(config.arm(next(iter(config.arms)), 0), 0, parts, None, accelerator)
    networks.append([first.network] * len(config.seeds))
    networks += [[] for _ in config.arms]
    for seed in config.seeds:
        if not (folder / LOGS.format(seed)).exists():
            raise ConfigError(f"{folder}: seed {seed} is not trained")
        arms = Arms(config, seed, parts, accelerator)
        arms.read(folder / STATE.format(seed))
        for row, stage in zip(networks[1:], arms.stages.values(), strict=True):
            row.append(stage.network)
    return objective, networks


@torch.no_grad()
def _errors(
    objective: Objective, networks: list[list[GeLoc3r]], batch: PairBatch
) -> tuple[np.ndarray, np.ndarray]:
    """Errors (3, arms, seeds, B) of ``T_2_1``, and whether the pairs moved (B,)."""
    gcr = objective.config.gcr
    evidence = objective.see(batch).evidence
    unit = median_depth(batch.depth[:, 0])
    T_2_1 = scale_lengths(batch.T_2_1, 1 / unit)
    truth = sample_correspondences(
        *(batch.depth[:, i] / unit[:, None, None] for i in range(2)),
        *(batch.K[:, i] for i in range(2)),
        T_2_1,
        gcr.points,
        gcr.depth_tolerance,
        pair_generators(0, 0, batch.ids),
    )
    found = []
    for row in networks:
        for network in row:
            T_hat = pose_from_raw(network.read(*evidence)[0][-1])
            rotation, direction = pose_errors(T_hat.double(), T_2_1.double())
            projected, in_front = project(
                batch.K[:, 1], transform(with_true_length(T_hat, T_2_1), truth.points_1)
            )
            offset = torch.linalg.vector_norm(projected - truth.pixels_2, dim=-1)
            offset = torch.where(truth.used & in_front, offset, torch.nan).nanmedian(-1).values
            found.append(torch.stack((rotation, direction, offset.double())))
    errors = torch.stack(found, 1).unflatten(1, (len(networks), -1))
    return errors.float().cpu().numpy(), batch.moved(gcr.min_translation).cpu().numpy()


def _take(batches: Iterator[PairBatch], count: int) -> Iterator[PairBatch]:
    for _ in range(count):
        try:
            yield next(batches)
        except StopIteration:
            return
