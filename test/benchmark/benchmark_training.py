# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a step of training spends its time: data, network, GCR. Prints a table.

python test/benchmark/benchmark_training.py --help
"""

import time
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

DESCRIPTORS = "stages.1.objective=descriptors"


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
    device = accelerator.device

    def seconds(work) -> float:
        work()
        start = time.perf_counter()
        for _ in range(steps):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    stream = Pairs(config.data, 0, device).of_stage(0, config.stages[0], 0, Share())
    data = seconds(lambda: next(stream))
    batch = next(stream)
    table = Table(
        "", "ms a step", "pairs/s", title=f"{settings.stem}, {batch_size} pairs, {device}"
    )
    table.add_row("data, one process", f"{1e3 * data:.0f}", f"{batch_size / data:.1f}")
    parts: dict[str, torch.Tensor] = {}
    times = {}
    for index, stage_config in enumerate(config.stages):
        stage = Stage(config, index, parts, None, accelerator)
        counter = iter(range(10**6))
        times[stage_config.objective] = seconds(lambda: stage.update(batch, next(counter)))  # noqa: B023
        parts = {**parts, **stage.average.state_dict()}
        rate = times[stage_config.objective]
        table.add_row(stage_config.objective, f"{1e3 * rate:.0f}", f"{batch_size / rate:.1f}")
    Console().print(table)
    teacher = stage.objective.teacher
    described = seconds(lambda: teacher(*batch.views()))
    share = 1 - (times["pose"] + described) / times["consistency"]
    print(
        f"the teacher takes {1e3 * described:.0f} ms, the rest of GCR {100 * share:.0f} % of a step"
    )


if __name__ == "__main__":
    typer.run(main)
