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
    said = f"{direction:.1f}° in direction" if np.isfinite(direction) else "no direction given"
    return f"off by {rotation:.1f}° in rotation, {said}"


def _draw_overview(scene: Scene, report: Report, results: list[Result], path: Path) -> None:
    """Draw up to ``MOST`` sets: both pictures, and the cameras from above."""
    chosen = np.unique(np.linspace(0, len(results) - 1, MOST).round().astype(int))
    rows = -(-len(chosen) // COLUMNS)
    height = 1.5 * rows + 0.6
    figure = Figure(figsize=(5.2 * COLUMNS, height))
    grid = figure.add_gridspec(
        rows, 3 * COLUMNS, width_ratios=[1.33, 1.33, 1.1] * COLUMNS, left=0.01, right=0.99,
        bottom=0.01, top=1 - 0.8 / height, wspace=0.03, hspace=0.22,
    )  # fmt: skip
    for cell, index in enumerate(chosen):
        row, column = divmod(cell, COLUMNS)
        left, right, above = (figure.add_subplot(grid[row, 3 * column + i]) for i in range(3))
        view = scene.view(results[index].stamp)
        left.imshow(view.left)
        right.imshow(view.right)
        left.set_axis_off()
        right.set_axis_off()
        left.set_title(f"{index + 1}: {_errors(results[index])}", fontsize=9, loc="left", pad=3)
        _draw_from_above(above, results[index])
    untrained = "" if report.trained else ".   UNTRAINED WEIGHTS: the estimates are noise"
    few = f"{len(chosen)} of " if len(chosen) < len(results) else ""
    figure.suptitle(
        f"{scene.name}, {few}{len(results)} sets: pictures of a (blue) and b, and the cameras "
        f"from above: b as estimated (orange) and in truth (green, dashed){untrained}",
        x=0.01, y=1 - 0.15 / height, ha="left", va="top", fontsize=12,
    )  # fmt: skip
    figure.savefig(path, dpi=90)


def _draw_from_above(axes: Axes, result: Result) -> None:
    """Draw x (right) and z (ahead) of camera a; translations have unit length."""
    for T, colour, style in (
        (np.eye(4), BLUE, "-"),
        (result.estimate.T_a_b, ORANGE, "-"),
        (result.T_true, GREEN, "--"),  # last: where both agree, the other shows between its dashes
    ):
        x, z = _outline(T)
        axes.plot(x, z, style, color=colour, linewidth=1.8)
    axes.set(xlim=(-1.7, 1.7), ylim=(-1.5, 1.8), aspect="equal", xticks=[], yticks=[])


def _outline(T_a_b: Array) -> tuple[Array, Array]:
    """A camera's field of view from above: apex and the two ends, closed, as x and z in a."""
    length = np.linalg.norm(T_a_b[:3, 3]) or 1.0
    ends = np.array([[0, 0, 0], [-0.4, 0, 0.6], [0.4, 0, 0.6], [0, 0, 0]])
    points = ends @ T_a_b[:3, :3].T + T_a_b[:3, 3] / length
    return points[:, 0], points[:, 2]
