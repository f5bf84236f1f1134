# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r check``."""

from __future__ import annotations

from importlib.util import find_spec

import typer
from rich.table import Table

from geloc3r_ros.commands.console import out
from geloc3r_ros.environment import Environment, problems

__all__ = ["check"]

SHOWN = (
    "torch", "numpy", "opencv-python-headless", "opencv-python", "onnxruntime", "onnxruntime-gpu"
)  # fmt: skip


def check() -> None:
    """Tell which Python this is, what it has, and what is missing or does not fit.

    Ends with exit code 1 where there is something to mend. The node says the same in its log.

    Examples:

        geloc3r check
    """
    environment = Environment.here()
    table = Table.grid(padding=(0, 2))
    table.add_row("python", f"{environment.python}, {environment.executable}")
    table.add_row("machine", environment.jetson or "no Jetson")
    without = "of Python wheels" if find_spec("rclpy") else "none: no distribution is sourced"
    table.add_row("ROS 2", environment.distribution or without)
    for name in SHOWN:
        if name in environment.versions:
            table.add_row(name, environment.versions[name])
    table.add_row("CUDA of torch", environment.torch_cuda or "none: built for CPUs")
    out.print(table)
    found = problems(environment)
    for problem in found:
        out.print(f"- {problem}", style="yellow")
    if found:
        raise typer.Exit(1)
    out.print("Nothing is missing.")
