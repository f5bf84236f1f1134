# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a weights file: the network with averaged weights, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from geloc3r_ros.model import GeLoc3r, WeightsInfo, save_weights
from geloc3r_training.checkpoint import Checkpoint

__all__ = ["export"]

PREFIX = "network."
PATHS = {
    ("network", "start"),
    ("network", "stem"),
    ("data", "textures"),
    ("data", "photographs"),
    ("mixture", "cache"),
    ("parts", "root"),
    ("stages", "teacher"),
}
"""Settings that are paths: the last group of settings that has a name, and the setting's own."""


def export(
    checkpoint: Checkpoint,
    path: Path,
    dtype: torch.dtype = torch.float32,
    notes: Mapping[str, str] | None = None,
) -> WeightsInfo:
    """Write the inference network of a checkpoint.

    Args:
        checkpoint: Of any stage.
        path: Where to; ends in ``.safetensors``.
        dtype: Precision of all but the pose head.
        notes: What else its recipe is to say, such as the hardware.

    Returns:
        What the file says about itself: the settings, the steps done, the last validation and the
        notes are its recipe. Of files and folders it keeps the names alone, which are the same on
        all machines.

    Raises:
        WeightsError: if a weight is not finite, or the file cannot be written.
    """
    config = checkpoint.config
    network = GeLoc3r(config.network.model_config())
    average = checkpoint.state["average"]
    network.load_state_dict(
        {n.removeprefix(PREFIX): x for n, x in average.items() if n.startswith(PREFIX)}
    )
    info = WeightsInfo(
        name=config.name,
        config=network.config,
        trained=True,
        licence=config.licence,
        recipe={
            "settings": _without_folders(config.as_dict(), ""),
            "stages_done": checkpoint.stage,
            "steps_of_stage": checkpoint.step,
            "validation": checkpoint.metrics,
            **(notes or {}),
        },
    )
    save_weights(path, network, info, dtype)
    return info


def _without_folders(values: Any, group: str) -> Any:
    """Settings of a group, of whose paths the last part alone is kept."""
    if isinstance(values, list | tuple):
        return [_without_folders(value, group) for value in values]
    if not isinstance(values, dict):
        return values
    return {
        key: Path(value).name if (group, key) in PATHS and value else _without_folders(value, key)
        for key, value in values.items()
    }
