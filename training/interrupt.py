# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stopping at the end of a step: for Ctrl-C, for a cluster's SIGTERM, or when time is up."""

from __future__ import annotations

import signal
import time
from types import FrameType

__all__ = ["Interrupt", "leave_signals"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Notes the first signal to stop; the second one ends the process at once, as usual.

    Args:
        minutes: Wall-clock time after which to stop, from now; None for no limit.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self.deadline = float("inf") if minutes is None else time.monotonic() + 60.0 * minutes
        self.reason = ""

    def __enter__(self) -> Interrupt:
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def __bool__(self) -> bool:
        if time.monotonic() > self.deadline:
            self.reason = self.reason or "time is up"
        return bool(self.reason)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.reason = f"stopped by {signal.Signals(number).name}"
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def leave_signals(worker: int) -> None:
    """Leave Ctrl-C and SIGTERM to the training process, which stops at the end of a step.

    A terminal sends the one to all processes, torchrun the other; a worker ends with its trainer.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
