# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import torch

from geloc3r_training.gcr.sampling import SHARPNESS, draw_sets, pair_generators


def generators(*pair_ids):
    return pair_generators(1, 2, pair_ids)


def test_generators_depend_on_seed_step_and_pair_alone():
    keys = list(itertools.product((0, 1), (0, 1), (0, 1, 2**40)))
    first = [pair_generators(s, t, [9, p])[1].initial_seed() for s, t, p in keys]
    again = [pair_generators(s, t, [p])[0].initial_seed() for s, t, p in keys]
    assert first == again
    assert len(set(first)) == len(keys)


def test_sets_hold_four_different_points_of_positive_weight():
    weights = torch.rand(3, 20, dtype=torch.float64)
    weights[:, 5:9] = 0
    indices, drawn = draw_sets(weights, 200, generators(0, 1, 2))
    assert drawn[:, :: len(SHARPNESS)].float().mean() > 0.95
    ordered = indices[drawn].sort(-1).values
    assert (ordered[:, 1:] > ordered[:, :-1]).all()
    assert not torch.isin(indices[drawn], torch.arange(5, 9)).any()


def test_draws_follow_the_powers_of_the_weights_without_replacement():
    """Compared with the probabilities of two successive draws."""
    weights = torch.tensor([[1.0, 2, 3, 4, 5]], dtype=torch.float64)
    indices, _ = draw_sets(weights, 80_000, generators(0))
    for turn, power in enumerate(SHARPNESS[:2]):
        p = weights[0] ** power / (weights[0] ** power).sum()
        first_two = torch.zeros(5, 5)
        for a, b in itertools.permutations(range(5), 2):
            first_two[a, b] = p[a] * p[b] / (1 - p[a])
        sets = indices[0, turn :: len(SHARPNESS)]
        counts = torch.bincount(sets[:, 0] * 5 + sets[:, 1], minlength=25).view(5, 5)
        # Twenty thousand draws: three standard deviations are at most 0.011.
        assert (counts / len(sets) - first_two).abs().max() < 0.011


def test_padding_and_the_rest_of_the_batch_change_nothing():
    weights = torch.rand(3, 30, dtype=torch.float64)
    together, _ = draw_sets(weights, 50, generators(4, 5, 6))
    padded = torch.nn.functional.pad(weights[1:2], (0, 13))
    alone, _ = draw_sets(padded, 50, generators(5))
    assert torch.equal(together[1], alone[0])


def test_too_few_points_are_reported():
    weights = torch.tensor([[0.0, 0, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]])
    _, drawn = draw_sets(weights.double(), 64, generators(0, 1, 2))
    assert drawn.any(1).tolist() == [False, False, True]
