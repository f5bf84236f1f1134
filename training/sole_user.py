# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One training a folder: two would write over each other's checkpoints, and nobody would see."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

from geloc3r_ros.errors import ConfigError

__all__ = ["sole_user"]


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Keep all others out of the folder of a training; who ends in any way leaves it.

    A file system that knows no locks, as some of a network, lets all in, with a warning.

    Raises:
        ConfigError: if another process trains in it.
    """
    held: AbstractContextManager[object]
    try:
        held = FileLock(folder / ".lock").acquire(blocking=False)
    except Timeout:
        raise ConfigError(
            f"another process trains in {folder}: stop it first, or name another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        warnings.warn(
            f"{folder} cannot be locked ({error}): let no other training run in it", stacklevel=2
        )
        held = nullcontext()
    with held:
        yield
