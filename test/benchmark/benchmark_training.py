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
from geloc3r_training.trainer import starting_parts


def main(
    settings: Annotated[Path, typer.Argument(help="With a stage consistency.")] = Path(
        "config/training/tiny.yaml"
    ),
    batch_size: Annotated[int, typer.Option(help="Pairs a step.")] = 20,
    steps: Annotated[int, typer.Option(help="Steps that are timed, of each stage.")] = 5,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
) -> None:
    """Time steps of stage consistency with GCR and without, and the making of batches."""
    accelerator = Accelerator(cpu=cpu)
    objectives = [stage.objective for stage in load_config(settings).stages]
    index = objectives.index("consistency")
    changes = ["network.start=tiny", "network.stem=null", "data.workers=0"]
    changes += ["data.textures=null", "data.photographs=null"]
    changes += [f"stages.{i}.reliefs=0" for i in range(len(objectives))]
    changes += [f"stages.{index}.batch_size={batch_size}", f"stages.{index}.gcr.warm_up_steps=0"]
    config = load_config(settings, changes)
    parts = starting_parts(config)
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

    pairs = Pairs(config.data, 0, accelerator.device)
    stream = pairs.of_stage(index, config.stages[index], 0, Share())
    data = time_of("data, one process", lambda step: next(stream))
    batch = next(stream)
    times = []
    for name in ("pose", "consistency"):
        one = load_config(settings, [*changes, f"stages.{index}.objective={name}"])
        stage = Stage(one, index, parts, None, accelerator)
        times.append(time_of(name, functools.partial(stage.update, batch)))
    images, _, places = batch.distinct()
    teacher = time_of("teacher", lambda step: stage.objective.teacher(images, places))
    Console().print(table)
    pose, consistency = times
    step = consistency + data
    print(f"of a step with its data, {100 * data / step:.0f} % are data, ", end="")
    print(
        f"{100 * pose / step:.0f} % network, {100 * (consistency - pose) / step:.0f} % GCR ",
        end="",
    )
    print(f"({100 * teacher / step:.0f} % its teacher)")


if __name__ == "__main__":
    typer.run(main)
