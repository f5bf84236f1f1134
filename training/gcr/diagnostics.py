# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What GCR logs: tallies that add up over steps and processes, and norms of gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = [
    "ERROR_BINS",
    "add_tallies",
    "gradient_norms",
    "means",
    "roc_auc",
    "tally",
    "tally_bins",
]

ERROR_BINS = (0.0, 2.0, 5.0, 10.0, 20.0, 45.0, 180.0)
"""Edges of the bins of a regressed pose's rotation error, degrees."""


def tally(values: Tensor, counted: Tensor | None = None) -> Tensor:
    """Sum and count (2,) of the values (...) that are counted and finite."""
    values = values.detach().double()
    finite = values.isfinite() if counted is None else values.isfinite() & counted
    return torch.stack([torch.where(finite, values, 0.0).sum(), finite.sum().double()])


def tally_bins(name: str, values: Tensor, errors: Tensor, counted: Tensor) -> dict[str, Tensor]:
    """Tallies of values (B,) by the bin of their errors (B,), radians."""
    degrees = errors.detach().rad2deg()
    return {
        f"{name}/{low:g}-{high:g}deg": tally(values, counted & (degrees >= low) & (degrees < high))
        for low, high in pairwise(ERROR_BINS)
    }


def add_tallies(total: Mapping[str, Tensor], more: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Sum of two sets of tallies, of two steps or two processes."""
    added = dict(total)
    for name, both in more.items():
        added[name] = added[name] + both if name in added else both
    return added


def means(tallies: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean of each tally that has counted something."""
    return {name: float(both[0] / both[1]) for name, both in tallies.items() if both[1] > 0}


def roc_auc(scores: Tensor, positive: Tensor, used: Tensor) -> Tensor:
    """Area under the ROC curve (B,) of scores (B, N); NaN where a class is empty; ties count half.

    It is the probability that a positive scores above a negative (Mann-Whitney).
    """
    scores = torch.where(used, scores.detach().double(), torch.inf)
    order = scores.sort(dim=-1).values
    below = torch.searchsorted(order, scores, right=False)
    upto = torch.searchsorted(order, scores, right=True)
    rank = 0.5 * (below + upto + 1)
    positive = positive & used
    positives, negatives = positive.sum(-1), (used & ~positive).sum(-1)
    pairs_won = (rank * positive).sum(-1) - positives * (positives + 1) / 2
    return pairs_won / (positives * negatives)


def gradient_norms(
    terms: Mapping[str, Tensor], parameters: Iterable[nn.Parameter]
) -> dict[str, float]:
    """Norm of each term's gradient on the parameters, without touching their ``.grad``.

    Call it before ``backward`` of the sum; the graph stays. It costs one backward pass a term.
    """
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    norms = {}
    for name, term in terms.items():
        if not (wanted and term.requires_grad):
            norms[name] = 0.0
            continue
        gradients = torch.autograd.grad(term, wanted, retain_graph=True, allow_unused=True)
        squares = [g.detach().double().square().sum() for g in gradients if g is not None]
        norms[name] = float(sum(squares)) ** 0.5
    return norms
