# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and a plot of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.box import MARKDOWN
from rich.table import Table

from geloc3r_ros.bench.cases import PLAIN, STAGES, START_UP, Measurement
from geloc3r_ros.geometry import Array, pose_errors

__all__ = ["deviations", "plot", "speed_table", "stage_table", "start_up_table"]

MEGA = 1e6
COLOURS = ("#8a949e", "#d95f02", "#e7b800", "#0b5fa5", "#1b8a5a", "#7b3fa0")


def speed_table(found: Sequence[Measurement]) -> Table:
    """Latency, throughput, distance from both baselines, memory, and what it does to the pose."""
    head = ("p50 ms", "p95", "p99", "poses/s", "network ms", "x floor", "x plain", "peak MB")
    table = _table(*head, "rotation deg", "direction deg")
    for m in found:
        baseline = _baseline(m, found)
        network = float(np.median(m.network))
        times = "" if baseline is None else f"{np.median(baseline.network) / network:.2f}"
        moved = deviations(m, found)
        table.add_row(
            f"{m.case.weights} {_setting(m)}",
            *(f"{1e3 * p:.1f}" for p in np.percentile(m.total, (50, 95, 99))),
            f"{1 / np.mean(m.total):.2f}",
            f"{1e3 * network:.1f}",
            f"{network / m.floor:.2f}",
            times,
            f"{(m.device_peak or m.peak) / MEGA:.0f}",
            *([""] * 2 if moved is None else (f"{np.degrees(angle):.3f}" for angle in moved)),
        )
    return table


def stage_table(found: Sequence[Measurement]) -> Table:
    """Medians of the stages, and the floor of the network, in milliseconds."""
    table = _table(*STAGES, "floor", "GFLOP", "GFLOP/s at best")
    for m in found:
        table.add_row(
            f"{m.case.weights} {_setting(m)}",
            *(_milliseconds(m.stages.get(stage)) for stage in STAGES),
            f"{1e3 * m.floor:.1f}",
            f"{m.arithmetic / 1e9:.1f}",
            f"{m.rate / 1e9:.0f}",
        )
    return table


def start_up_table(found: Sequence[Measurement]) -> Table:
    """From the start of the process to the first pose: seconds, and megabytes afterwards."""
    table = _table(*(f"{name} s" for name in START_UP), "sum s", *(f"{n} MB" for n in START_UP))
    for m in found:
        seconds = [m.start_up[name] for name in START_UP]
        table.add_row(
            f"{m.case.weights} {_setting(m)}",
            *(f"{value:.2f}" for value in (*seconds, sum(seconds))),
            *(f"{m.memory[name] / MEGA:.0f}" for name in START_UP),
        )
    return table


def deviations(m: Measurement, found: Sequence[Measurement]) -> Array | None:
    """How far rotation and direction are from the baseline's, (2,) in radians, 95th percentile.

    A stream has other pairs than the baseline: it is held against the stream in fp32, if any.
    """
    if m.case.mode == "pair":
        reference = _baseline(m, found)
    else:
        exact = (o for o in found if o.precision == "fp32" and o.case.mode == m.case.mode)
        reference = next((o for o in exact if _alike(o, m)), None)
    if reference is None or reference is m:
        return None
    pairs = zip(np.array(m.poses), np.array(reference.poses), strict=False)
    return np.percentile([pose_errors(T, T_reference) for T, T_reference in pairs], 95, axis=0)


def plot(path: Path, found: Sequence[Measurement]) -> None:
    """Draw the stages of every case as bars, and the floor of the network as a mark."""
    weights = list(dict.fromkeys(m.case.weights for m in found))
    figure = Figure(figsize=(8, 1.2 + 0.38 * len(found)), layout="constrained")
    heights = [sum(m.case.weights == name for m in found) for name in weights]
    panels = figure.subplots(len(weights), squeeze=False, height_ratios=heights)[:, 0]
    for axes, name in zip(panels, weights, strict=True):
        _draw(axes, name, [m for m in found if m.case.weights == name])
    panels[-1].set_xlabel("median ms; the black mark is where the network would end at its floor")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(STAGES), frameon=False)
    figure.savefig(path)


def _draw(axes, title: str, found: Sequence[Measurement]) -> None:
    rows = np.arange(len(found))
    left = np.zeros(len(found))
    before_network = np.zeros(len(found))
    for stage, colour in zip(STAGES, COLOURS, strict=True):
        widths = np.array([1e3 * np.median(m.stages.get(stage, [0.0])) for m in found])
        axes.barh(rows, widths, left=left, color=colour, label=stage, height=0.65)
        left += widths
        if stage == "preprocess":
            before_network = left.copy()
    floors = before_network + [1e3 * m.floor for m in found]
    axes.plot(floors, rows, "|", color="black", markersize=14, markeredgewidth=2)
    axes.set_yticks(rows, [_setting(m) for m in found])
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _table(*columns: str) -> Table:
    table = Table(box=MARKDOWN)
    table.add_column("case")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _setting(m: Measurement) -> str:
    width, height = m.case.size
    return f"{width}x{height} {m.case.mode} {m.case.backend} {m.precision}"


def _alike(a: Measurement, b: Measurement) -> bool:
    return a.case.weights == b.case.weights and a.case.size == b.case.size


def _baseline(m: Measurement, found: Sequence[Measurement]) -> Measurement | None:
    return next((o for o in found if _alike(o, m) and o.case.backend == PLAIN), None)


def _milliseconds(times: Sequence[float] | None) -> str:
    return "" if times is None else f"{1e3 * np.median(times):.1f}"
