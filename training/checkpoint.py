# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a training: whole ones, and light ones that travel between machines."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from geloc3r_ros.errors import ConfigError, WeightsError
from geloc3r_training.config import TrainingConfig

__all__ = ["Checkpoint", "pack", "unpack"]

SHARD_BYTES = 15 * 2**20
GROUPS = ("parts", "average", "teacher")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training at the beginning of a step.

    Attributes:
        config: Its settings.
        stage: Which of its stages, from 0.
        step: Steps of the stage that are done.
        state: Of the stage, see ``Stage.state``.
        best: Highest AUC@20 of the stage so far.
        metrics: Of the last validation.
        random: States of torch's generators, by device.
    """

    config: TrainingConfig
    stage: int
    step: int
    state: dict[str, Any]
    best: float
    metrics: dict[str, Any]
    random: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write the checkpoint; a crash meanwhile leaves the old one whole."""
        partial = path.with_suffix(".partial")
        torch.save({**vars(self), "config": self.config.as_dict()}, partial)
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a checkpoint into main memory; code in it is never run.

        Raises:
            WeightsError: if the file is missing, damaged or no checkpoint of this trainer.
            ConfigError: if its settings are not those of this version.
        """
        try:
            values = torch.load(path, map_location="cpu", weights_only=True)
            settings = values.pop("config")
            found = cls(config=TrainingConfig.from_dict(settings, str(path)), **values)
        except ConfigError:
            raise
        except Exception as error:  # a damaged pickle may raise anything
            reason = str(error).partition("\n")[0]
            raise WeightsError(f"{path} is no checkpoint of this trainer: {reason}") from error
        return found


def pack(checkpoint: Checkpoint, folder: Path) -> list[Path]:
    """Write weights, their average and the teacher in half precision, in files of 15 MiB at most.

    The optimiser stays behind: it weighs four times as much, and starts afresh in seconds.

    Raises:
        WeightsError: if the folder exists.
    """
    if folder.exists():
        raise WeightsError(f"{folder} exists; name a new folder")
    tensors = {
        f"{group}.{name}": tensor.half().contiguous()
        for group in GROUPS
        for name, tensor in (checkpoint.state[group] or {}).items()
    }
    data = save(tensors)
    about = {
        "config": checkpoint.config.as_dict(),
        "stage": checkpoint.stage,
        "step": checkpoint.step,
        "best": checkpoint.best,
        "metrics": checkpoint.metrics,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    folder.mkdir(parents=True)
    written = [folder / "about.json"]
    written[0].write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    for number, start in enumerate(range(0, len(data), SHARD_BYTES)):
        written.append(folder / f"weights-{number:03d}.part")
        written[-1].write_bytes(data[start : start + SHARD_BYTES])
    return written


def unpack(folder: Path) -> Checkpoint:
    """Read what :func:`pack` wrote.

    Raises:
        WeightsError: if a file is missing or damaged.
    """
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        data = b"".join(part.read_bytes() for part in sorted(folder.glob("weights-*.part")))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder} holds no packed checkpoint: {error}") from error
    if hashlib.sha256(data).hexdigest() != about.pop("sha256"):
        raise WeightsError(f"{folder}: a part is missing or damaged; copy all files again")
    groups: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
    for name, tensor in load(data).items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor.float()
    about["config"] = TrainingConfig.from_dict(about["config"], str(folder))
    state = {
        **groups,
        "teacher": groups["teacher"] or None,
        "optimizer": None,
        "skipped": torch.zeros(2),
        "restarted": None,
    }
    return Checkpoint(**about, state=state, random={})
