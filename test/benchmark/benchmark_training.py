# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a step of training spends its time: data, network, GCR. Prints a table.

python test/benchmark/benchmark_training.py --help
"""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table

from geloc3r_training.config import load_config
from geloc3r_training.pairs import Pairs, Share
from geloc3r_training.stage import Stage


def main(
    settings: Annotated[Path, typer.Argument(help="With three stages.")] = Path(
        "config/training/tiny.yaml"
    ),
    batch_size: Annotated[int, typer.Option(help="Pairs a step.")] = 16,
    steps: Annotated[int, typer.Option(help="Steps that are timed, of each stage.")] = 5,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
) -> None:
    """Time steps of every stage on one batch, and the making of batches beside them."""
    accelerator = Accelerator(cpu=cpu)
    changes = [f"stages.{i}.batch_size={batch_size}" for i in range(3)]
    config = load_config(settings, [*changes, "stages.2.gcr.warm_up_steps=0", "data.workers=0"])
    title = f"{settings.stem}, {batch_size} pairs, {accelerator.device}"
    table = Table("", "ms a step", "pairs/s", title=title)

    def time_of(name: str, work: Callable[[int], object]) -> float:
        """Seconds that ``work`` takes, after a first time that is not counted."""
        work(0)
        start = time.perf_counter()
        for step in range(1, steps + 1):
            work(step)
        if torch.cuda.is_available() and not cpu:
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - start) / steps
        table.add_row(name, f"{1e3 * seconds:.0f}", f"{batch_size / seconds:.1f}")
        return seconds

    stream = Pairs(config.data, 0, accelerator.device).of_stage(0, config.stages[0], 0, Share())
    time_of("data, one process", lambda step: next(stream))
    batch = next(stream)
    parts: dict[str, torch.Tensor] = {}
    times = []
    for index, stage_config in enumerate(config.stages):
        stage = Stage(config, index, parts, None, accelerator)
        times.append(time_of(stage_config.objective, functools.partial(stage.update, batch)))
        parts = {**parts, **stage.average.state_dict()}
    teacher = time_of("teacher", lambda step: stage.objective.teacher(*batch.views()))
    Console().print(table)
    print(f"GCR takes {100 * (1 - times[0] / times[2]):.0f} % of a step of stage 2, ", end="")
    print(f"{100 * teacher / times[2]:.0f} % of it in the teacher")


if __name__ == "__main__":
    typer.run(main)
