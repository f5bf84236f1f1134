# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node counts, and what it has to say about it."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, defaultdict, deque

import numpy as np

__all__ = ["Statistics"]

# Rates and percentiles are taken over this many of the latest events.
WINDOW = 1000
RATE_SECONDS = 5.0


class Statistics:
    """Counters, rates, latencies and the latest texts; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self.started = time.monotonic()
            self._counts: Counter[str] = Counter()
            self._times: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))
            self._unanswered: dict[str, float] = {}
            self._values: dict[str, deque[tuple[float, float]]] = defaultdict(
                lambda: deque(maxlen=WINDOW)
            )
            self._texts: dict[str, tuple[str, float]] = {}

    def count(self, event: str, *, answers: str = "") -> None:
        """Note that an event happened now; it may answer all of another event so far."""
        with self._lock:
            now = time.monotonic()
            self._counts[event] += 1
            self._times[event].append(now)
            self._unanswered.setdefault(event, now)
            self._unanswered.pop(answers, None)

    def measure(self, name: str, value: float) -> None:
        """Note a measured value."""
        with self._lock:
            self._values[name].append((time.monotonic(), value))

    def remember(self, name: str, text: str) -> None:
        """Note the latest text under a name: an error, a reason."""
        with self._lock:
            self._texts[name] = (text, time.monotonic())

    def total(self, event: str) -> int:
        """How often an event happened."""
        with self._lock:
            return self._counts[event]

    def rate(self, event: str) -> float:
        """Events a second of late."""
        with self._lock:
            now = time.monotonic()
            recent = [t for t in self._times[event] if now - t < RATE_SECONDS]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / (recent[-1] - recent[0])

    def silence(self, event: str) -> float:
        """Seconds since the event last happened, or since the start where it never did."""
        with self._lock:
            times = self._times[event]
            return time.monotonic() - (times[-1] if times else self.started)

    def unanswered(self, event: str) -> float:
        """Seconds since the first of these events after the last answer to any; 0 without one."""
        with self._lock:
            now = time.monotonic()
            return now - self._unanswered.get(event, now)

    def percentile(self, name: str, percent: float, seconds: float = math.inf) -> float:
        """Percentile of the latest values, of the last ``seconds``; NaN without any."""
        with self._lock:
            since = time.monotonic() - seconds
            values = [value for at, value in self._values[name] if at >= since]
        return float(np.percentile(values, percent)) if values else float("nan")

    def recall(self, name: str) -> tuple[str, float]:
        """Latest text under a name, "" where there was none, and its age in seconds."""
        with self._lock:
            text, at = self._texts.get(name, ("", float("-inf")))
            return text, time.monotonic() - at
