# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that need ROS 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from geloc3r_ros.errors import GeLoc3rError

__all__ = ["needs_ros"]


@contextmanager
def needs_ros(command: str) -> Iterator[None]:
    """Explain a failing import of ROS 2 within the context.

    Raises:
        GeLoc3rError: if a module is missing, or no environment of ROS 2 was entered.
    """
    missing, cause = "", None
    try:
        yield
        if not os.environ.get("AMENT_PREFIX_PATH"):
            missing = "AMENT_PREFIX_PATH is empty"
    except ModuleNotFoundError as error:
        missing, cause = f"Python found no module '{error.name}'", error
    if missing:
        raise GeLoc3rError(
            f"{command} needs ROS 2, and {missing}: source a ROS 2 "
            "installation (source /opt/ros/<distribution>/setup.bash), or run `make setup` in the "
            "checkout and then `source .venv/bin/activate && source install/local_setup.bash`; "
            f"this Python is {sys.executable}"
        ) from cause
