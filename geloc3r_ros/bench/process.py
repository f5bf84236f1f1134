# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One case in a process of its own: ``python -m geloc3r_ros.bench.process CASE STARTED``.

CASE is JSON, STARTED the steady clock when the process was started. Each finished run is a line
``{}`` on the standard output; the last line is the measurement, or the error of the user.

Nothing heavy is imported on top: how long the imports take is part of the measurement.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from geloc3r_ros.bench.cases import PLAIN, Case, Measurement
from geloc3r_ros.errors import GeLoc3rError

__all__ = ["main"]

MOST_POSES = 100


class StartUp:
    """Marks on the way from the start of the process to the first pose."""

    def __init__(self, started: float) -> None:
        self._last = started
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, int] = {}

    def mark(self, name: str) -> None:
        """Note that a step has ended."""
        now = time.monotonic()
        self.seconds[name], self._last = now - self._last, now
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        self.memory[name] = pages * resource.getpagesize()


def measure(case: Case, started: float, tell: Callable[[], None]) -> Measurement:
    """Start up, then time runs; ``tell`` is called after each.

    Raises:
        GeLoc3rError: if the case cannot be run here.
    """
    start_up = StartUp(started)
    start_up.mark("interpreter")
    import torch

    start_up.mark("torch")
    from geloc3r_ros.bench import runs

    start_up.mark("package")
    run_kind = runs.PlainRuns if case.backend == PLAIN else runs.EstimatorRuns
    timed = run_kind(case)
    start_up.mark("model")
    pictures = runs.read_pictures(case.size, 1)
    timed.run(pictures[0])
    start_up.mark("first pose")
    pictures = runs.read_pictures(case.size, case.runs + 1)
    results = []
    for k in range(1, case.runs + 1):
        results.append(timed.run(pictures[k % len(pictures)]))
        tell()
    from geloc3r_ros.bench import machine

    device, precision = timed.device, timed.precision
    of_torch = device.replace("tensorrt", "cuda")
    return Measurement(
        case=case,
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
        stages={name: [r.stages[name] for r in results] for name in results[0].stages},
        total=[r.total for r in results],
        poses=[r.T_1_2.tolist() for r in results[:MOST_POSES]],
        start_up=start_up.seconds,
        memory=start_up.memory,
        peak=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        device_peak=0 if device == "cpu" else torch.cuda.max_memory_allocated(),
        arithmetic=machine.arithmetic(timed.config, case.size, timed.new_views),
        rate=machine.product_rate(precision, of_torch),
        bandwidth=machine.copy_bandwidth(of_torch),
        weight_bytes=timed.weight_bytes,
    )


def main() -> None:
    """Measure the case of the command line."""
    logging.basicConfig(level=logging.ERROR)
    values = json.loads(sys.argv[1])
    case = Case(**{**values, "size": tuple(values["size"])})
    try:
        found = measure(case, float(sys.argv[2]), lambda: print("{}", flush=True))
        print(json.dumps(asdict(found)))
    except GeLoc3rError as error:
        print(json.dumps({"error": str(error)}))
    except KeyboardInterrupt:  # of the whole command, which says so
        sys.exit(1)


if __name__ == "__main__":
    main()
