# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r bench``."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geloc3r_ros.commands.console import check_folder, out
from geloc3r_ros.commands.eval import INTERRUPTED

if TYPE_CHECKING:
    from geloc3r_ros.bench.cases import Case, Measurement

__all__ = ["bench"]

WIDEST = 250


class Mode(str, Enum):
    """The modes of a case, here for the help to list them."""

    pair = "pair"
    stream = "stream"


def bench(
    weights: Annotated[
        list[str] | None,
        typer.Option(help="`tiny` by default; `large` and `large-224` are made at random."),
    ] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="`auto` by default; `fp32`, `bf16`, `fp16`, `int8`.")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="`torch` by default; `onnx` for an export.")
    ] = None,
    size: Annotated[
        list[str] | None, typer.Option(help="Of the camera's images; `640x480` by default.")
    ] = None,
    mode: Annotated[
        list[Mode] | None, typer.Option(help="Both by default: new pairs, frames of a stream.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed runs of each case.")] = 30,
    threads: Annotated[int | None, typer.Option(help="Of torch; its own choice if left.")] = None,
    device: Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda`, `cuda:1`, ...")] = "auto",
    output: Annotated[Path, typer.Option("--out", help="Folder for all that it writes.")] = Path(
        "bench"
    ),
) -> None:
    """Measure how fast this machine estimates poses, and how fast it could.

    Give an option several times to measure all combinations; each is a process of its own. Of
    the machine's other load it knows nothing: run it while nothing else does.

    **Latency** is from RGB arrays to the pose. **network** is its part from the upload to the
    head. **x floor** is how many times its arithmetic would take at the rate of a large matrix
    product, measured in the same process (or the reading of its weights, if longer). **x plain**
    is how many times as fast the network is as its equations written plainly, in fp32 (fp16 on a
    GPU), one view after the other. **rotation** and **direction** are how far the poses lie from
    that baseline's, 95th percentile: untrained weights magnify rounding. An export has no such
    baseline.

    Writes bench.json, bench.png and the tables, bench.md, with what could not be run and why.
    Ctrl-C keeps what is measured; where nothing could be, it ends with 1.

    Examples:

        geloc3r bench

        geloc3r bench --weights large --precision fp32 --precision bf16 --precision int8 --runs 5

        geloc3r bench --precision fp32 --precision bf16 --size 640x480 --size 1280x720 --mode pair

        geloc3r bench --weights exported/ --backend onnx
    """
    from geloc3r_ros.bench.cases import MODES, cases_of, without_baseline

    check_folder(output)
    cases = cases_of(
        weights=weights or ["tiny"],
        backends=backend or ["torch"],
        precisions=precision or ["auto"],
        sizes=size or ["640x480"],
        modes=[chosen.value for chosen in mode or []] or MODES,
        device=device,
        runs=runs,
    )
    for name in filter(without_baseline, weights or []):
        out.print(f"{name}: an export; it is measured without the plain baseline", style="yellow")
    output.mkdir(parents=True, exist_ok=True)
    found: list[Measurement] = []
    failed: dict[str, str] = {}
    interrupted = False
    try:
        _measure(cases, threads, found, failed)
    except KeyboardInterrupt:
        interrupted = True
        out.print("Interrupted.")
    if found:
        _report(found, failed, output)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not found:
        out.print("no case was measured", style="yellow")
        raise typer.Exit(1)


def _measure(
    cases: Sequence[Case], threads: int | None, found: list[Measurement], failed: dict[str, str]
) -> None:
    """Measure under a progress bar, into ``found``; why others cannot be run, into ``failed``."""
    from rich.progress import Progress

    from geloc3r_ros.bench.suite import measure_case, random_weights

    with Progress(console=out, transient=True) as progress, random_weights(cases) as files:
        everything = progress.add_task("all", total=len(cases))
        for case in cases:
            task = progress.add_task(case.label, total=case.runs)
            result = measure_case(case, files, threads, partial(progress.advance, task))
            if isinstance(result, str):
                failed[case.label] = result
                out.print(f"{case.label}: {result}", style="yellow")
            else:
                found.append(result)
            progress.remove_task(task)
            progress.advance(everything)


def _report(found: Sequence[Measurement], failed: dict[str, str], folder: Path) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from geloc3r_ros.bench import report
    from geloc3r_ros.bench.machine import about_machine

    about = about_machine()
    measured = [asdict(m) for m in found]
    values = {"machine": about, "measurements": measured, "failed": failed}
    (folder / "bench.json").write_text(json.dumps(values, indent=1), encoding="utf-8")
    report.plot(folder / "bench.png", found)
    text = io.StringIO()
    console = Console(file=text, width=WIDEST)
    console.print(
        f"{about['processor']}, {found[0].threads} threads, {found[0].device}, "
        f"torch {about['torch']}"
    )
    for table in (report.speed_table, report.stage_table, report.start_up_table):
        console.print(table(found))
    for label, reason in failed.items():
        console.print(f"\nNot measured: {label}: {reason}")
    said = "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
    (folder / "bench.md").write_text(said, encoding="utf-8")
    out.print(said, soft_wrap=True)
    out.print(f"{folder}: bench.json, bench.png, bench.md")
