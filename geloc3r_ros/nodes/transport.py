# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile that lets images through, and the variables that choose it."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

__all__ = ["environment", "profile"]

# Jazzy's Fast DDS reads the first name; Kilted's and later ones want the second, and load both.
VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
FIRST_RCLPY_AFTER_JAZZY = 8


def profile() -> Path:
    """Path of the installed ``fastdds.xml``."""
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory("geloc3r_ros")) / "config" / "fastdds.xml"


def environment() -> dict[str, str]:
    """Environment variables to add to a process; none where the user has set one of them."""
    if any(name in os.environ for name in VARIABLES):
        return {}
    after_jazzy = int(version("rclpy").partition(".")[0]) >= FIRST_RCLPY_AFTER_JAZZY
    return {VARIABLES[after_jazzy]: str(profile())}
