# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training a folder: two would write over each other's checkpoints, and nobody would see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from geloc3r_ros.errors import ConfigError

__all__ = ["sole_user"]


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Keep all others out of the folder of a training; who ends in any way leaves it.

    Raises:
        ConfigError: if another process trains in it.
    """
    try:
        held = FileLock(folder / ".lock").acquire(blocking=False)
    except Timeout:
        raise ConfigError(
            f"another process trains in {folder}: stop it first, or name another folder"
        ) from None
    with held:
        yield
