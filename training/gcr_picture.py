# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GCR in one picture: matches coloured by their weight, and where two poses put the points.

The first two images show drawn points of view 1 and where the teacher finds them in view 2, bright
where the FusionTransformer trusts them; a red line leads from a false match to the truth. The
third shows how far from the truth the regressed pose puts the points, and how far the solved one,
where there is one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from geloc3r_training.gcr.consistency import Solution
from geloc3r_training.gcr.se3 import pose_errors, project, transform
from geloc3r_training.objectives import Consistency
from geloc3r_training.pairs import PairBatch

__all__ = ["draw_gcr"]

FALSE = 2.0
"""Distance from the truth at which a match is drawn as false, pixels."""
SHOWN = 48
"""Points whose projections are drawn, at most."""


@torch.no_grad()
def draw_gcr(objective: Consistency, batch: PairBatch, row: int, path: Path) -> None:
    """Write the picture of one pair of a batch, direction 1 -> 2.

    Args:
        objective: A stage at work.
        batch: Pairs.
        row: Which of them.
        path: Picture to write.
    """
    solution = objective.solve(batch)
    images = batch.images[row].movedim(1, -1).cpu()
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(13, 3.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for axes, image in ((left, images[0]), (middle, images[1]), (right, images[1])):
            axes.imshow(image.numpy())
            axes.set_axis_off()
        _weights(solution, row, left, middle, figure)
        _projections(solution, row, right)
        figure.savefig(path, dpi=130)


def _weights(solution: Solution, row: int, left: Axes, middle: Axes, figure: Figure) -> None:
    """Points and matches by weight, and how far false matches are off."""
    pairs, used = solution.pairs, solution.pairs.truth.used[row]
    weights = solution.weights[row, used]
    found, true = pairs.matches.pixels_2[row, used], pairs.truth.pixels_2[row, used]
    false = pairs.match_errors()[row, used] > FALSE
    _lines(middle, found[false], true[false], color="tab:red", linewidth=0.6, alpha=0.6)
    for axes, pixels in ((left, pairs.truth.pixels_1[row, used]), (middle, found)):
        x, y = pixels.mT.numpy()
        points = axes.scatter(x, y, c=weights.numpy(), s=12, vmin=0, vmax=1, cmap="viridis")
    left.set_title(f"view 1: {int(used.sum())} points")
    middle.set_title(f"view 2: matches, {100 * (~false).float().mean():.0f} % within {FALSE:g} px")
    figure.colorbar(points, ax=middle, fraction=0.04, label="weight")


def _projections(solution: Solution, row: int, axes: Axes) -> None:
    """Where the regressed and the solved pose put points of view 1."""
    pairs, used = solution.pairs, solution.pairs.truth.used[row]
    true = pairs.truth.pixels_2[row, used][:SHOWN]
    solved = solution.result
    for name, T, valid, colour in (
        ("regressed", pairs.T_hat, True, "tab:orange"),
        ("solved", solved.T_2_1.to(pairs.T_hat), bool(solved.valid[row]), "tab:cyan"),
    ):
        if not valid:
            axes.plot([], [], color=colour, label=f"{name}: no pose, too few points agree")
            continue
        put, _ = project(pairs.K_2, transform(T, pairs.truth.points_1))
        _lines(axes, true, put[row, used][:SHOWN], color=colour, linewidth=1)
        axes.plot([], [], color=colour, label=f"{name}: {_error(T[row], pairs.T_true[row])}")
    axes.plot(*true.mT.numpy(), ".", color="white", markersize=3)
    axes.set_xlim(-0.5, pairs.size_2[1] - 0.5)
    axes.set_ylim(pairs.size_2[0] - 0.5, -0.5)
    axes.set_title("view 2: how far poses put the points off")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), frameon=False)


def _lines(axes: Axes, starts: Tensor, ends: Tensor, **style: Any) -> None:
    """Lines from pixels (N, 2) to pixels (N, 2)."""
    axes.plot(*torch.stack((starts, ends)).movedim(-1, 0).numpy(), **style)


def _error(T_hat: Tensor, T_true: Tensor) -> str:
    rotation, direction = (angle.rad2deg().item() for angle in pose_errors(T_hat, T_true))
    return f"{rotation:.1f}° rotation, {direction:.1f}° direction"
