# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that always work on the newest item, and finish in the order in which they began."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["NewestWorkers"]

Item = TypeVar("Item")
Finish = Callable[[], None]


class NewestWorkers(Generic[Item]):
    """Works on the newest item put; an item that a newer one overtakes is dropped.

    Args:
        work: Works on an item, as many at once as there are threads, and returns what is left to
            do. That is done for one item after the other, in the order in which they were put.
            Both must handle their own errors.
        on_drop: Told of each item that was overtaken or discarded.
        threads: How many.
    """

    def __init__(
        self, work: Callable[[Item], Finish], on_drop: Callable[[Item], None], threads: int = 1
    ) -> None:
        self._work, self._on_drop = work, on_drop
        self._condition = threading.Condition()
        self._waiting: Item | None = None
        self._begun = self._finished = 0
        self._running = True
        self._threads = [
            threading.Thread(target=self._run, name=f"geloc3r-worker-{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item; returns at once."""
        with self._condition:
            overtaken, self._waiting = self._waiting, item
            self._condition.notify_all()
        if overtaken is not None:
            self._on_drop(overtaken)

    def discard(self) -> None:
        """Drop the item that waits, if one does."""
        with self._condition:
            dropped, self._waiting = self._waiting, None
        if dropped is not None:
            self._on_drop(dropped)

    def stop(self) -> None:
        """Finish the items in work, forget the one that waits, end the threads."""
        with self._condition:
            self._running = False
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: not self._running or self._waiting is not None)
                if not self._running:
                    return
                item, self._waiting = self._waiting, None
                number, self._begun = self._begun, self._begun + 1
            assert item is not None
            finish = self._work(item)
            with self._condition:
                while self._finished != number:
                    self._condition.wait()
            finish()
            with self._condition:
                self._finished += 1
                self._condition.notify_all()
