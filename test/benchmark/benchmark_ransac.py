# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy and speed of weighted RANSAC beside least squares on the true inliers and poselib.

    python test/benchmark/benchmark_ransac.py --pairs 1000

Camera 640x480, f = 525; 1024 points, their pixels uniform in view 1 and their depth log-uniform in
1.5-6 m; rotation up to 20 degrees about any axis, translation in any direction; 1 px noise on
either pixel coordinate; outliers uniform in view 2. Baselines are over the median depth, 3 m. The
threshold is 2 px, poselib's also 4 px; its other options are its defaults. Errors are of
rotation and of the direction of translation. "Solved" means both below 10 times the median of
least squares, and rotation below 1 degree.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import poselib
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from geloc3r_training.gcr import pair_generators, weighted_ransac
from geloc3r_training.gcr.diagnostics import roc_auc
from geloc3r_training.gcr.refine import refine
from geloc3r_training.gcr.se3 import pose_errors, project, retract, transform

SIZE = torch.tensor([640.0, 480.0], dtype=torch.float64)
K = torch.tensor([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]], dtype=torch.float64)
MEDIAN_DEPTH = 3.0
THRESHOLD = 2.0
BATCH = 32
SEPARATION = 1.8124
"""Distance of two normal distributions of unit variance whose ROC-AUC is 0.9."""


@dataclass
class Pairs:
    """Simulated pairs of view 1 points and view 2 pixels."""

    points_1: Tensor
    pixels_2: Tensor
    inliers: Tensor
    T_2_1: Tensor


def simulate(
    pairs: int,
    baseline: float = 0.1,
    outliers: float = 0.6,
    coherent: float = 0.0,
    planar: bool = False,
    seed: int = 0,
    count: int = 1024,
) -> Pairs:
    """Draw pairs; ``coherent`` is the share seen from a pose 3 degrees off, of the outliers."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, dtype=torch.float64, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    rays = pad(uniform(pairs, count, 2) * SIZE, (0, 1), value=1.0) @ torch.linalg.inv(K).mT
    depth = 1.5 * 4 ** uniform(pairs, count, 1)
    if planar:
        # The normal leans by up to 45 degrees, so that all of the plane is in front of camera 1.
        lean, way = uniform(pairs, 1, 1) * torch.pi / 4, uniform(pairs, 1, 1) * 2 * torch.pi
        slope = torch.cat([way.cos() * lean.tan(), way.sin() * lean.tan()], dim=-1)
        depth = MEDIAN_DEPTH / (1 + (rays[..., :2] * slope).sum(-1, keepdim=True))
    points_1 = rays * depth
    turn = normalize(normal(pairs, 3), dim=-1) * torch.pi / 9 * uniform(pairs, 1)
    shift = normalize(normal(pairs, 3), dim=-1) * baseline * MEDIAN_DEPTH
    identity = torch.eye(4, dtype=torch.float64).expand(pairs, 4, 4)
    T_2_1 = retract(identity, torch.cat([shift, turn], dim=-1))
    off = normalize(normal(pairs, 3), dim=-1) * torch.pi / 60
    T_wrong = retract(T_2_1, torch.cat([torch.zeros_like(off), off], dim=-1))

    place = torch.arange(count).expand(pairs, count) / count
    inliers, wrong = place >= outliers, place < coherent
    pixels_2 = uniform(pairs, count, 2) * SIZE
    for members, T in ((inliers, T_2_1), (wrong, T_wrong)):
        seen = project(K, transform(T, points_1))[0] + normal(pairs, count, 2)
        pixels_2 = torch.where(members[..., None], seen, pixels_2)
    return Pairs(points_1, pixels_2, inliers, T_2_1)


def uncertain_weights(inliers: Tensor, seed: int = 1) -> Tensor:
    """Weights in (0, 1) whose ROC-AUC against the inliers is 0.9 in expectation."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(inliers.shape, dtype=torch.float64, generator=generator)
    return torch.sigmoid(noise + SEPARATION * (inliers.double() - 0.5))


def solve_ours(pairs: Pairs, weights: Tensor) -> Tensor:
    """Poses (P, 4, 4) of weighted RANSAC, 256 hypotheses, in batches of 32."""
    poses = []
    for start in range(0, len(weights), BATCH):
        part = slice(start, start + BATCH)
        generators = pair_generators(0, 0, range(len(weights))[part])
        seen = (pairs.points_1[part], pairs.pixels_2[part], weights[part])
        camera = K.expand(len(seen[0]), 3, 3)
        solved = weighted_ransac(*seen, camera, threshold=THRESHOLD, generator=generators)
        poses.append(solved.T_2_1)
    return torch.cat(poses)


def solve_poselib(pairs: Pairs, threshold: float = THRESHOLD) -> Tensor:
    """Poses (P, 4, 4) of poselib, one pair after the other."""
    camera = {
        "model": "PINHOLE",
        "width": int(SIZE[0]),
        "height": int(SIZE[1]),
        "params": K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist(),
    }
    poses = np.tile(np.eye(4), (len(pairs.T_2_1), 1, 1))
    for T, pixels, points in zip(
        poses, pairs.pixels_2.numpy(), pairs.points_1.numpy(), strict=True
    ):
        options = {"max_reproj_error": threshold}
        T[:3] = poselib.estimate_absolute_pose(pixels, points, camera, options, {})[0].Rt
    return torch.from_numpy(poses)


def least_squares(pairs: Pairs) -> Tensor:
    """Poses (P, 4, 4) of least squares on the true inliers, from the true pose: the floor."""
    seen = (pairs.points_1, pairs.pixels_2, pairs.inliers.double())
    return refine(pairs.T_2_1, *seen, K.expand_as(pairs.T_2_1[:, :3, :3]), [1e6] * 5)[0]


def statistics(T: Tensor, T_true: Tensor) -> Tensor:
    """Median and 95th percentile of both errors (4,), degrees."""
    errors = [error.rad2deg() for error in pose_errors(T, T_true)]
    return torch.stack([error.quantile(q) for error in errors for q in (0.5, 0.95)])


def solved_share(T: Tensor, T_true: Tensor, floor: Tensor) -> float:
    """Share of pairs whose errors are those of noise, not of a wrong pose."""
    rotation, direction = (error.rad2deg() for error in pose_errors(T, T_true))
    solved = (rotation < floor[0] * 10) & (direction < floor[2] * 10) & (rotation < 1.0)
    return float(solved.double().mean())


def report(name: str, pairs: Pairs, weights: Tensor | None) -> None:
    """Print one row a solver of one cell."""
    best = least_squares(pairs)
    floor = statistics(best, pairs.T_2_1)
    print(f"\n{name}")
    if weights is not None:
        auc = roc_auc(weights, pairs.inliers, torch.ones_like(pairs.inliers)).mean()
        print(f"  ROC-AUC of the weights {auc:.3f}")
    share = solved_share(best, pairs.T_2_1, floor)
    print(f"  {'floor':22s}" + "".join(f"{value:9.4f}" for value in floor), end="")
    print(f"   solved {share:7.2%}")
    ones = torch.ones_like(pairs.points_1[..., 0])
    solvers: dict[str, Callable[[], Tensor]] = {
        f"poselib {threshold:g} px": partial(solve_poselib, pairs, threshold)
        for threshold in (THRESHOLD, 2 * THRESHOLD)
    }
    if weights is None:
        solvers["ours"] = lambda: solve_ours(pairs, ones)
    else:
        solvers["ours, weighted"] = lambda: solve_ours(pairs, weights)
    for solver, solve in solvers.items():
        T = solve()
        ratio = "".join(f"{value:9.3f}" for value in statistics(T, pairs.T_2_1) / floor)
        share = solved_share(T, pairs.T_2_1, floor)
        print(f"  {solver + ' / floor':22s}{ratio}   solved {share:7.2%}")


def report_time(repeats: int = 7) -> None:
    """Print the time of 32 pairs of 256 hypotheses and 1024 points beside poselib's."""
    pairs = simulate(BATCH)
    ones = torch.ones_like(pairs.points_1[..., 0])
    print(f"\nTime of {BATCH} pairs, {torch.get_num_threads()} threads, best of {repeats}")
    for name, solve in (
        ("ours", lambda: solve_ours(pairs, ones)),
        ("poselib, a loop", lambda: solve_poselib(pairs)),
    ):
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            solve()
            times.append(time.perf_counter() - start)
        print(f"  {name:22s}{min(times[1:]):9.3f} s   median {np.median(times[1:]):.3f} s")


def main() -> None:
    """Run all cells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000, help="pairs a cell")
    count = parser.parse_args().pairs
    report_time()
    print("\nColumns: rotation median, p95, direction median, p95; degrees, then over the floor")
    for baseline in (0.05, 0.1, 0.3):
        name = f"60 % outliers, baseline/depth {baseline}"
        report(name, simulate(count, baseline), None)
    report("60 % outliers, a plane", simulate(count, planar=True), None)
    for name, outliers, coherent in (
        ("90 % outliers", 0.9, 0.0),
        ("45 % coherent outliers, 55 % inliers", 0.45, 0.45),
        ("45 % coherent outliers, 15 % random, 40 % inliers", 0.6, 0.45),
    ):
        pairs = simulate(count, outliers=outliers, coherent=coherent)
        report(name, pairs, uncertain_weights(pairs.inliers))


if __name__ == "__main__":
    main()
