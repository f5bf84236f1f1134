# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``geloc3r-data`` command: looking at datasets and preparing them for training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from geloc3r_ros.commands.console import application, run_application
from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.truth import TruthOptions
from geloc3r_ros.geometry import rotation_angle
from geloc3r_training.data.benchmark_pairs import export_pairs
from geloc3r_training.data.datasets import DATASETS, Problem, open_dataset
from geloc3r_training.data.datasets.co3d import Co3d, benchmark_pairs
from geloc3r_training.data.from_bag import BagOptions, convert
from geloc3r_training.data.held_out_pairs import PARTS, write_held_out_pairs
from geloc3r_training.data.pair_pictures import contact_sheet
from geloc3r_training.data.pair_selection import PairConfig
from geloc3r_training.data.preparation import example_pairs, inspect_all, look_at, prepare
from geloc3r_training.typed_yaml import fill, read_yaml

__all__ = ["app", "main"]

out = Console(highlight=False, markup=False, soft_wrap=True)
app = application("Datasets of posed images: look at them, and prepare them for training.")

MOST_LISTED = 20
"""Problems that are printed; all of them are written to the file."""

Root = Annotated[Path, typer.Argument(metavar="PATH", help="Folder of a dataset.")]
Name = Annotated[
    str | None, typer.Option("--dataset", help=f"One of {', '.join(DATASETS)}; else recognised.")
]
Split = Annotated[str | None, typer.Option(help="Split; the first of the dataset by default.")]
Problems = Annotated[Path | None, typer.Option(help="File for all problems, JSON.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]


@app.command()
def check(
    root: Root,
    dataset: Name = None,
    split: Split = None,
    scenes: Annotated[int, typer.Option(min=1, help="Scenes looked at, evenly.")] = 20,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs on the contact sheet.")] = 6,
    sheet: Annotated[Path, typer.Option(help="Picture to write.")] = Path("contact_sheet.png"),
    problems: Problems = None,
    workers: Workers = 1,
) -> None:
    """Recognise a dataset, count it, list what is broken, and draw pairs of it.

    On the sheet, points must lie on the same things in both views, on their epipolar lines, and
    the third picture (the first carried into the second through depth) must look like the second.
    """
    opened = open_dataset(root, dataset, split)
    names = opened.scenes()
    places = np.unique(np.linspace(0, len(names) - 1, min(scenes, len(names))).astype(int))
    looked = [names[i] for i in places] if names else []
    inspections = inspect_all(opened, looked, workers, out)
    sights = look_at(opened, example_pairs(opened, looked, pairs), (288, 384))
    found = [problem for inspection in inspections for problem in inspection.problems]
    frames = [frame for inspection in inspections for frame in inspection.frames]
    benchmark = opened.pairs()
    table = Table.grid(padding=(0, 2))
    table.add_row("dataset", opened.name)
    table.add_row("split", opened.split)
    table.add_row("scale", opened.scale.value)
    table.add_row("scenes", f"{len(names)}, {len(looked)} of them looked at")
    table.add_row("frames", f"{len(frames)} usable there")
    deep = sum(frame.depth is not None for frame in frames)
    table.add_row("depth", f"of {deep} of them" if deep else "none")
    table.add_row("problems", str(len(found)))
    table.add_row("pairs", "to be selected" if benchmark is None else f"{len(benchmark)} fixed")
    out.print(table)
    _list_problems(found, problems)
    if not sights:
        raise ConfigError(f"{root}: not one pair of the split {opened.split!r} can be read")
    cv2.imwrite(str(sheet), contact_sheet([sight.sample for sight in sights])[..., ::-1])
    for pair, sample in sights:
        T_a_b = sample.T_a_b(0, 1)
        out.print(
            f"{pair.scene}: {pair.a} to {pair.b}: rotation "
            f"{np.degrees(rotation_angle(T_a_b[:3, :3])):.1f} degrees, "
            f"translation {np.array2string(T_a_b[:3, 3], precision=3)}"
        )
    out.print(f"contact sheet: {sheet}")


@app.command("prepare")
def prepare_pairs(
    root: Root,
    cache: Annotated[Path, typer.Option(help="Folder for the selected pairs.")],
    dataset: Name = None,
    split: Split = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML with settings of the selection.")
    ] = None,
    problems: Problems = None,
    workers: Workers = 1,
) -> None:
    """Select pairs by measured covisibility. Stopped, it goes on where it was."""
    opened = open_dataset(root, dataset, split)
    settings = fill(PairConfig, read_yaml(config), str(config)) if config else PairConfig()
    prepared = prepare(opened, settings, cache, workers, out)
    count = sum(len(pairs.names) for pairs in prepared)
    empty = sum(not pairs.names for pairs in prepared)
    out.print(f"{opened.name}: {count} pairs of {len(prepared)} scenes, {empty} without any")
    _list_problems([problem for pairs in prepared for problem in pairs.problems], problems)
    if not count:
        raise ConfigError(f"{root}: no pair fits; look at the problems and the settings")


@app.command()
def pairs(
    root: Root,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to.")],
    dataset: Name = None,
    split: Split = None,
    seed: Annotated[int, typer.Option(help="Of CO3Dv2's draw; report 0, 1 and 2.")] = 0,
    problems: Problems = None,
) -> None:
    """Write a benchmark as OUT/pairs.json with its cut images, for `geloc3r eval pairs`."""
    opened = open_dataset(root, dataset, split)
    drawn = isinstance(opened, Co3d) and opened.split == "test"
    listed = benchmark_pairs(opened, seed) if drawn else opened.pairs()
    if listed is None:
        raise ConfigError(f"{opened.name}, split {opened.split!r}, has no pairs of a benchmark")
    output.mkdir(parents=True, exist_ok=True)
    name = f"{opened.name}, seed {seed}" if drawn else opened.name
    count, found = export_pairs(opened, listed, output, name, out)
    out.print(f"{output}/pairs.json: {count} pairs of {opened.name}, {len(found)} left out")
    _list_problems(found, problems)


@app.command("held-out")
def held_out(
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder.")],
    textures: Annotated[
        Path | None, typer.Option(help="Folder of images, as of training; else procedural.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="How many.")] = 20_000,
    side: Annotated[int, typer.Option(min=32, help="Longer side of the images, pixels.")] = 256,
    part: Annotated[str, typer.Option(help=f"One of {', '.join(PARTS)}.")] = "test",
) -> None:
    """Write pairs of held-out places and textures, for `geloc3r eval pairs`.

    OUT/pairs.json has those that moved, OUT/still.json those that did not.
    """
    counts = write_held_out_pairs(output, textures, pairs, side, part, out)
    out.print(f"{output}: {counts.moved} pairs that moved, {counts.still} that did not")


@app.command("from-bag")
def from_bag(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="A rosbag2.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="New folder ROOT/DRIVE.")],
    image: Annotated[str, typer.Option(help="Topic of the images.")],
    pose: Annotated[str, typer.Option(help="Topic of poses, tf, or a file in the TUM format.")],
    depth: Annotated[str, typer.Option(help="Topic of depth, aligned to the images.")] = "",
    info: Annotated[str, typer.Option(help="Topic of camera_info; else its sibling.")] = "",
    moving_frame: Annotated[str, typer.Option(help="Frame the poses are of, if unsaid.")] = "",
    fixed_frame: Annotated[str, typer.Option(help="Frame that stands still, such as odom.")] = "",
    period: Annotated[float, typer.Option(min=0, help="Seconds between frames.")] = 0.1,
    tolerance: Annotated[float, typer.Option(min=0, help="Seconds to pose and depth.")] = 0.02,
    gap: Annotated[float, typer.Option(min=0, help="Seconds that poses bridge.")] = 0.1,
    problems: Problems = None,
) -> None:
    """Turn a recorded drive into a training set; see docs/own_robot.md.

    Examples:

        geloc3r-data from-bag drive_1 data/drive_1 --image /camera/color/image_raw
        --depth /camera/aligned_depth_to_color/image_raw --pose tf --fixed-frame odom
    """
    source = TruthOptions(
        source=pose, tolerance=tolerance, gap=gap, moving_frame=moving_frame,
        fixed_frame=fixed_frame,
    )  # fmt: skip
    options = BagOptions(
        image=image, pose=source, info=info, depth=depth, period=period, tolerance=tolerance
    )
    count, found = convert(bag, output, options, out)
    out.print(f"{output}: {count} frames, {len(found)} left out")
    _list_problems(found, problems)


def _list_problems(found: Sequence[Problem], path: Path | None) -> None:
    for problem in found[:MOST_LISTED]:
        place = "/".join(part for part in (problem.scene, problem.frame) if part)
        out.print(f"  {place}: {problem.message}")
    if len(found) > MOST_LISTED:
        out.print(f"  and {len(found) - MOST_LISTED} more; --problems writes all")
    if path is not None:
        path.write_text(json.dumps([p._asdict() for p in found], indent=1), encoding="utf-8")


def main() -> None:
    """Run the command."""
    run_application(app)


if __name__ == "__main__":
    main()
