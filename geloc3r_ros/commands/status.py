# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r status``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from geloc3r_ros.commands.console import out
from geloc3r_ros.commands.ros import needs_ros

__all__ = ["status"]

LEVELS = (("OK", "green"), ("WARN", "yellow"), ("ERROR", "red"), ("STALE", "red"))
ERROR = 2


def status(
    node: Annotated[str, typer.Option(help="Name of the node, with its namespace.")] = "/geloc3r",
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for it.")] = 5.0,
) -> None:
    """Tell why a running node gives poses, or gives none, with all its counters.

    Ends with exit code 1 where the node reports an error.

    Examples:

        geloc3r status

        geloc3r status --node /dock/geloc3r
    """
    with needs_ros("status"):
        from geloc3r_ros.nodes.status import read_status
    found = read_status(node, wait)
    level = found.level[0]
    name, colour = LEVELS[level]
    out.print(f"{name}: {found.message}", style=colour, soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    for value in found.values:
        table.add_row(value.key, value.value)
    out.print(table)
    if level >= ERROR:
        raise typer.Exit(1)
