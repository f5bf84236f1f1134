# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that always works on the newest item."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["NewestWorker"]

Item = TypeVar("Item")


class NewestWorker(Generic[Item]):
    """Runs ``process`` on the newest item put; an item that a newer one overtakes is dropped.

    ``process`` must handle its own errors.
    """

    def __init__(self, process: Callable[[Item], None], on_drop: Callable[[Item], None]) -> None:
        self._process, self._on_drop = process, on_drop
        self._condition = threading.Condition()
        self._waiting: Item | None = None
        self._running = True
        self._thread = threading.Thread(target=self._run, name="geloc3r-worker", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item; returns at once."""
        with self._condition:
            overtaken, self._waiting = self._waiting, item
            self._condition.notify()
        if overtaken is not None:
            self._on_drop(overtaken)

    def discard(self) -> None:
        """Forget the item that waits, if one does."""
        with self._condition:
            self._waiting = None

    def stop(self) -> None:
        """Finish the item in work, forget the one that waits, end the thread."""
        with self._condition:
            self._running = False
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._running and self._waiting is None:
                    self._condition.wait()
                if not self._running:
                    return
                item, self._waiting = self._waiting, None
            assert item is not None
            self._process(item)
