# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: stages, logs, validation, checkpoints, stopping and going on."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from rich.console import Console
from torch import Tensor

from geloc3r_ros.errors import ConfigError, GeLoc3rError, WeightsError
from geloc3r_ros.model import GeLoc3r
from geloc3r_ros.model.weights import initialise_from
from geloc3r_training.checkpoint import Checkpoint
from geloc3r_training.config import StageConfig, TrainingConfig
from geloc3r_training.gcr.diagnostics import add_tallies, means
from geloc3r_training.interrupt import Interrupt
from geloc3r_training.logbook import Logbook
from geloc3r_training.mixture import Mixture
from geloc3r_training.objective import freeze
from geloc3r_training.objectives import NO_TEACHER
from geloc3r_training.pairs import PairBatch, Pairs, Share
from geloc3r_training.pretrained_stem import stem_weights
from geloc3r_training.simulated_matches import MatchBatch, simulated_matches
from geloc3r_training.sole_user import sole_user
from geloc3r_training.stage import Stage, learning_rate
from geloc3r_training.typed_yaml import flat
from geloc3r_training.validation import as_degrees, validate

__all__ = ["LAST", "DivergedError", "Trainer"]

LAST, BEST, STAGE = "last.pt", "best.pt", "stage{}.pt"

HEAD = "pose_head."
REACHED: dict[str, Callable[[str], bool]] = {
    "simulated": lambda name: name.startswith(HEAD),
    "matching": lambda name: not name.startswith(HEAD),
    "pose": lambda name: True,
}
"""Which parameters of the network an objective without parameters of its own can train."""

STEPS_BETWEEN_AGREEMENTS = 5
"""Few: who launches processes may give them no more than half a minute to stop."""

MAY_CHANGE = ("validation", "log_every", "gradients_every", "checkpoint_every", "max_skipped")
"""Settings that a run may change when it goes on, beside ``data.workers`` and stages to come."""


class DivergedError(GeLoc3rError):
    """Losses or gradients stay not finite."""


class Trainer:
    """Trains a network as its settings say, in a folder that it goes on from.

    Args:
        config: The settings.
        folder: Where checkpoints and logs go: ``last.pt``, ``best.pt`` (of the stage by AUC@20),
            ``stage0.pt``, ... (each stage's end), ``tensorboard``.
        accelerator: Where it runs, and with whom.
        console: Where to print.
        overfit: Train on the first batch again and again, and validate on it.

    Raises:
        ConfigError: if the folder holds a training with other settings.
        WeightsError: if what is to be started from cannot be read.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        accelerator: Accelerator | None = None,
        console: Console | None = None,
        overfit: bool = False,
    ) -> None:
        self.config, self.folder, self.overfit = config, folder, overfit
        self.accelerator = accelerator or Accelerator()
        self.share = Share(self.accelerator.process_index, self.accelerator.num_processes)
        _check_stages(config, self.share.processes)
        folder.mkdir(parents=True, exist_ok=True)
        self.console = console or Console()
        device = self.accelerator.device
        self.pairs: Pairs | Mixture = (
            Mixture(config.mixture, config.seed, device)
            if config.mixture
            else Pairs(config.data, config.seed, device)
        )
        self.held_out: list[PairBatch] = []
        self.written = 0
        self.metrics: dict[str, Any] = {}
        self.best = -1.0
        self._begin()

    def _begin(self) -> None:
        """Go on from the last checkpoint, or start."""
        last = self.folder / LAST
        if not last.exists():
            self.index, self.step = 0, 0
            self.stage = self._stage(starting_parts(self.config))
            return
        self.written = _written(last)
        found = Checkpoint.read(last)
        _refuse_other_settings(self.config, found, last)
        self.index, self.step = found.stage, found.step
        self.best, self.metrics = found.best, found.metrics
        self.stage = self._stage(found.state["parts"], found.state["teacher"])
        self.stage.restore(found.state, found.step)
        _set_random(found.random)

    def _stage(
        self, parts: Mapping[str, Tensor], teacher: Mapping[str, Tensor] | None = None
    ) -> Stage:
        return Stage(self.config, self.index, parts, teacher, self.accelerator)

    @property
    def done(self) -> bool:
        """Whether all stages are at their end."""
        last = self.index == len(self.config.stages) - 1
        return last and self.step >= self.stage.config.steps

    def run(self, minutes: float | None = None) -> bool:
        """Train until the end, until stopped, or until time is up; then write a checkpoint.

        Args:
            minutes: Wall-clock time after which to stop.

        Returns:
            Whether the training is at its end.

        Raises:
            ConfigError: if another process trains in the folder, or did since this one began.
            DivergedError: if losses or gradients stay not finite.
        """
        main = self.accelerator.is_main_process
        alone = sole_user(self.folder) if main else nullcontext()
        logs = Logbook(self.folder, self.console, main)
        with alone, logs, Interrupt(minutes) as interrupt:
            if main and _written(self.folder / LAST) != self.written:
                raise ConfigError(
                    f"another process trained in {self.folder} while this one began: run it again"
                )
            while not self.done:
                if self.step >= self.stage.config.steps:
                    parts = self.stage.average.state_dict()
                    self.index, self.step, self.best = self.index + 1, 0, -1.0
                    self.stage = self._stage(parts)
                if self._run_stage(logs, interrupt):
                    logs.say(f"{interrupt.reason}: step {self.step} of stage {self.index} is kept")
                    break
        return self.done

    def _run_stage(self, logs: Logbook, interrupt: Interrupt) -> bool:
        """Run a stage to its end, or until stopped; returns whether it was stopped."""
        config, stage = self.config, self.stage
        logs.begin_stage(
            f"stage {self.index}: {stage.config.objective}", stage.config.steps, self.step
        )
        batches = self._batches()
        tallies: dict[str, Tensor] = {}
        stopped = False
        while self.step < stage.config.steps and not stopped:
            start = time.monotonic()
            batch = next(batches)
            waited = time.monotonic() - start
            result, norms = stage.update(batch, self.step, self.step % config.gradients_every == 0)
            tallies = add_tallies(tallies, result.tallies)
            self.step += 1
            logs.count(stage.config.batch_size, waited)
            logs.write({f"gradient/{name}": norm for name, norm in norms.items()}, self._total())
            at_end = self.step == stage.config.steps
            if self.step % config.log_every == 0 or at_end:
                self._log(logs, tallies)
                tallies = {}
            if self.step % config.validation.every == 0 or at_end:
                self._validate(logs)
            stopped = self._agreed(interrupt)
            if self.step % config.checkpoint_every == 0 or at_end or stopped:
                self._save(at_end)
        return stopped

    def _batches(self) -> Iterator[PairBatch] | Iterator[MatchBatch]:
        start, stage = 0 if self.overfit else self.step, self.stage.config
        if stage.objective == "simulated":
            matches = simulated_matches(
                self.config.seed,
                self.index,
                stage,
                start,
                self.share,
                self.config.data.workers,
                self.accelerator.device,
            )
            return itertools.repeat(next(matches)) if self.overfit else matches
        batches = self.pairs.of_stage(self.index, stage, start, self.share)
        if not self.overfit:
            return batches
        batch = next(batches)
        self.held_out = [batch]
        return itertools.repeat(batch)

    def _agreed(self, interrupt: Interrupt) -> bool:
        """Whether all processes stop; several of them ask each other every few steps only."""
        if self.share.processes == 1:
            return bool(interrupt)
        if self.step % STEPS_BETWEEN_AGREEMENTS:
            return False
        wish = torch.tensor([float(bool(interrupt))], device=self.accelerator.device)
        stop = bool(self.accelerator.reduce(wish).item())
        interrupt.reason = interrupt.reason or ("another process stops" if stop else "")
        return stop

    def _log(self, logs: Logbook, tallies: dict[str, Tensor]) -> None:
        """Write the means since the last time, over all processes."""
        stacked = self.accelerator.reduce(torch.stack([*tallies.values(), self.stage.skipped]))
        *sums, skipped = stacked.cpu().unbind()
        numbers = means(dict(zip(tallies, sums)))
        in_all, in_a_row = (skipped / self.share.processes).tolist()
        numbers |= logs.throughput()
        numbers["skipped"] = in_all
        numbers["learning_rate"] = learning_rate(
            self.stage.config, self.step - 1, self.stage.restarted
        )
        logs.write(numbers, self._total())
        if in_a_row >= self.config.max_skipped:
            raise DivergedError(
                f"loss or gradient was not finite in the last {in_a_row:.0f} steps (limit "
                f"max_skipped = {self.config.max_skipped}): lower learning_rate, and go on from "
                f"{self.folder / BEST}"
            )

    def _validate(self, logs: Logbook) -> None:
        config = self.config.validation
        if not self.held_out:
            pairs = Pairs(self.config.data, 0, self.accelerator.device, held_out=True)
            self.held_out = list(pairs.fixed(config.pairs, config.batch_size, self.share))
        found = validate(
            self.stage.network,
            self.held_out,
            self.stage.config.gcr.min_translation,
            self.stage.objective.bf16,
        )
        self.metrics = as_degrees(found)
        logs.write({f"validation/{k}": v for k, v in self.metrics.items()}, self._total())
        areas = ", ".join(f"{100 * area:.1f}" for area in found.auc.values())
        logs.say(
            f"stage {self.index} step {self.step}: AUC@5/10/20 {areas} %, median rotation "
            f"{self.metrics['median rotation']:.1f}, direction "
            f"{self.metrics['median direction']:.1f} degrees, {found.pairs} pairs"
        )
        if found.auc[20] > self.best:
            self.best = found.auc[20]
            self._save_as(BEST)

    def _save(self, at_end: bool) -> None:
        self._save_as(LAST)
        self.written = _written(self.folder / LAST)
        if at_end and self.accelerator.is_main_process:
            shutil.copyfile(self.folder / LAST, self.folder / STAGE.format(self.index))

    def _save_as(self, name: str) -> None:
        if not self.accelerator.is_main_process:
            return
        Checkpoint(
            config=self.config,
            stage=self.index,
            step=self.step,
            state=self.stage.state(),
            best=self.best,
            metrics=self.metrics,
            random=_random(),
        ).write(self.folder / name)

    def _total(self) -> int:
        """Steps of all stages that are done."""
        return sum(stage.steps for stage in self.config.stages[: self.index]) + self.step


def _written(file: Path) -> int:
    """When a file was written, nanoseconds; 0 where there is none."""
    return file.stat().st_mtime_ns if file.exists() else 0


def _check_stages(config: TrainingConfig, processes: int) -> None:
    """Find at once what a stage could not begin with, hours later.

    Raises:
        ConfigError: naming the stage.
    """
    with torch.device("meta"):
        network = GeLoc3r(config.network.model_config())
    checkpoint = (config.network.start or "").endswith(".pt")  # may hold descriptor heads
    described = network.config.design == "matching" or checkpoint
    for index, stage in enumerate(config.stages):
        try:
            simulated = stage.objective == "simulated"
            places = stage.batch_size // (1 if simulated else config.data.pairs_per_scene)
            if places % processes:
                raise ConfigError(
                    f"batch_size {stage.batch_size} does not divide into whole "
                    f"{'pairs' if simulated else 'places'} for {processes} processes"
                )
            freeze(network.requires_grad_(True), stage.freeze)
            reached = REACHED.get(stage.objective)
            if reached and not any(
                parameter.requires_grad and reached(name)
                for name, parameter in network.named_parameters()
            ):
                raise ConfigError(
                    f"freeze {list(stage.freeze)} leaves nothing to train by {stage.objective}"
                )
            if stage.teacher and not Path(stage.teacher).is_file():
                raise ConfigError(f"the teacher {stage.teacher} is no file")
            if stage.objective == "consistency" and not (described or stage.teacher):
                raise ConfigError(NO_TEACHER)
            _check_fusion(config.stages[index - 1] if index else None, stage)
        except ConfigError as error:
            raise ConfigError(f"stages.{index}: {error}") from error
        # A stage hands on its own parts alone.
        described = network.config.design == "matching" or stage.objective == "descriptors"


def _check_fusion(before: StageConfig | None, stage: StageConfig) -> None:
    """Raise a ConfigError unless a FusionTransformer of the stage before fits into this one."""
    if before is None or not before.objective == stage.objective == "consistency":
        return
    for name in ("dim", "layers", "heads"):
        then, now = getattr(before.gcr, name), getattr(stage.gcr, name)
        if then != now:
            raise ConfigError(
                f"gcr.{name} is {now}, and {then} in the stage before, whose FusionTransformer "
                "goes on: give both the same"
            )
    if bool(before.teacher) != bool(stage.teacher):
        raise ConfigError(
            "its teacher is another than that of the stage before, for whose descriptors the "
            "FusionTransformer was made: give both the same, or put another stage between"
        )


def starting_parts(config: TrainingConfig) -> dict[str, Tensor]:
    """Weights to start from, by the names of ``Objective.parts``.

    Raises:
        WeightsError: if there are none of that name, or they do not fit.
    """
    start, stem = config.network.start, config.network.stem
    if start is None:
        found = stem_weights(Path(stem)) if stem else {}
        return {f"network.patch_embed.stem.{name}": tensor for name, tensor in found.items()}
    network = GeLoc3r(config.network.model_config())
    if Path(start).suffix == ".pt":
        parts: dict[str, Tensor] = Checkpoint.read(Path(start)).state["average"]
        _check_network(Path(start), parts, network)
        return parts
    initialise_from(network, start)
    return {f"network.{name}": tensor for name, tensor in network.state_dict().items()}


def _check_network(path: Path, parts: Mapping[str, Tensor], network: GeLoc3r) -> None:
    """Raise a WeightsError unless the network of a checkpoint is like this one."""
    prefix = "network."
    found = {n.removeprefix(prefix): x.shape for n, x in parts.items() if n.startswith(prefix)}
    wanted = {name: x.shape for name, x in network.state_dict().items()}
    if differing := sorted(n for n in {**found, **wanted} if found.get(n) != wanted.get(n)):
        name = differing[0]
        raise WeightsError(
            f"{path} is of another network: {name} is {_shape(found.get(name))} there and "
            f"{_shape(wanted.get(name))} here; give the same network.variant and network.changes"
        )


def _shape(shape: torch.Size | None) -> str:
    return "missing" if shape is None else "x".join(map(str, shape)) or "a number"


def _refuse_other_settings(wanted: TrainingConfig, found: Checkpoint, path: Path) -> None:
    """Raise a ConfigError unless a run may go on from a checkpoint."""
    now, then = flat(wanted.as_dict()), flat(found.config.as_dict())
    differing = [
        f"{key} = {then.get(key)} and now {now.get(key)}"
        for key in {**then, **now}
        if then.get(key) != now.get(key) and not _may_change(key, found.stage)
    ]
    if differing:
        raise ConfigError(
            f"{path} was trained with {'; '.join(differing[:3])}: "
            "name another folder for other settings, or take the same ones"
        )


def _may_change(key: str, stage: int) -> bool:
    """Whether a setting has not counted yet in a run that is in this stage, or never counts."""
    part, *rest = key.split(".")
    ahead = part == "stages" and int(rest[0]) > stage
    return ahead or part in MAY_CHANGE or key in ("data.workers", "mixture.workers")


def _random() -> dict[str, Any]:
    """States of torch's generators, which decide initial values."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def _set_random(states: Mapping[str, Any]) -> None:
    if states:
        torch.set_rng_state(states["cpu"])
        if len(states["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(states["cuda"])
