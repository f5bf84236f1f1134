# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training a folder: two would write each other's checkpoints over, and nobody would see it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geloc3r_ros.errors import ConfigError

__all__ = ["sole_user"]


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Keep all others out of the folder of a training; who ends in any way leaves it.

    Raises:
        ConfigError: if another process trains in it.
    """
    with (folder / ".in_use").open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another process trains in {folder}: stop it first, or name another folder"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
