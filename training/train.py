# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``geloc3r-train`` command: train, and turn checkpoints into weights."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from geloc3r_ros.commands.console import application, out, run_application
from geloc3r_ros.errors import GeLoc3rError

__all__ = ["app", "main"]

app = application(
    "Train GeLoc3r. A training is a YAML file of settings and a folder that it fills."
)

CheckpointFile = Annotated[Path, typer.Argument(help="A checkpoint, such as FOLDER/best.pt.")]
Settings = Annotated[Path, typer.Argument(help="Settings, such as config/training/tiny.yaml.")]
Changes = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to change.")
]


class Precision(str, Enum):
    """Precision of tensors in a file."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


@app.command()
def run(
    settings: Settings,
    folder: Annotated[Path, typer.Argument(help="Folder of this training; made if need be.")],
    changes: Changes = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long, with a checkpoint.")
    ] = None,
    overfit: Annotated[
        bool, typer.Option("--overfit", help="Train on one batch, to see the loss vanish.")
    ] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
) -> None:
    """Train, or go on where the folder's last checkpoint stands; the same command does both.

    Ctrl-C, SIGTERM and --minutes end it at the end of a step with a checkpoint and exit code 0.

    Several processes share the places of a batch where
    torchrun --nproc-per-node 2 -m geloc3r_training.train stands instead of geloc3r-train.

    Examples:

        geloc3r-train run config/training/tiny.yaml runs/tiny

        geloc3r-train run config/training/tiny.yaml runs/seed1 seed=1 stages.0.steps=20000
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs

    from geloc3r_training.config import load_config
    from geloc3r_training.trainer import Trainer

    # A stage need not make use of every part of the network.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(cpu=_on_cpu(cpu), kwargs_handlers=[unused])
    trainer = Trainer(load_config(settings, changes or ()), folder, accelerator, out, overfit)
    done = trainer.run(minutes)
    if trainer.accelerator.is_main_process:
        again = "the training is complete" if done else "the same command goes on"
        out.print(f"{folder}: stage {trainer.index}, step {trainer.step}; {again}")
    trainer.accelerator.end_training()


@app.command()
def ablate(
    settings: Annotated[Path, typer.Argument(help="Such as config/training/ablation.yaml.")],
    folder: Annotated[Path, typer.Argument(help="Folder of this ablation; made if need be.")],
    changes: Changes = None,
    seed: Annotated[
        int | None, typer.Option(help="Train this seed alone: seeds can run side by side.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop each part after so long.")
    ] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
) -> None:
    """Find out what each loss adds: heads that differ in it alone, trained and tested together.

    Trains the heads of all seeds, tests them on held-out pairs, and writes ablation.md and
    ablation.png. Ctrl-C leaves a state that the same command goes on from.

    Examples:

        geloc3r-train ablate config/training/ablation.yaml runs/ablation

        geloc3r-train ablate config/training/ablation.yaml runs/quick test_pairs=500
        training.stages.0.steps=20
    """
    from accelerate import Accelerator

    from geloc3r_training import ablation
    from geloc3r_training.ablation_report import write_report

    config = ablation.load_ablation(settings, tuple(changes or ()))
    common = (folder, out, Accelerator(cpu=_on_cpu(cpu)), minutes)
    for number in config.seeds if seed is None else [seed]:
        if not ablation.train_heads(config, number, *common):
            out.print(f"{folder}: seed {number} is not done; the same command goes on")
            return
    if seed is not None:
        out.print(f"{folder}: seed {seed} is trained")
    elif ablation.evaluate_heads(config, *common):
        out.print(write_report(config, folder))
    else:
        out.print(f"{folder}: the test is not done; the same command goes on")


@app.command()
def show(settings: Settings, changes: Changes = None) -> None:
    """Check settings and print them in full.

    Examples:

        geloc3r-train show config/training/tiny.yaml data.workers=8
    """
    from geloc3r_training.config import load_config

    values = load_config(settings, changes or ()).as_dict()
    out.print(yaml.safe_dump(_lists(values), sort_keys=False, width=99), end="")


@app.command()
def export(
    checkpoint: CheckpointFile,
    weights: Annotated[Path, typer.Argument(help="File to write, .safetensors.")],
    dtype: Annotated[
        Precision, typer.Option(help="Of all but the pose head.")
    ] = Precision.float32,
    note: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=TEXT", help="What else its recipe is to say; repeatable."),
    ] = None,
) -> None:
    """Write the network, averaged weights and no training-only part, for the node and `geloc3r`.

    Examples:

        geloc3r-train export runs/tiny/best.pt tiny.safetensors --dtype float16

        geloc3r-train export runs/tiny/best.pt tiny.safetensors --note hardware="one H100, 2 h"
    """
    import torch

    from geloc3r_training.checkpoint import Checkpoint
    from geloc3r_training.export import export as write

    notes = {}
    for text in note or ():
        key, separator, value = text.partition("=")
        if not (key and separator):
            raise GeLoc3rError(f"--note '{text}' is not KEY=TEXT")
        notes[key] = value
    info = write(Checkpoint.read(checkpoint), weights, getattr(torch, dtype.value), notes)
    out.print(f"{weights}: {info.variant}, {weights.stat().st_size / 1e6:.1f} MB, {info.licence}")


@app.command()
def picture(
    checkpoint: CheckpointFile,
    file: Annotated[Path, typer.Argument(help="Picture to write, .png.")],
    pair: Annotated[int, typer.Option(min=0, help="Which of the held-out pairs.")] = 0,
) -> None:
    """Draw what GCR does to a pair: matches by their weight, the regressed and the solved pose.

    The checkpoint must be one of stage consistency.

    Examples:

        geloc3r-train picture runs/tiny/last.pt gcr.png --pair 7
    """
    import torch
    from accelerate import Accelerator

    from geloc3r_training.checkpoint import Checkpoint
    from geloc3r_training.gcr_picture import draw_gcr
    from geloc3r_training.objectives import Consistency
    from geloc3r_training.pairs import Pairs, Share
    from geloc3r_training.stage import Stage

    found = Checkpoint.read(checkpoint)
    config, state = found.config, found.state
    stage = Stage(config, found.stage, state["parts"], state["teacher"], Accelerator(cpu=True))
    stage.restore(state, found.step)
    if not isinstance(stage.objective, Consistency):
        raise GeLoc3rError(
            f"{checkpoint} is of stage {stage.config.objective}; give one of stage consistency"
        )
    pairs = Pairs(config.data, 0, torch.device("cpu"), held_out=True)
    of_place = config.data.pairs_per_scene
    start = pair // of_place
    batch = next(pairs.fixed((start + 1) * of_place, of_place, Share(), start))
    draw_gcr(stage.objective, batch, pair % of_place, file)
    out.print(file)


@app.command()
def pack(
    checkpoint: CheckpointFile,
    parts: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")],
) -> None:
    """Make a checkpoint light for a journey: half precision, no optimiser, files of <= 15 MiB.

    Examples:

        geloc3r-train pack runs/tiny/last.pt parts
    """
    from geloc3r_training.checkpoint import Checkpoint
    from geloc3r_training.checkpoint import pack as write

    files = write(Checkpoint.read(checkpoint), parts)
    size = sum(file.stat().st_size for file in files) / 1e6
    out.print(f"{parts}: {len(files)} files, {size:.1f} MB")


@app.command()
def unpack(
    parts: Annotated[Path, typer.Argument(help="Folder that pack wrote.")],
    folder: Annotated[Path, typer.Argument(help="Folder of a training without a last.pt.")],
) -> None:
    """Let a training go on from what `pack` wrote; its optimiser starts afresh, and slowly.

    Examples:

        geloc3r-train unpack parts runs/tiny
    """
    from geloc3r_training.checkpoint import unpack as read
    from geloc3r_training.trainer import LAST

    if (folder / LAST).exists():
        raise GeLoc3rError(f"{folder / LAST} exists; name another folder, or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    found = read(parts)
    found.write(folder / LAST)
    out.print(f"{folder / LAST}: stage {found.stage}, step {found.step}")


@app.command()
def card(
    weights: Annotated[Path, typer.Argument(help="The file, .safetensors.")],
    page: Annotated[Path, typer.Argument(help="Page with marks, such as docs/weights.md.")],
    pairs: Annotated[Path, typer.Option(help="List of the test pairs.")],
    results: Annotated[Path, typer.Option(help="What `geloc3r eval pairs` wrote about them.")],
    native_pairs: Annotated[Path | None, typer.Option(help="List at native resolution.")] = None,
    native_results: Annotated[Path | None, typer.Option(help="Results of that list.")] = None,
    still_pairs: Annotated[Path | None, typer.Option(help="List without motion.")] = None,
    still_results: Annotated[Path | None, typer.Option(help="Results of that list.")] = None,
    textures: Annotated[
        Path | None, typer.Option(help="LICENCES.md of the textures that were trained on.")
    ] = None,
) -> None:
    """Write the numbers, tables and pictures of a model card into a page, between its marks.

    Examples:

        geloc3r-train card tiny.safetensors docs/weights.md --pairs test/pairs.json
        --results results/test
    """
    from geloc3r_ros.model import read_info
    from geloc3r_training import model_card as made

    run = made.read_run(pairs, results)
    info = read_info(weights)
    parts = {
        "recipe": made.recipe(info, weights.stat().st_size),
        "results": made.overall_table(run),
        "breakdown": made.breakdown_tables(run),
        "failures": made.failures(run, page.parent / "images" / "weights_failures.jpg"),
    }
    if info.calibration is not None:
        parts["calibration"] = made.calibration_table(info.calibration)
    if native_pairs and native_results:
        parts["native"] = made.overall_table(made.read_run(native_pairs, native_results))
    if still_pairs and still_results:
        parts["still"] = made.still_table(made.read_run(still_pairs, still_results))
    if textures is not None:
        parts["textures"] = made.texture_licences(textures)
    text = made.fill(page.read_text(encoding="utf-8"), parts)
    page.write_text(text, encoding="utf-8")
    out.print(f"{page}: {', '.join(parts)}")


def _on_cpu(wanted: bool) -> bool:
    """Whether to train on the CPU.

    Where there is no GPU it has to be said: several processes share the batches then, and would
    otherwise each train alone, in one folder.
    """
    import torch

    return wanted or not torch.accelerator.is_available()


def _lists(values: object) -> object:
    """Tuples as lists, which YAML has."""
    if isinstance(values, dict):
        return {key: _lists(value) for key, value in values.items()}
    return [_lists(value) for value in values] if isinstance(values, tuple) else values


def main() -> None:
    """Run the command."""
    run_application(app)


if __name__ == "__main__":
    main()
