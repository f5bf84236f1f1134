# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What precision, backend and resampling do to the poses of pairs with ground truth.

    python test/benchmark/benchmark_precision.py testset/pairs.json --precision fp32 bf16

The gate is on the 95th percentile of how far the poses lie from those of torch in fp32 with
Lanczos: 0.1 degrees in rotation, 0.5 degrees in direction. Errors against the truth stand beside.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from geloc3r_ros.geometry import Array, pose_errors
from geloc3r_ros.inference import RelativePoseEstimator, read_image

GATE = (0.1, 0.5)


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path, help="pairs.json, as of geloc3r-data held-out")
    parser.add_argument("--count", type=int, default=300, help="pairs, spread evenly")
    parser.add_argument("--weights", default="tiny")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16", "fp16"])
    parser.add_argument("--resampling", nargs="+", default=["lanczos"])
    parser.add_argument("--export", help="folder of geloc3r export, for a row of backend onnx")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    pairs = json.loads(options.pairs.read_text(encoding="utf-8"))["pairs"]
    pairs = pairs[:: max(len(pairs) // options.count, 1)][: options.count]
    settings = [
        (options.weights, {"precision": precision, "resampling": resampling})
        for precision in options.precision
        for resampling in options.resampling
    ]
    if options.export:
        settings.append((options.export, {"backend": "onnx"}))
    table = Table("setting", "rotation p50, p95", "direction p50, p95", "gate", box=MARKDOWN)
    for name in ("rotation error", "direction error", "AUC@5/10/20"):
        table.add_column(name)
    truth = [np.array(pair["T_a_b"]) for pair in pairs]
    first = (options.weights, {"precision": "fp32", "resampling": "lanczos"})
    exact = poses(options.pairs.parent, pairs, options.device, *first)
    for setting in settings:
        found = poses(options.pairs.parent, pairs, options.device, *setting)
        moved, errors = degrees(found, exact), degrees(found, truth)
        median, high = np.percentile(moved, (50, 95), axis=0)
        worst = errors.max(1)
        curve = [100 * np.clip(1 - worst / limit, 0, 1).mean() for limit in (5, 10, 20)]
        table.add_row(
            " ".join(setting[1].values()),
            f"{median[0]:.3f}, {high[0]:.3f}",
            f"{median[1]:.3f}, {high[1]:.3f}",
            "held" if (high <= GATE).all() else "missed",
            *(f"{error:.2f}" for error in np.median(errors, 0)),
            " / ".join(f"{area:.1f}" for area in curve),
        )
    Console(width=140).print(f"{len(pairs)} pairs of {options.pairs}, degrees", table)


def poses(
    folder: Path, pairs: Sequence[dict[str, Any]], device: str, weights: str, how: dict[str, str]
) -> list[Array]:
    """``T_1_2`` of every pair."""
    estimator = RelativePoseEstimator.load(weights, device=device, **how)
    found = []
    for pair in pairs:
        images = [read_image(folder / name) for name in pair["images"]]
        estimator.clear_cache()
        found.append(estimator.estimate(*images, *pair["K"]).T_1_2)
    return found


def degrees(found: Sequence[Array], expected: Sequence[Array]) -> Array:
    """Errors of rotation and direction (M, 2)."""
    return np.degrees([pose_errors(*both) for both in zip(found, expected, strict=True)])


if __name__ == "__main__":
    main()
