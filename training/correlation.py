# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Teaches design ``matching`` which cell of one view is which of the other, and where in it.

Shapes: B pairs; N cells of a view; S of them, drawn at random among those that the other view
truly shows; W fine cells round a match.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from geloc3r_ros.model.matching import CELL, OUTSIDE, Matcher, reference_pixels
from geloc3r_training.matching import TokenMatches

__all__ = ["Drawn", "coarse_loss", "draw", "draw_lots", "fine_loss"]


ASTRAY = 1.5
"""Cells that a match is looked for beside its true place, at most, either way."""


class Drawn(NamedTuple):
    """Cells of one side of each pair, with their true matches."""

    cells: Tensor
    """(B, S)."""
    place: Tensor
    """Column and row in the other view, between cells, (B, S, 2)."""
    counts: Tensor
    """Whether it is a true match, or only fills the row, (B, S)."""
    lot: Tensor
    """Two numbers from 0 to 1 for each, (B, S, 2)."""


def draw_lots(
    truth: TokenMatches, pair_ids: Sequence[int], step: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Three numbers from 0 to 1 for each cell of either side, (B, N, 3).

    They depend on the pair and the step, whatever else is in the batch.
    """
    cells = truth.seen.shape[1]
    numbers = [np.random.default_rng([seed, step, i]).random((2, cells, 3)) for i in pair_ids]
    side1, side2 = torch.from_numpy(np.stack(numbers)).to(truth.place).unbind(1)
    return side1, side2


def draw(truth: TokenMatches, side: slice, count: int, lots: Tensor) -> Drawn:
    """Draw cells of one side that the other view shows, by lots (B, N, 3)."""
    seen = truth.seen[side]
    value, cells = (lots[..., 0] + seen).topk(min(count, seen.shape[1]))
    both = cells[..., None].expand(-1, -1, 2)
    place = truth.place[side].gather(1, both)
    return Drawn(cells, place, value > 1.0, lots[..., 1:].gather(1, both))


def coarse_loss(
    matcher: Matcher, here: Tensor, there: Tensor, drawn: Drawn, grid: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Cross-entropy between likely and true matches, the truth shared by four cells (InfoNCE).

    Args:
        matcher: Knows how sharply to compare.
        here: Descriptors of this side, (B, N, D).
        there: Descriptors of the other, (B, M, D).
        drawn: Cells of this side.
        grid: Rows and columns of the other side's cells.

    Returns:
        The loss, and the distance of the likeliest cell to the match, pixels (B, S).
    """
    index = drawn.cells[..., None].expand(-1, -1, here.shape[-1])
    logarithm = matcher.scores(here.gather(1, index), there).log_softmax(-1)
    corner = drawn.place.floor()
    beyond = drawn.place - corner
    loss = torch.zeros_like(drawn.place[..., 0])
    for right, across in ((0, 1 - beyond[..., 0]), (1, beyond[..., 0])):
        for below, down in ((0, 1 - beyond[..., 1]), (1, beyond[..., 1])):
            column = (corner[..., 0] + right).clamp(0, grid[1] - 1)
            row = (corner[..., 1] + below).clamp(0, grid[0] - 1)
            cell = (row * grid[1] + column).long()[..., None]
            loss = loss - across * down * logarithm.gather(-1, cell)[..., 0]
    with torch.no_grad():
        likeliest = logarithm.argmax(-1)
        found = torch.stack((likeliest % grid[1], likeliest // grid[1]), -1)
        distance = CELL * torch.linalg.vector_norm(found - drawn.place, dim=-1)
    return _mean(loss, drawn), distance


def fine_loss(
    matcher: Matcher,
    cell: int,
    here: Tensor,
    there: Tensor,
    drawn: Drawn,
    grid_here: tuple[int, int],
    grid_there: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Teach the place of a match that is looked for at most a cell and a half beside it.

    Args:
        matcher: Compares.
        cell: Pixels between the descriptors, as in :meth:`Matcher.compare`.
        here: Descriptors of this side, (B, N', D').
        there: Descriptors of the other, (B, M', D').
        drawn: Cells of this side.
        grid_here: Rows and columns of this side's tokens.
        grid_there: Rows and columns of the other side's tokens.

    Returns:
        The loss, and the distance of the mean place to the match, pixels (B, S).
    """
    truth = drawn.place * CELL + CELL - 1
    near = truth + (drawn.lot - 0.5) * 2 * ASTRAY * cell
    own = reference_pixels(drawn.cells, grid_here[1])
    scores, places = matcher.compare(cell, here, there, own, near, grid_here, grid_there)
    share = (1 - (places - truth[..., None, :]).abs() / cell).clamp(min=0).prod(-1)
    share = share * (scores > OUTSIDE / 2)
    logarithm = scores.log_softmax(-1)
    loss = -(share * logarithm).sum(-1)
    mean = (logarithm.exp()[..., None] * places).sum(-2)
    distance = torch.linalg.vector_norm(mean - truth, dim=-1)
    return _mean(loss + distance.clamp(max=2 * cell) / cell, drawn), distance.detach()


def _mean(loss: Tensor, drawn: Drawn) -> Tensor:
    """Mean over the pairs of the means over their true matches."""
    counts = drawn.counts.float()
    return ((loss * counts).sum(-1) / counts.sum(-1).clamp(min=1)).mean()
