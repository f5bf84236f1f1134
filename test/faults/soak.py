# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the node for hours with a fault every few seconds, and says whether it is still itself.

    PYTHONPATH=test:$PYTHONPATH python test/faults/soak.py --hours 1

Ctrl-C ends it early, with the verdict on what there was. The exit code is 1 if something failed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import rclpy
from faults.catalogue import FAULTS
from faults.fault import Fault, endure
from faults.processes import FAULTY
from faults.rig import Rig, Start
from helpers.robot import wait_until
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from geloc3r_ros.nodes.processes import own_domain

__all__ = ["Soak"]

MEMORY_SHARE = 0.02
RECOVERY_SECONDS = 2.0
COUNTERS = ("sets refused", "sets failed", "sets dropped", "left refused")
# They leave nothing of the process, or need one that was started otherwise.
REPEATABLE = tuple(f for f in FAULTS if not f.ends and f.start in (Start(), FAULTY))


@dataclass
class Soak:
    """What was measured.

    ``usage`` is taken while the node is active and calm: seconds, MiB, threads, descriptors.
    """

    recoveries: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    usage: list[tuple[float, float, float, float]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    calm_sent: int = 0
    calm_answered: int = 0
    published: int = 0

    def run(
        self, rig: Rig, seconds: float, every: float, show: Callable[[float, str], None]
    ) -> None:
        """Let calm and faults take turns, all faults in a random order, again and again."""
        began, rng = time.monotonic(), random.Random(0)
        waiting: list[Fault] = []
        while (elapsed := time.monotonic() - began) < seconds:
            if not waiting:
                waiting = rng.sample(REPEATABLE, len(REPEATABLE))
            fault = waiting.pop()
            self._calm(rig, every)
            self.usage.append((elapsed, *rig.usage().values()))
            show(elapsed, f"{self.usage[-1][1]:.1f} MiB, {fault.name}")
            try:
                recovery = endure(rig, replace(fault, start=FAULTY))
                self.recoveries.setdefault(fault.name, []).append(recovery)
            except AssertionError as error:
                self.failures.append(f"{fault.name}: {error}")
                rig.restart(FAULTY)
            for key in COUNTERS:
                self.counts[key] += max(rig.counted(key), 0)
            self.published = rig.ledger.right

    def _calm(self, rig: Rig, seconds: float) -> None:
        """Ten sets a second; each is to be answered."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            stamp = rig.send_pair()
            self.calm_sent += 1
            self.calm_answered += wait_until(lambda: stamp in rig.ledger.answered, 1.0)  # noqa: B023
            time.sleep(0.1)

    def verdicts(self) -> list[tuple[str, str, bool]]:
        """What was asked, what was measured, whether that is good."""
        # Warm is a node to which every fault has happened once, among them large images.
        warm = self.usage[min(len(REPEATABLE), len(self.usage) // 2) :]
        share = max(1, len(warm) // 5)
        memory = [statistics.median(u[1] for u in part) for part in (warm[:share], warm[-share:])]
        growth = memory[1] / memory[0] - 1
        threads, descriptors = ({u[k] for u in warm} for k in (2, 3))
        worst = max(self.recoveries, key=lambda name: max(self.recoveries[name]))
        slowest = max(self.recoveries[worst])
        faults = sum(map(len, self.recoveries.values()))
        return [
            (
                "faults survived",
                f"{faults} of {len(self.recoveries)} kinds, {len(self.failures)} failed",
                not self.failures,
            ),
            ("poses equal to their recomputation, in order", f"{self.published}", True),
            (
                "sets between the faults that were answered",
                f"{self.calm_answered} of {self.calm_sent}",
                self.calm_answered >= 0.99 * self.calm_sent,
            ),
            (
                f"memory within {MEMORY_SHARE:.0%} after warm-up",
                f"{memory[0]:.1f} MiB, then {memory[1]:.1f} MiB ({growth:+.2%})",
                abs(growth) <= MEMORY_SHARE,
            ),
            ("threads", _range(threads), max(threads) - min(threads) <= 1),
            ("file descriptors", _range(descriptors), max(descriptors) - min(descriptors) <= 4),
            (
                f"recovered within {RECOVERY_SECONDS:g} s",
                f"longest {slowest:.1f} s, after: {worst}",
                slowest <= RECOVERY_SECONDS,
            ),
            ("counted", ", ".join(f"{k} {n}" for k, n in self.counts.items()), True),
        ]


def _range(values: set[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two faults")
    arguments = parser.parse_args()
    console, soak = Console(), Soak()
    bar = Progress(TextColumn("{task.description:.60}"), BarColumn(), TimeRemainingColumn())
    with own_domain(), tempfile.TemporaryDirectory() as folder:
        # rclpy's own handlers would end ROS before the verdict.
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        rig = Rig(Path(folder))
        try:
            with bar as progress, contextlib.suppress(KeyboardInterrupt):
                task = progress.add_task("start", total=arguments.hours * 3600)
                rig.restart(FAULTY)

                def show(done: float, name: str) -> None:
                    progress.update(task, completed=done, description=name)
                    if not console.is_terminal:
                        console.print(f"{done:.0f} s: {name}", highlight=False, soft_wrap=True)

                soak.run(rig, arguments.hours * 3600, arguments.every, show)
        finally:
            rig.close()
            rclpy.shutdown()
    if not soak.recoveries:
        console.print("Ended before the first fault.")
        return 1
    table = Table("asked", "measured", "")
    for asked, measured, good in soak.verdicts():
        table.add_row(asked, measured, "ok" if good else "FAILED")
    console.print(table)
    for failure in soak.failures:
        console.print(failure, highlight=False, soft_wrap=True)
    return 0 if all(good for *_, good in soak.verdicts()) else 1


if __name__ == "__main__":
    sys.exit(main())
