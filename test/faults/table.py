# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the table of docs/reliability.md by letting every fault happen.

    PYTHONPATH=test:$PYTHONPATH python test/faults/table.py --tries 10

Storms are as long as they should be in the first try, and as in the tests in the others.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import rclpy
from faults.catalogue import CATALOGUE
from faults.fault import Fault, endure
from faults.rig import Rig
from rich.console import Console
from rich.progress import track

from geloc3r_ros.nodes.processes import own_domain

__all__ = ["between_marks", "rows"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->\n", "<!-- faults: end -->"
HEAD = "| fault | what is seen | tries | longest recovery |\n|---|---|---|---|\n"


def rows(text: str) -> dict[str, str]:
    """What is seen, by fault, from the tables of the document."""
    lines = [line.split(" | ") for line in between_marks(text)[1].splitlines()]
    cells = [line for line in lines if len(line) == 4 and line[0] != "| fault"]
    return {line[0].removeprefix("| "): line[1] for line in cells}


def between_marks(text: str) -> tuple[str, str, str]:
    """The document before, within and after the marks of its tables."""
    before, _, rest = text.partition(BEGIN)
    within, _, after = rest.partition(END)
    return before + BEGIN, within, END + after


def _row(fault: Fault, recoveries: list[float]) -> str:
    recovery = "" if fault.ends else f"{max(recoveries):.1f} s"
    return f"| {fault.name} | {fault.behaviour} | {len(recoveries)} | {recovery} |\n"


def _try(rig: Rig, fault: Fault, tries: int) -> list[float]:
    """Seconds that each recovery took."""
    recoveries = []
    for k in range(tries):
        rig.thorough = k == 0 and tries > 1
        recoveries.append(endure(rig, fault))
    return recoveries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=10)
    parser.add_argument("--dry", action="store_true", help="print the tables, write nothing")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    text: list[str] = []
    failed: list[str] = []
    with own_domain(), tempfile.TemporaryDirectory() as folder:
        rclpy.init()
        rig = Rig(Path(folder))
        try:
            for area, faults in CATALOGUE.items():
                text.append(f"\n### {area}\n\n{HEAD}")
                for fault in track(faults, area, console=console):
                    try:
                        text.append(_row(fault, _try(rig, fault, arguments.tries)))
                    except AssertionError as error:
                        failed.append(fault.name)
                        console.print(error, highlight=False, soft_wrap=True)
        finally:
            rig.close()
            rclpy.shutdown()
    tables = "".join(text) + "\n"
    if arguments.dry:
        sys.stdout.write(tables)
    else:
        before, _, after = between_marks(DOCUMENT.read_text(encoding="utf-8"))
        DOCUMENT.write_text(before + tables + after, encoding="utf-8")
    if failed:
        console.print(f"Without a row, because they failed: {'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
