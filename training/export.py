# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a weights file: the network with averaged weights, and nothing else."""

from __future__ import annotations

from pathlib import Path

import torch

from geloc3r_ros.model import GeLoc3r, WeightsInfo, save_weights
from geloc3r_training.checkpoint import Checkpoint

__all__ = ["export"]

PREFIX = "network."


def export(checkpoint: Checkpoint, path: Path, dtype: torch.dtype = torch.float32) -> WeightsInfo:
    """Write the inference network of a checkpoint.

    Args:
        checkpoint: Of any stage.
        path: Where to; ends in ``.safetensors``.
        dtype: Precision of all but the pose head.

    Returns:
        What the file says about itself: the settings, the steps done and the last validation are
        its recipe.

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
            "settings": config.as_dict(),
            "stages_done": checkpoint.stage,
            "steps_of_stage": checkpoint.step,
            "validation": checkpoint.metrics,
        },
    )
    save_weights(path, network, info, dtype)
    return info
