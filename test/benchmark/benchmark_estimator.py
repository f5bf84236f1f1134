# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time of the estimator goes, and what precision and resampling do to the pose.

    python test/benchmark/benchmark_estimator.py left.jpg right.jpg --weights tiny

Medians over the runs of the stages in ms, first with both views new, then with the first one
remembered, as in a stream. Pose differences are to fp32 with Lanczos resampling, in degrees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from geloc3r_ros.geometry import pose_errors
from geloc3r_ros.inference import PoseEstimate, RelativePoseEstimator, read_image
from geloc3r_ros.inference.images import Image

STAGES = ("preprocess", "encode", "decode", "total")


def main() -> None:
    """Measure each setting on one pair of images."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", nargs=2, type=Path)
    parser.add_argument("--weights", default="tiny")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    rgb1, rgb2 = (read_image(path) for path in options.images)
    table = Table("precision", "resampling", "views new", *STAGES, "rotation", "direction")
    reference = None
    for precision, resampling in (("fp32", "lanczos"), ("fp32", "area"), ("bf16", "area")):
        estimator = RelativePoseEstimator.load(
            options.weights, device=options.device, precision=precision, resampling=resampling
        )
        for new in (2, 1):
            estimates = measure(estimator, rgb1, rgb2, new, options.runs)
            reference = reference or estimates[0]
            errors = np.degrees(pose_errors(estimates[0].T_1_2, reference.T_1_2))
            times = [
                1e3 * np.median([getattr(estimate.latency, stage) for estimate in estimates])
                for stage in STAGES
            ]
            table.add_row(
                precision,
                resampling,
                str(new),
                *(f"{ms:.1f}" for ms in times),
                *(f"{error:.2f}" for error in errors),
            )
    Console(width=110).print(table)


def measure(
    estimator: RelativePoseEstimator, rgb1: Image, rgb2: Image, new: int, runs: int
) -> list[PoseEstimate]:
    """Estimate the pose of a pair again and again, with 2 or only the second of its views new."""
    estimator.warm_up([rgb1.shape[:2], rgb2.shape[:2]])
    estimates = [estimator.estimate(rgb1, rgb2)]
    for run in range(runs):
        if new == 2:
            estimator.clear_cache()
            second = rgb2
        else:
            second = np.roll(rgb2, run + 1, axis=1)  # a frame not seen before
        estimates.append(estimator.estimate(rgb1, second))
    return [estimates[0], *estimates[2:]]


if __name__ == "__main__":
    main()
