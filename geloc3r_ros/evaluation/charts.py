# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of a report, as SVG text; colours tell methods apart, and so do line styles."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from geloc3r_ros.evaluation.figures import Errors
from geloc3r_ros.evaluation.paths import Path3d
from geloc3r_ros.geometry import Array

__all__ = ["plot_calibration", "plot_errors", "plot_path", "plot_recall"]

COLOURS = ("#0b5fa5", "#d95f02", "#1b8a5a", "#7b3fa0", "#a0203f", "#6b5300")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (10, 2)))
"""One for each method there is."""
GREY = "#8a949e"
MOST_DEGREES = 30.0


def plot_recall(runs: Mapping[str, Errors]) -> str:
    """Share of pairs (that moved) whose error is below a number of degrees, for every method."""
    figure, axes = _axes(4.8, 3.0)
    for (name, e), colour, style in zip(runs.items(), COLOURS, STYLES, strict=False):
        sorted_errors = np.degrees(np.sort(e.pose[e.moved]))
        below = np.searchsorted(sorted_errors, MOST_DEGREES)
        share = np.arange(below + 1) / max(len(sorted_errors), 1)
        x = np.append(np.insert(sorted_errors[:below], 0, 0.0), MOST_DEGREES)
        axes.plot(x, np.append(share, share[-1]), color=colour, linestyle=style, label=name)
    axes.set(
        xlim=(0, MOST_DEGREES), ylim=(0, 1.02), xlabel="error of a pair (degrees)",
        ylabel="share of pairs below",
    )  # fmt: skip
    axes.legend(loc="best", frameon=False)
    return _svg(figure)


def plot_errors(e: Errors, seconds: Array | None) -> str:
    """Rotation and direction errors over time (seconds), or over the number of the pair."""
    figure, axes = _axes(4.8, 2.6)
    x = e.index if seconds is None else seconds[e.index]
    for values, colour, marker, name in (
        (e.rotation, COLOURS[0], "o", "rotation"),
        (e.direction, COLOURS[1], "^", "direction"),
    ):
        axes.plot(
            x, np.degrees(np.where(np.isfinite(values), values, np.nan)), marker, color=colour,
            markersize=1 if len(x) > 500 else 3, linestyle="none", label=name,
            rasterized=len(x) > 2000,
        )  # fmt: skip
    axes.set(
        ylim=(0, None), ylabel="error (degrees)",
        xlabel="pair" if seconds is None else "time (s)",
    )  # fmt: skip
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, ncols=2,
        markerscale=3 if len(x) > 500 else 1,
    )  # fmt: skip
    return _svg(figure)


def plot_calibration(levels: Mapping[str, Array], regions: Mapping[str, Mapping]) -> str:
    """Share of errors inside the region of each level, for rotation and translation.

    Args:
        levels: what is uncertain to the least level (N,) whose Gaussian region holds each error.
        regions: the same to the share in the regions of the calibration, by level.
    """
    figure, axes = _axes(3.8, 3.6)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for (name, values), colour, style in zip(levels.items(), COLOURS, STYLES, strict=False):
        observed = np.arange(1, len(values) + 1) / len(values)
        axes.plot(
            np.sort(values), observed, color=colour, linestyle=style, label=f"{name}, covariance"
        )
        axes.plot(
            [float(level) for level in regions[name]], list(regions[name].values()), "o",
            color=colour, markersize=5, label=f"{name}, calibrated radii",
        )  # fmt: skip
    axes.set(
        xlim=(0, 1.02), ylim=(0, 1.02), xlabel="level of the region",
        ylabel="share of errors inside",
    )  # fmt: skip
    axes.legend(loc="best", frameon=False, fontsize="small")
    return _svg(figure)


def plot_path(path: Path3d, estimated: Array) -> str:
    """The true and the (aligned) estimated path, in the plane in which the truth extends most."""
    figure, axes = _axes(4.8, 3.6)
    truth = path.true[:, :3, 3]
    first, second = sorted(np.argsort(np.ptp(truth, axis=0))[1:])
    for points, colour, style, name in (
        (truth, GREY, "--", "truth"),
        (estimated[:, :3, 3], COLOURS[0], "-", "estimate"),
    ):
        axes.plot(points[:, first], points[:, second], style, color=colour, label=name)
        axes.plot(*points[0, [first, second]], "o", color=colour)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel=f"{'xyz'[first]} (m)", ylabel=f"{'xyz'[second]} (m)")
    axes.legend(loc="best", frameon=False)
    return _svg(figure)


def _axes(width: float, height: float):
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e7eb", linewidth=0.7)
    return figure, axes


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    # Fixed ids, and no date: the same numbers give the same report.
    with rc_context({"svg.hashsalt": "geloc3r"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
