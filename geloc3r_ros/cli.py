# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``geloc3r`` command: its subcommands, and the one place that catches user errors."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from geloc3r_ros import __version__
from geloc3r_ros.commands.demo import demo
from geloc3r_ros.commands.eval import evaluation
from geloc3r_ros.commands.pose import pose
from geloc3r_ros.commands.replay import replay
from geloc3r_ros.commands.weights import convert, fetch, info
from geloc3r_ros.errors import GeLoc3rError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Relative camera pose from two images, for ROS 2.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (pose, replay, demo, info, convert, fetch):
    app.command()(command)
app.add_typer(evaluation, name="eval")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"geloc3r_ros {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None: ...


def main() -> None:
    """Run the command; errors the user can mend end it with a message and exit code 1."""
    # What a command has to say about its weights and device stands in its output.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        app()
    except GeLoc3rError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
