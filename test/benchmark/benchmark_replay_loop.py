# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bag in a loop through the node: does memory grow, is the first set of each pass kept?

    python test/benchmark/benchmark_replay_loop.py --minutes 10 --rate 5

Plays the demo's stereo recording (13 sets of 640x480, 2 Hz; five times as fast by default) from
one process to the node in another over DDS. A line a minute: resident memory of both in MB, sets
that came out, sets that did not, passes begun, and passes whose first set came out.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rclpy
from rich.console import Console
from rich.table import Table

from geloc3r_ros.demo.recording import ensure_recording, truth
from geloc3r_ros.evaluation.messages import stamp_of
from geloc3r_ros.msg import RelativePose
from geloc3r_ros.nodes.processes import executable, node_process, own_domain


def main() -> None:
    """Run for the minutes asked for; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, own_domain():
        bag = ensure_recording(Path(folder) / "bag")
        log = Path(folder) / "node.log"
        settings = {"autostart": True, "publish_untrained": True}
        with node_process(settings, log) as node, rclpy.init():
            command = [sys.executable, executable("geloc3r"), "replay", str(bag), "--loop"]
            command += ["--rate", str(options.rate), "--wait", "60"]
            replay = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                rows = listen(sorted(truth(bag)), options.minutes, (node.pid, replay.pid))
            finally:
                replay.terminate()
                replay.wait()
    columns = ("minute", "node MB", "replay MB", "sets", "lost", "passes", "with their first set")
    table = Table(*columns)
    for row in rows:
        table.add_row(*(f"{value:g}" for value in row))
    Console().print(table)


def listen(stamps: list[int], minutes: float, pids: tuple[int, int]) -> list[tuple[float, ...]]:
    """Count what the node publishes; a row a minute, from the first set on."""
    node = rclpy.create_node("benchmark_replay_loop")
    received: list[int] = []
    node.create_subscription(
        RelativePose,
        "/geloc3r/right/relative_pose",
        lambda message: received.append(stamps.index(stamp_of(message))),
        100,
    )
    while not received:
        rclpy.spin_once(node, timeout_sec=1.0)
    rows: list[tuple[float, ...]] = []
    began = time.monotonic()
    while len(rows) < max(minutes, 1):
        rclpy.spin_once(node, timeout_sec=1.0)
        if time.monotonic() > began + 60 * (len(rows) + 1):
            steps = list(itertools.pairwise(received))
            lost = sum((b - a - 1) % len(stamps) for a, b in steps)
            passes = 1 + sum(b <= a for a, b in steps)
            memory = (resident_megabytes(pid) for pid in pids)
            rows.append((len(rows) + 1, *memory, len(received), lost, passes, received.count(0)))
    node.destroy_node()
    return rows


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process, from /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


if __name__ == "__main__":
    main()
