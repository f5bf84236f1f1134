# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize, pad

from geloc3r_training.gcr import GcrConfig, TokenMap, pair_generators
from geloc3r_training.gcr.correspondences import sample_correspondences
from geloc3r_training.gcr.descriptors import match
from geloc3r_training.gcr.diagnostics import roc_auc
from geloc3r_training.gcr.fusion_transformer import FusionTransformer, correspondence_features
from geloc3r_training.gcr.losses import weight_loss
from geloc3r_training.gcr.pairs import Direction
from geloc3r_training.gcr.se3 import retract

CONFIG = GcrConfig.tiny(points=96)


def observe(scene, noise=0.0, seed=0):
    """Correspondences of a scene, matched by descriptors with noise on them."""
    generator = torch.Generator().manual_seed(seed)
    batch = len(scene.T_2_1)
    truth = sample_correspondences(
        scene.view_1.depth,
        scene.view_2.depth,
        scene.view_1.K,
        scene.view_2.K,
        scene.T_2_1,
        CONFIG.points,
        0.05,
        pair_generators(seed, 0, range(batch)),
    )
    size = tuple(scene.view_2.depth.shape[1:])
    first, second = scene.view_1.descriptors, scene.view_2.descriptors
    noisy = normalize(
        second.descriptors + noise * torch.randn(second.descriptors.shape, generator=generator),
        dim=1,
    )
    second = second._replace(descriptors=noisy)
    return Direction(
        T_hat=retract(scene.T_2_1, 0.1 * torch.randn(batch, 6, generator=generator)),
        T_true=scene.T_2_1,
        has_direction=torch.ones(batch, dtype=torch.bool),
        K_2=scene.view_2.K,
        size_1=size,
        size_2=size,
        truth=truth,
        matches=match(first, second, truth.pixels_1, CONFIG),
    )


def change(pairs, points):
    """``pairs`` with a function applied to every tensor that has one row a point."""

    def all_of(part):
        values = {k: v if k == "covisibility" else points(v) for k, v in vars(part).items()}
        return replace(part, **values)

    return replace(pairs, truth=all_of(pairs.truth), matches=all_of(pairs.matches))


@pytest.fixture
def fusion():
    torch.manual_seed(0)
    return FusionTransformer(24, 20, CONFIG).eval()


def test_permuting_the_correspondences_permutes_the_weights(surface, fusion):
    scene = surface(batch=2)
    pairs = observe(scene)
    order = torch.randperm(CONFIG.points)
    tokens = scene.view_1.tokens, scene.view_2.tokens
    expected = fusion(pairs, *tokens)[:, order]
    permuted = change(pairs, lambda values: values[:, order])
    torch.testing.assert_close(fusion(permuted, *tokens), expected)
    assert expected.std() > 0.01


def test_padding_changes_nothing(surface, fusion):
    scene = surface(batch=2)
    pairs = observe(scene)
    tokens = scene.view_1.tokens, scene.view_2.tokens
    expected = fusion(pairs, *tokens)

    def padded(values):
        if values.ndim == 2:
            return pad(values, (0, 7))
        return pad(values, (0, 0, 0, 7))

    result = fusion(change(pairs, padded), *tokens)
    torch.testing.assert_close(result[:, :-7], expected)


def test_a_pair_without_correspondences_gives_finite_numbers(surface, fusion):
    scene = surface(batch=1)
    pairs = change(observe(scene), torch.zeros_like)
    tokens = scene.view_1.tokens, scene.view_2.tokens
    logits = fusion(pairs, *tokens)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in fusion.parameters())


def test_it_looks_at_the_tokens_of_both_views_and_at_their_places(surface, fusion):
    scene = surface(batch=1)
    pairs = observe(scene)
    tokens = [scene.view_1.tokens, scene.view_2.tokens]
    expected = fusion(pairs, *tokens)
    for view in (0, 1):
        changed = list(tokens)
        changed[view] = TokenMap(tokens[view].tokens.flip(1), tokens[view].grid)
        assert (fusion(pairs, *changed) - expected).abs().max() > 1e-4
    assert (fusion(pairs, *tokens[::-1]) - expected).abs().max() > 1e-4


def test_no_gradient_reaches_the_network(surface, fusion):
    scene = surface(batch=1)
    pairs = observe(scene)
    pairs.T_hat.requires_grad_()
    tokens = [
        view.tokens._replace(tokens=view.tokens.tokens.clone().requires_grad_())
        for view in (scene.view_1, scene.view_2)
    ]
    fusion(pairs, *tokens).sum().backward()
    assert pairs.T_hat.grad is None
    assert all(view.tokens.grad is None for view in tokens)
    assert not correspondence_features(pairs).requires_grad


@pytest.mark.slow
def test_training_tells_true_matches_better_than_similarity_does(surface):
    """The FusionTransformer must add at least 0.03 of ROC-AUC on scenes it has not seen."""
    torch.manual_seed(0)
    fusion = FusionTransformer(24, 20, CONFIG)
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=1e-3)

    def run(seed, batch):
        scene = surface(batch=batch, size=48, seed=seed)
        pairs = observe(scene, noise=0.35, seed=seed)
        logits = fusion(pairs, scene.view_1.tokens, scene.view_2.tokens)
        return logits, pairs.match_errors() < CONFIG.true_match, pairs

    for step in range(120):
        logits, true, pairs = run(step, batch=8)
        optimiser.zero_grad()
        weight_loss(logits, true, pairs.truth.used).mean().backward()
        optimiser.step()

    logits, true, pairs = run(seed=10_000, batch=32)
    learned = roc_auc(logits, true, pairs.truth.used).nanmean()
    similarity = roc_auc(pairs.matches.similarity, true, pairs.truth.used).nanmean()
    assert learned > similarity + 0.03
