# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the demo's sets, with the estimated and the true camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geloc3r_ros.demo.report import Report, Result
from geloc3r_ros.demo.scenes import Scene
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.plot import plot_pair

__all__ = ["draw"]

BLUE, ORANGE, GREEN = "#0b5fa5", "#d95f02", "#1b8a5a"
MOST, COLUMNS = 15, 3


def draw(scene: Scene, report: Report, folder: Path) -> None:
    """Write ``overview.png``, and ``best.png``, ``median.png``, ``worst.png`` of single sets."""
    results = [report.results[stamp] for stamp in sorted(report.results)]
    if not results:
        return
    folder.mkdir(parents=True, exist_ok=True)
    _draw_overview(scene, report, results, folder / "overview.png")
    ranked = sorted(results, key=lambda r: sum(np.nan_to_num(r.errors, nan=np.pi)))
    for name, result in (
        ("best", ranked[0]),
        ("median", ranked[len(ranked) // 2]),
        ("worst", ranked[-1]),
    ):
        view = scene.view(result.stamp)
        plot_pair(
            folder / f"{name}.png",
            view.left,
            view.right,
            result.estimate.T_a_b,
            T_1_2_true=result.T_true,
            K1=view.K_left,
            K2=view.K_right,
            title=f"{scene.name}: the {name} of {len(results)} sets\n{_errors(result)}",
            trained=result.estimate.trained,
        )


def _errors(result: Result) -> str:
    rotation, direction = np.degrees(result.errors)
    return f"rotation error {rotation:.1f}°, direction error {direction:.1f}°"


def _draw_overview(scene: Scene, report: Report, results: list[Result], path: Path) -> None:
    """Draw up to ``MOST`` sets: both pictures, and the cameras from above."""
    chosen = np.unique(np.linspace(0, len(results) - 1, MOST).round().astype(int))
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(5 * COLUMNS, 2.0 * rows + 0.8))
    grid = figure.add_gridspec(
        2 * rows, 2 * COLUMNS, width_ratios=[1, 1.7] * COLUMNS, left=0.01, right=0.99,
        bottom=0.01, top=1 - 0.8 / (2.0 * rows + 0.8), wspace=0.05, hspace=0.08,
    )  # fmt: skip
    for cell, index in enumerate(chosen):
        row, column = divmod(cell, COLUMNS)
        view = scene.view(results[index].stamp)
        for below, picture in enumerate((view.left, view.right)):
            axes = figure.add_subplot(grid[2 * row + below, 2 * column])
            axes.imshow(picture)
            axes.set_axis_off()
        axes = figure.add_subplot(grid[2 * row : 2 * row + 2, 2 * column + 1])
        _draw_from_above(axes, results[index], int(index) + 1)
    untrained = "" if report.trained else "   UNTRAINED WEIGHTS: the estimates are noise"
    figure.suptitle(
        f"{scene.name}: {len(chosen)} of {len(report.truth)} sets, the cameras from above; "
        f"a blue, b as estimated orange, b in truth green dashed{untrained}",
        x=0.01, ha="left", fontsize=12,
    )  # fmt: skip
    figure.savefig(path, dpi=80)


def _draw_from_above(axes: Axes, result: Result, number: int) -> None:
    """Draw x (right) and z (ahead) of camera a; translations have unit length."""
    for T, colour, style in (
        (np.eye(4), BLUE, "-"),
        (result.T_true, GREEN, "--"),
        (result.estimate.T_a_b, ORANGE, "-"),
    ):
        x, z = _outline(T)
        axes.plot(x, z, style, color=colour, linewidth=1.8)
    axes.set(xlim=(-1.7, 1.7), ylim=(-1.6, 1.6), aspect="equal", xticks=[], yticks=[])
    axes.set_title(f"set {number}: {_errors(result)}", fontsize=8, pad=2)


def _outline(T_a_b: Array) -> tuple[Array, Array]:
    """A camera's field of view from above: apex and the two ends, as x and z in a."""
    length = np.linalg.norm(T_a_b[:3, 3]) or 1.0
    ends = np.array([[-0.3, 0, 0.5], [0, 0, 0], [0.3, 0, 0.5], [-0.3, 0, 0.5]])
    points = ends @ T_a_b[:3, :3].T + T_a_b[:3, 3] / length
    return points[:, 0], points[:, 2]
