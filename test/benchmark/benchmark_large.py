# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time the large network on this CPU beside a plain implementation of the same equations.

Usage: python test/benchmark/benchmark_large.py [--repeats N] [--threads N]

Random weights, 512x384, one pair; the fastest of N runs counts. Prints a table in Markdown.
The arithmetic of a pair over the rate of a plain matrix product is the floor of its time.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from geloc3r_ros.geometry import pose_errors
from geloc3r_ros.model import GeLoc3r, ModelConfig

ORACLE = Path(__file__).parents[1] / "model" / "oracle.py"
HEIGHT, WIDTH = 384, 512
TOKENS = 2 * HEIGHT * WIDTH // 16**2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the fastest counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    config = ModelConfig.large()
    model = GeLoc3r(config)
    image1, image2 = torch.rand(2, 1, 3, HEIGHT, WIDTH) * 2 - 1
    oracle, weights = load_oracle(), model.state_dict()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        oracle.encode(config, weights, image1)
        one_view = counter.get_total_flops() / 1e12
        oracle.poses(config, weights, image1, image2)
        pair = counter.get_total_flops() / 1e12 - one_view

    rows = []

    def measure(label: str, work: float, dtype: torch.dtype, run: Callable[[], Any]) -> Any:
        seconds, result = fastest(run, options.repeats)
        rows.append((label, seconds, work / matmul_rate(dtype, options.repeats)))
        return result

    exact = measure(
        "plain float32, eager",
        pair,
        torch.float32,
        lambda: oracle.poses(config, weights, image1, image2),
    )
    measure("ours, float32", pair, torch.float32, lambda: model(image1, image2))
    model.to(torch.bfloat16)
    rough = measure("ours, bfloat16", pair, torch.bfloat16, lambda: model(image1, image2))
    with torch.inference_mode():
        kept = model.encode(image1)
    measure(
        "ours, bfloat16, one view kept",
        pair - one_view,
        torch.bfloat16,
        lambda: model.decode(kept, model.encode(image2)),
    )
    report(rows, pair, options.threads, exact, rough)


def load_oracle() -> Any:
    """Import the oracle of the tests, which is no package."""
    spec = importlib.util.spec_from_file_location("oracle", ORACLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.inference_mode()
def fastest(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the seconds of the fastest run, after one that does not count, and its result."""
    result = run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times), result


def matmul_rate(dtype: torch.dtype, repeats: int) -> float:
    """Rate of the first linear layer of an encoder's MLP over two views, in TFLOP/s."""
    x, weight = torch.randn(TOKENS, 1024, dtype=dtype), torch.randn(4096, 1024, dtype=dtype)
    count = 8

    def layers() -> None:
        for _ in range(count):
            torch.nn.functional.linear(x, weight)

    seconds, _ = fastest(layers, repeats)
    return count * 2 * x.numel() * len(weight) / seconds / 1e12


def report(
    rows: list[tuple[str, float, float]],
    pair: float,
    threads: int,
    exact: tuple[Tensor, Tensor],
    rough: tuple[Tensor, Tensor],
) -> None:
    """Print the table, and how far bfloat16 moves the pose."""
    baseline = rows[0][1]
    print(f"{pair:.2f} TFLOP a pair, {threads} threads, torch {torch.__version__}\n")
    print("| large, 512x384 | s a pair | arithmetic floor (s) | times as fast |")
    print("|---|---|---|---|")
    for label, seconds, floor in rows:
        print(f"| {label} | {seconds:.2f} | {floor:.2f} | {baseline / seconds:.2f} |")
    errors = [
        pose_errors(T.double().numpy(), T_exact.double().numpy())
        for T, T_exact in zip(torch.cat(rough), torch.cat(exact), strict=True)
    ]
    rotation, direction = np.rad2deg(np.max(errors, axis=0))
    print(f"\nbfloat16 against plain float32: {rotation:.3f} deg rotation, ", end="")
    print(f"{direction:.3f} deg translation direction")


if __name__ == "__main__":
    main()
