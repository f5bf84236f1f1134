# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network on held-out pairs while it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from accelerate.utils import gather_object

from geloc3r_ros.evaluation.metrics import PoseMetrics, summarise
from geloc3r_ros.model import GeLoc3r
from geloc3r_ros.model.pose_head import pose_from_raw
from geloc3r_training.gcr.se3 import pose_errors
from geloc3r_training.pairs import PairBatch

__all__ = ["as_degrees", "validate"]


@torch.no_grad()
def validate(
    network: GeLoc3r, batches: Iterable[PairBatch], min_translation: float, bf16: bool
) -> PoseMetrics:
    """Measure ``T_2_1`` on the batches of all processes.

    Args:
        network: The network.
        batches: This process's batches.
        min_translation: Baseline over median depth below which a pair did not move.
        bf16: Run the transformer in bfloat16.
    """
    found = []
    for batch in batches:
        with torch.autocast(batch.depth.device.type, torch.bfloat16, enabled=bf16):
            raw, _ = network.decode(*network.encode_pair(*batch.views(), *batch.focals()))
        errors = pose_errors(pose_from_raw(raw.double()), batch.T_2_1.double())
        found.append(torch.stack((*errors, batch.moved(min_translation))).cpu())
    rows = torch.cat(found, 1).mT.tolist() if found else []
    rotation, direction, moved = torch.tensor(gather_object(rows)).reshape(-1, 3).mT.numpy()
    return summarise(rotation, direction, moved > 0)


def as_degrees(metrics: PoseMetrics) -> dict[str, Any]:
    """What a log or a report says of them, angles in degrees."""
    degrees = 180.0 / torch.pi
    return {
        **{f"AUC@{threshold}": area for threshold, area in metrics.auc.items()},
        "median rotation": metrics.rotation_median * degrees,
        "median direction": metrics.direction_median * degrees,
        "median rotation, still": metrics.still_rotation_median * degrees,
        "pairs": metrics.pairs,
        "still pairs": metrics.still_pairs,
    }
