# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from geloc3r_training.gcr.diagnostics import (
    add_tallies,
    gradient_norms,
    means,
    roc_auc,
    tally,
    tally_bins,
)


def test_tallies_count_what_is_finite_and_counted_and_add_up():
    first = {"a": tally(torch.tensor([1.0, torch.nan, 3.0]))}
    counted = torch.tensor([True, False])
    second = {"a": tally(torch.tensor([8.0, 99.0]), counted), "b": tally(torch.zeros(0))}
    both = add_tallies(first, second)
    assert both["a"].tolist() == [12.0, 3.0]
    assert means(both) == {"a": 4.0}
    assert add_tallies(second, first)["a"].tolist() == [12.0, 3.0]


def test_bins_are_half_open():
    errors = torch.tensor([0.0, 2.0, 4.999, 100.0]).deg2rad()
    binned = means(tally_bins("x", torch.tensor([1.0, 0, 1, 1]), errors, torch.ones(4).bool()))
    assert binned == {"x/0-2deg": 1.0, "x/2-5deg": 0.5, "x/45-180deg": 1.0}


def test_roc_auc_of_hand_counted_pairs():
    scores = torch.tensor([[0.1, 0.4, 0.35, 0.8], [0.5, 0.5, 0.5, 0.5], [1.0, 2, 3, 4]])
    positive = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]]).bool()
    area = roc_auc(scores, positive, torch.ones(3, 4).bool())
    assert area[:2].tolist() == [0.75, 0.5]
    assert math.isnan(area[2])


def test_roc_auc_ignores_padding():
    scores, positive = torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[False, True, False]])
    assert roc_auc(scores, positive, torch.tensor([[True, True, False]])).item() == 1.0


def test_gradient_norms_leave_the_gradients_alone():
    x = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    y = torch.nn.Parameter(torch.tensor([1.0]))
    terms = {"square": x.square().sum(), "none": torch.tensor(1.0), "y": 7 * y.sum()}
    norms = gradient_norms(terms, [x, y])
    assert norms == pytest.approx({"square": 10.0, "none": 0.0, "y": 7.0})
    assert x.grad is None
    sum(terms.values()).backward()
    assert x.grad.tolist() == [6.0, 8.0]


def test_gradient_norms_of_a_frozen_network_are_zero():
    head = torch.nn.Parameter(torch.ones(2))
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    assert gradient_norms({"infonce": head.sum()}, [frozen]) == {"infonce": 0.0}
