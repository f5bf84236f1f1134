# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands share: how they are made and run, where they print, what they say alike."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from geloc3r_ros.errors import ConfigError, GeLoc3rError

if TYPE_CHECKING:
    from geloc3r_ros.geometry import Array

__all__ = [
    "PRECISION_HELP",
    "UNTRAINED",
    "WEIGHTS_HELP",
    "application",
    "check_folder",
    "out",
    "read_intrinsics",
    "run_application",
    "watched",
]

T = TypeVar("T")

out = Console(highlight=False, markup=False)

UNTRAINED = Text(" UNTRAINED WEIGHTS: poses are noise. ", "bold white on red")
PRECISION_HELP = "`auto`, `fp32`, `bf16`, `fp16`; `int8` for wide networks on a CPU."
WEIGHTS_HELP = "`tiny`, `tiny-384`, a fetched hub name, or a .safetensors or .pth file."


def application(help_text: str) -> typer.Typer:
    """Make a command with subcommands, none yet."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run_application(app: typer.Typer, log_level: int = logging.WARNING) -> None:
    """Run a command; errors the user can mend end it with a message and exit code 1."""
    logging.basicConfig(level=log_level, format="%(message)s")
    try:
        app()
    except GeLoc3rError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"error: {error.filename} cannot be read or written: {error.strerror}")


def watched(items: Iterable[T], description: str, about: int) -> Iterator[T]:
    """Show a progress bar while items pass by: about so many; at their end it is full."""
    with Progress(console=out) as progress:
        task = progress.add_task(description, total=about)
        for item in items:
            yield item
            progress.advance(task)
        progress.update(task, total=progress.tasks[0].completed)


def check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made, or not be written to, before the work for it.

    Raises:
        ConfigError: if so.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written to" if there.is_dir() else "is no folder"
        raise ConfigError(f"{folder}: {there} {why}; name another folder with --out")


def read_intrinsics(text: str) -> Array:
    """Read ``fx,fy,cx,cy`` as K (3, 3)."""
    import numpy as np

    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}' is not fx,fy,cx,cy: four numbers, in pixels of the image"
        ) from error
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
