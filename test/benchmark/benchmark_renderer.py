# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views a second of the synthetic dataset, step by step.

``python test/benchmark/benchmark_renderer.py [--device cuda] [--size 128] [--processes 2]``

Each process runs one thread, as a training worker does, and does all steps. Two rates of all
together are printed: by the clock, and by processor time, which holds where others compute too.
"""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from geloc3r_training.data.photometric import photograph
from geloc3r_training.data.renderer import Renderer
from geloc3r_training.data.synthetic import SyntheticConfig, SyntheticScenes
from geloc3r_training.data.textures import load_atlas, procedural_atlas

STEPS = "plan", "render", "photograph", "plan + all"


def measured(
    worker: int, device: str, size: int, views: int, scenes: int, textures: Path | None
) -> np.ndarray:
    """Seconds a view of each step by the clock, then the same in processor time."""
    torch.set_num_threads(1)
    atlas = load_atlas(textures) if textures else procedural_atlas()
    config = SyntheticConfig(size=(size, size), views=views)
    dataset = SyntheticScenes(config, Renderer(atlas, device))
    dataset.render([dataset.plan(0)])  # compiles

    def seconds(call) -> tuple[np.ndarray, Any]:
        start = np.array([time.perf_counter(), time.process_time()])
        result = call()
        if device == "cuda":
            torch.cuda.synchronize()
        end = np.array([time.perf_counter(), time.process_time()])
        return (end - start) / (scenes * views), result

    first = 1 + worker * scenes
    planning, plans = seconds(lambda: [dataset.plan(first + i) for i in range(scenes)])
    scene_of_view = [i // views for i in range(scenes * views)]
    poses = torch.cat([torch.from_numpy(plan.T_world_camera) for plan in plans]).numpy()
    K = torch.cat([torch.from_numpy(plan.K) for plan in plans]).numpy()
    packed = [plan.packed for plan in plans]
    rendering, seen = seconds(
        lambda: dataset.renderer.render_packed(packed, scene_of_view, poses, K, (size, size))
    )
    effects = [effect for plan in plans for effect in plan.effects]
    taking, _ = seconds(lambda: photograph(seen.radiance, effects))
    everything, _ = seconds(lambda: dataset.render(plans))
    return np.stack([planning, rendering, taking, planning + everything], axis=1)


def main(
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    size: Annotated[int, typer.Option(help="Pixels a side.")] = 128,
    views: Annotated[int, typer.Option(help="Views a scene.")] = 4,
    scenes: Annotated[int, typer.Option(help="Scenes a process.")] = 32,
    processes: Annotated[int, typer.Option(help="Working at the same time.")] = 2,
    textures: Annotated[Path | None, typer.Option(help="Folder of images.")] = None,
) -> None:
    """Measure the renderer."""
    jobs = [(worker, device, size, views, scenes, textures) for worker in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        results = pool.starmap(measured, jobs)
    by_clock, by_processor = sum(1 / times for times in results)
    table = Table(
        "step",
        "views/s",
        "by processor time",
        title=f"{size} x {size}, {device}, {processes} processes",
    )
    for row in zip(STEPS, by_clock, by_processor, strict=True):
        table.add_row(row[0], *(f"{rate:.0f}" for rate in row[1:]))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
