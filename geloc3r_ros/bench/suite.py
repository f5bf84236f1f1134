# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures cases one after the other, each in a fresh process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from geloc3r_ros.bench.cases import RANDOM, Case, Measurement

__all__ = ["measure_case", "random_weights"]


@contextmanager
def random_weights(cases: Sequence[Case]) -> Iterator[dict[str, str]]:
    """Files with random weights, by their names, for as long as they are needed."""
    with TemporaryDirectory(prefix="geloc3r_bench_") as folder:
        files = {}
        for name in {case.weights for case in cases}.intersection(RANDOM):
            files[name] = str(Path(folder) / f"{name}.safetensors")
            _save_random(name, Path(files[name]))
        yield files


def _save_random(variant: str, path: Path) -> None:
    import torch

    from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, save_weights

    config = ModelConfig.large() if variant == "large" else ModelConfig.large_224()
    torch.manual_seed(0)
    info = WeightsInfo(name=f"{variant} (random)", config=config, trained=False, licence="CC0-1.0")
    save_weights(path, GeLoc3r(config), info, torch.bfloat16)


def measure_case(
    case: Case, files: dict[str, str], threads: int | None, on_run: Callable[[], Any]
) -> Measurement | str:
    """Measure one case, or say why it cannot be run here.

    Args:
        case: what to measure.
        files: of :func:`random_weights`.
        threads: threads of torch; its own choice where None.
        on_run: called after each run.
    """
    environment = dict(os.environ)
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    located = replace(case, weights=files.get(case.weights, case.weights))
    command = [sys.executable, "-m", "geloc3r_ros.bench.process", json.dumps(asdict(located))]
    command.append(repr(time.monotonic()))
    last: dict[str, Any] = {}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = json.loads(line)
                if not last:
                    on_run()
        except BaseException:
            process.kill()
            raise
    if "error" in last:
        return str(last["error"])
    if process.returncode:
        return _end(process.returncode)
    return Measurement(**{**last, "case": case})


def _end(code: int) -> str:
    """Say how a process ended that neither measured nor told why."""
    if code == -signal.SIGKILL:
        return "its process was killed, as the system does when memory runs out"
    if code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process failed with code {code}; what it said stands above"
