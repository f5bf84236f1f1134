# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r record``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geloc3r_ros.commands.ros import needs_ros

__all__ = ["record"]


def record(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="Folder to create.")],
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC...", help="Topics to record.")],
    duration: Annotated[float | None, typer.Option(help="Seconds; until Ctrl-C if left out.")] = (
        None
    ),
) -> None:
    """Write topics into a rosbag2 (mcap), on a machine without rosbag2.

    Examples:

        geloc3r record drive /geloc3r/right/relative_pose /tf /tf_static /odom

        geloc3r record pair /left/image /left/camera_info --duration 5
    """
    with needs_ros("record"):
        from geloc3r_ros.nodes.record import record as write
    write(bag, topics, duration=duration)
