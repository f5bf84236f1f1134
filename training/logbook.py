# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training tells while it runs: a progress bar, lines, and TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch.utils.tensorboard import SummaryWriter

__all__ = ["Logbook"]


class Logbook:
    """Progress, throughput and numbers of a training; silent on all processes but the main one.

    Args:
        folder: Where TensorBoard's files go, below ``tensorboard``.
        console: Where to print.
        speaks: Whether this is the main process.
    """

    def __init__(self, folder: Path, console: Console, speaks: bool) -> None:
        self.console, self.speaks = console, speaks
        self.writer = SummaryWriter(folder / "tensorboard") if speaks else None
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
            disable=not speaks,
        )

    def __enter__(self) -> Logbook:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()
        if self.writer:
            self.writer.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self.speaks:
            self.bar.console.print(text, markup=False, highlight=False)

    def begin_stage(self, name: str, steps: int, done: int) -> None:
        """Start the bar of a stage anew."""
        for task in self.bar.task_ids:
            self.bar.remove_task(task)
        self.task = self.bar.add_task(name, total=steps, completed=done, rate="")
        self.start, self.pairs, self.waited = time.monotonic(), 0, 0.0

    def count(self, pairs: int, waited: float) -> None:
        """Count a step of so many pairs that waited so many seconds for its data."""
        self.pairs += pairs
        self.waited += waited
        self.bar.advance(self.task)

    def throughput(self) -> dict[str, float]:
        """Pairs a second and share of the time spent waiting for data, since the last call.

        A terminal sees the bar; a file gets a line of it.
        """
        seconds = max(time.monotonic() - self.start, 1e-9)
        numbers = {"pairs_per_s": self.pairs / seconds, "waiting_share": self.waited / seconds}
        self.bar.update(self.task, rate=f"{numbers['pairs_per_s']:.1f} pairs/s")
        self.start, self.pairs, self.waited = time.monotonic(), 0, 0.0
        if not self.console.is_terminal:
            task = self.bar.tasks[0]
            left = timedelta(seconds=round(task.time_remaining or 0.0))
            self.say(
                f"{task.description}, step {task.completed:.0f} of {task.total:.0f}, "
                f"{task.fields['rate']}, {left} left"
            )
        return numbers

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Write numbers to TensorBoard."""
        if self.writer:
            for name, value in numbers.items():
                self.writer.add_scalar(name, value, step)
