# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``geloc3r`` command: its subcommands, and the one place that catches user errors."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from geloc3r_ros import __version__
from geloc3r_ros.commands.bench import bench
from geloc3r_ros.commands.check import check
from geloc3r_ros.commands.console import application, run_application
from geloc3r_ros.commands.demo import demo
from geloc3r_ros.commands.eval import evaluation
from geloc3r_ros.commands.export import export
from geloc3r_ros.commands.pose import pose
from geloc3r_ros.commands.record import record
from geloc3r_ros.commands.replay import replay
from geloc3r_ros.commands.status import status
from geloc3r_ros.commands.stream import stream
from geloc3r_ros.commands.weights import convert, fetch, info

__all__ = ["app", "main"]

app = application("Relative camera pose from two images, for ROS 2.")
for command in (
    *(pose, stream, status, replay, record, demo),
    *(bench, info, convert, fetch, export, check),
):
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
    """Run the command."""
    # What a command has to say about its weights and device stands in its output.
    run_application(app, logging.ERROR)


if __name__ == "__main__":
    main()
