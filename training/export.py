# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a weights file: the network with averaged weights, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from geloc3r_ros.model import GeLoc3r, WeightsInfo, save_weights
from geloc3r_training.checkpoint import Checkpoint

__all__ = ["export"]

PREFIX = "network."
PATHS = ("network", "start"), ("network", "stem"), ("data", "textures"), ("data", "photographs")


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
    settings = config.as_dict()
    for part, key in PATHS:
        if settings[part][key]:
            settings[part][key] = Path(settings[part][key]).name
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
            "settings": settings,
            "stages_done": checkpoint.stage,
            "steps_of_stage": checkpoint.step,
            "validation": checkpoint.metrics,
            **(notes or {}),
        },
    )
    save_weights(path, network, info, dtype)
    return info
