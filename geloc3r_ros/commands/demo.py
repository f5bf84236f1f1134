# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geloc3r_ros.commands.console import WEIGHTS_HELP, out
from geloc3r_ros.commands.ros import needs_ros

__all__ = ["demo"]


def demo(
    output: Annotated[Path, typer.Option(help="Folder for what it writes.")] = Path("demo_output"),
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "tiny",
) -> None:
    """Show the node at work on a stereo recording and on a moving scene, against the truth.

    Writes poses (TUM, JSON) and pictures. It keeps to this machine and to a ROS domain of its own,
    unless ROS_DOMAIN_ID names one.
    """
    with needs_ros("demo"):
        from geloc3r_ros.nodes.demo import run
    run(output, weights, out)
