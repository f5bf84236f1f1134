# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What this machine can do at best: matrix products and copies, and what a network asks of it."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from geloc3r_ros.inference.preprocess import frame
from geloc3r_ros.model import GeLoc3r, ModelConfig
from geloc3r_ros.model.epipolar import forms_of_bases
from geloc3r_ros.model.rope import rotary_table

__all__ = ["about_machine", "arithmetic", "copy_bandwidth", "product_rate"]

TOKENS, CHANNELS, HIDDEN = 1536, 1024, 4096
"""The widest layer of ReLoc3R's encoder on two views of 512x384: 12.9 GFLOP."""

REPEATS = 5
COPY_BYTES = 2**28
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def arithmetic(config: ModelConfig, size: tuple[int, int], new_views: int) -> float:
    """Operations of a pair of which 1 or 2 views are new; additions count as multiplications.

    Args:
        config: of the network.
        size: width and height of the images, as they come from the camera.
        new_views: how many views are encoded.
    """
    _, _, width, height = frame(*size, config).crop
    _forget_kept_tensors()  # they must neither be served nor be kept without numbers
    # The counter knows attention as plain products alone.
    with FakeTensorMode(), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network = GeLoc3r(config)
        image = torch.empty(1, 3, height, width)
        with FlopCounterMode(display=False) as encoding:
            view = network.encode(image)
        with FlopCounterMode(display=False) as decoding:
            network.decode(view, view)
    _forget_kept_tensors()
    return float(new_views * encoding.get_total_flops() + decoding.get_total_flops())


def _forget_kept_tensors() -> None:
    for kept in (rotary_table, forms_of_bases):
        kept.cache_clear()


def product_rate(precision: str, device: str) -> float:
    """Operations a second of a large matrix product, the best of some."""
    if precision == "int8":
        a = torch.randint(-127, 128, (TOKENS, CHANNELS), dtype=torch.int8)
        b = torch.randint(-127, 128, (HIDDEN, CHANNELS), dtype=torch.int8)
        seconds = _fastest(lambda: torch._int_mm(a, b.t()), device)
    else:
        x = torch.randn(TOKENS, CHANNELS, dtype=TYPES[precision], device=device)
        weight = torch.randn(HIDDEN, CHANNELS, dtype=TYPES[precision], device=device)
        seconds = _fastest(lambda: torch.nn.functional.linear(x, weight), device)
    return 2 * TOKENS * CHANNELS * HIDDEN / seconds


def copy_bandwidth(device: str) -> float:
    """Bytes a second that a copy within the memory reads and writes, the best of some."""
    source = torch.ones(COPY_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / _fastest(lambda: target.copy_(source), device)


def _fastest(work: Callable[[], Tensor], device: str) -> float:
    """Seconds of the fastest of some runs, after one that does not count."""
    times = []
    for _ in range(REPEATS + 1):
        start = perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize(device)
        times.append(perf_counter() - start)
    return min(times[1:])


def about_machine() -> dict[str, Any]:
    """Processor, system and versions, for the report."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "processor": names[0] if names else platform.machine(),
        "threads": len(names),
        "gpus": gpus,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
