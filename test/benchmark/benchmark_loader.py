# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many pairs a second are read, cut and coloured, and whether a training waits for them.

The files are tiny datasets in the layouts of the tests, 640x480, which the system keeps in memory:
decoding and cutting are timed, a slow disk is not. Prints two tables for docs/benchmarks.md.

PYTHONPATH=test:$PYTHONPATH python test/benchmark/benchmark_loader.py --help
"""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from accelerate import Accelerator
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import rendered
from rich.console import Console

from geloc3r_training.config import load_config
from geloc3r_training.data.datasets import open_dataset
from geloc3r_training.data.mixture_config import MixtureConfig, PartConfig
from geloc3r_training.data.pair_selection import PairConfig
from geloc3r_training.data.preparation import prepare
from geloc3r_training.mixture import Mixture
from geloc3r_training.pairs import PairBatch, Pairs, Share
from geloc3r_training.stage import Stage

KINECT = (640, 480), 525.0, 525.0, 319.5, 239.5
LAYOUTS = {  # MegaDepth1500 is read as MegaDepth
    "co3d": ("JPEG, half-float depth, mask", dataset_layouts.co3d),
    "megadepth": ("JPEG, HDF5 depth", dataset_layouts.megadepth),
    "blendedmvs": ("JPEG, PFM depth", dataset_layouts.blendedmvs),
    "scannetpp": ("JPEG, PNG depth, lens", video_layouts.scannetpp),
    "arkitscenes": ("PNG, PNG depth, confidence", video_layouts.arkitscenes),
    "dl3dv": ("PNG, lens, no depth", video_layouts.dl3dv),
    "realestate10k": ("PNG, no depth", video_layouts.realestate10k),
    "acid": ("PNG, no depth", video_layouts.acid),
    "scannet1500": ("JPEG that is resized, PNG depth", video_layouts.scannet1500),
    "7scenes": ("PNG, PNG depth", dataset_layouts.seven_scenes),
    "cambridge": ("PNG, lens, no depth", dataset_layouts.cambridge),
    "tum": ("PNG, PNG depth", video_layouts.tum),
    "recording": ("JPEG, PNG depth", dataset_layouts.recording),
}
SELECTION = PairConfig(covisibility=(0.1, 1.0), frame_gap=(1, 3))
SETTINGS = Path("config/training/fine_tune.yaml")
POSE, BATCH = 1, 20  # the stage that is trained, and its pairs a step
FIRST = 3  # batches until the workers run, not counted
Workers = Annotated[int, typer.Option(min=0, help="Processes that read.")]


def main(
    workers: Workers = 2,
    height: Annotated[int, typer.Option(help="Pixels.")] = 384,
    width: Annotated[int, typer.Option(help="Pixels.")] = 512,
    batches: Annotated[int, typer.Option(min=1, help="Batches of 20 that are timed.")] = 20,
    steps: Annotated[int, typer.Option(min=0, help="Steps of training; 0: none.")] = 10,
) -> None:
    """Time each layout on its own, then steps of training."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        made = {name: make(name, root / name) for name in LAYOUTS}
        print(f"| dataset | files | pairs/s at {width}x{height}, {workers} workers |")
        print("|---|---|---|")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        for name, part in made.items():
            stream = stored(part, root, (height, width), workers)
            rate = BATCH * batches / seconds(stream, batches)
            print(f"| `{name}` | {LAYOUTS[name][0]} | {rate:.1f} |", flush=True)
        torch.set_num_threads(threads)
        if steps:
            print("\n| a training of `tiny` on | pairs/s | time spent waiting for data |")
            print("|---|---|---|")
            train("rendered places", None, root, steps)
            for name in ("co3d", "scannetpp"):
                train(f"`{name}`, {workers} workers", made[name], root, steps, workers)


def make(name: str, root: Path) -> PartConfig:
    """Write a dataset and select its pairs."""
    LAYOUTS[name][1](root, rendered(*KINECT))
    prepare(open_dataset(root), SELECTION, root.parent / "pairs", 1, Console(quiet=True))
    return PartConfig(dataset=name, root=str(root), pairs=1)


def stored(
    part: PartConfig, root: Path, size: tuple[int, int], workers: int
) -> Iterator[PairBatch]:
    """Batches of a dataset on disk."""
    config = MixtureConfig(
        parts=(part,),
        cache=str(root / "pairs"),
        sizes=(size,),
        selection=SELECTION,
        workers=workers,
    )
    stage = load_config(SETTINGS).stages[POSE]
    return Mixture(config, 0, torch.device("cpu")).of_stage(POSE, stage, 0, Share())


def seconds(stream: Iterator[PairBatch], batches: int) -> float:
    """Time of so many batches, after the first ones."""
    for _ in range(FIRST):
        next(stream)
    start = time.perf_counter()
    for _ in range(batches):
        next(stream)
    return time.perf_counter() - start


def train(name: str, part: PartConfig | None, root: Path, steps: int, workers: int = 0) -> None:
    """Take steps as the trainer does and print their row; ``part`` None: rendered scenes."""
    config = load_config(SETTINGS)
    stage = Stage(config, POSE, {}, None, Accelerator(cpu=True))
    if part:
        stream = stored(part, root, config.data.sizes[0], workers)
    else:
        pairs = Pairs(config.data, 0, torch.device("cpu"))
        stream = pairs.of_stage(POSE, config.stages[POSE], 0, Share())
    waited = begin = 0.0
    for step in range(FIRST + steps):
        if step == FIRST:
            waited, begin = 0.0, time.perf_counter()
        asked = time.perf_counter()
        batch = next(stream)
        waited += time.perf_counter() - asked
        stage.update(batch, step)
    whole = time.perf_counter() - begin
    print(f"| {name} | {BATCH * steps / whole:.1f} | {waited / whole:.1%} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
