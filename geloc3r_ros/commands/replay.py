# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geloc3r_ros.commands.ros import needs_ros

__all__ = ["replay"]


def replay(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="rosbag2 folder, .mcap or .db3.")],
    rate: Annotated[float, typer.Option(help="Speed; 2 is twice as fast.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    start: Annotated[float, typer.Option(help="Seconds to leave out at the beginning.")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="Seconds to play.")] = None,
    topics: Annotated[
        list[str] | None, typer.Option(help="Repeat for each topic to play.")
    ] = None,
    clock: Annotated[bool, typer.Option("--clock", help="Publish the time on /clock.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for subscribers.")] = 5.0,
) -> None:
    """Publish a rosbag2 with its own timing, on a machine without rosbag2.

    Examples:

        geloc3r replay drive.mcap --rate 0.5 --clock

        geloc3r replay bag/ --loop --topics /left/image --topics /right/image
    """
    with needs_ros("replay"):
        from geloc3r_ros.nodes.replay import replay as play
    play(
        bag, rate=rate, loop=loop, start=start, duration=duration,
        topics=topics or (), clock=clock, wait=wait,
    )  # fmt: skip
