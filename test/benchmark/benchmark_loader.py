# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many pairs a second are read, cut and coloured. Prints a table.

The files are tiny datasets in the layouts of the tests, 640x480, which the system keeps in memory:
decoding and cutting are timed, a slow disk is not.

PYTHONPATH=test:$PYTHONPATH python test/benchmark/benchmark_loader.py --help
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import torch
import typer
from helpers import dataset_layouts, video_layouts
from helpers.rendered_views import rendered
from rich.console import Console
from rich.table import Table

from geloc3r_training.config import StageConfig
from geloc3r_training.data.datasets import open_dataset
from geloc3r_training.data.mixture_config import MixtureConfig, PartConfig
from geloc3r_training.data.pair_selection import PairConfig
from geloc3r_training.data.preparation import prepare
from geloc3r_training.mixture import Mixture
from geloc3r_training.pairs import Share

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


def main(
    workers: Annotated[int, typer.Option(min=0, help="Processes that read.")] = 2,
    height: Annotated[int, typer.Option(help="Pixels.")] = 384,
    width: Annotated[int, typer.Option(help="Pixels.")] = 512,
    batches: Annotated[int, typer.Option(min=1, help="Batches of 16 that are timed.")] = 20,
) -> None:
    """Time each layout on its own."""
    torch.set_num_threads(1)
    table = Table("dataset", "files", "pairs/s", title=f"{width}x{height}, {workers} workers")
    for name, (files, write) in LAYOUTS.items():
        with TemporaryDirectory() as folder:
            root = Path(folder)
            write(root / "data", rendered(*KINECT))
            prepare(open_dataset(root / "data"), SELECTION, root / "pairs", 1, Console(quiet=True))
            config = MixtureConfig(
                parts=(PartConfig(dataset=name, root=str(root / "data"), pairs=1),),
                cache=str(root / "pairs"),
                sizes=((height, width),),
                selection=SELECTION,
                workers=workers,
            )
            stage = StageConfig(objective="pose", steps=1, batch_size=16, learning_rate=1e-3)
            stream = Mixture(config, 0, torch.device("cpu")).of_stage(0, stage, 0, Share())
            for _ in range(3):  # until the workers run
                next(stream)
            start = time.perf_counter()
            for _ in range(batches):
                next(stream)
            rate = 16 * batches / (time.perf_counter() - start)
            del stream  # ends the workers before their files go
        table.add_row(name, files, f"{rate:.1f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
