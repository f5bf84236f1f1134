# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
import torch

from geloc3r_training.gcr import GcrConfig, GeometricConsistency, pose_step
from geloc3r_training.gcr.diagnostics import means
from geloc3r_training.gcr.pairs import median_depth
from geloc3r_training.gcr.se3 import inverse, make_transform, retract

CONFIG = GcrConfig.tiny(warm_up_steps=0, ramp_steps=0, points=128)


def regressed(scene, error=0.05, seed=3):
    """Regressed poses of both directions: off, and with translations of a meaningless length."""
    generator = torch.Generator().manual_seed(seed)
    poses = []
    for T in (scene.T_2_1, inverse(scene.T_2_1)):
        off = retract(T, error * torch.randn(len(T), 6, generator=generator))
        poses.append(make_transform(off[:, :3, :3], 7 * off[:, :3, 3]).requires_grad_())
    return poses


def gcr(config=CONFIG):
    torch.manual_seed(0)
    return GeometricConsistency(config, token_dim=20)


def run(model, scene, T_hats, pair_ids=None, **options):
    pair_ids = range(len(scene.T_2_1)) if pair_ids is None else pair_ids
    length = scene.T_2_1[:, :3, 3].norm(dim=-1)
    moved = length >= model.config.min_translation * median_depth(scene.view_1.depth)
    options = {"step": 5, "pair_ids": pair_ids, "has_direction": moved, **options}
    return model(scene.view_1, scene.view_2, *T_hats, scene.T_2_1, **options)


def rows(scene, which):
    def of(view):
        return replace(
            view,
            depth=view.depth[which],
            K=view.K[which],
            tokens=view.tokens._replace(tokens=view.tokens.tokens[which]),
            descriptors=view.descriptors._replace(
                descriptors=view.descriptors.descriptors[which],
                confidence=view.descriptors.confidence[which],
            ),
        )

    return replace(
        scene, view_1=of(scene.view_1), view_2=of(scene.view_2), T_2_1=scene.T_2_1[which]
    )


def test_a_step_has_all_terms_and_everything_gets_a_gradient(surface):
    scene, model = surface(batch=3), gcr()
    T_hats = regressed(scene)
    step = run(model, scene, T_hats)
    assert set(step.terms) == {"pose", "direct", "descriptor", "fusion"}
    torch.testing.assert_close(step.total, sum(step.terms.values()))
    step.total.backward()
    for T_hat in T_hats:
        assert T_hat.grad.isfinite().all()
        assert T_hat.grad.abs().max() > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("error", [0.0, 3.0])
def test_gradients_are_finite_at_the_truth_and_far_from_it(surface, error):
    scene, model = surface(batch=4), gcr()
    T_hats = regressed(scene, error)
    run(model, scene, T_hats).total.backward()
    assert all(T_hat.grad.isfinite().all() for T_hat in T_hats)
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_a_step_repeats_to_the_last_bit_and_draws_anew_at_the_next(surface):
    scene, model = surface(batch=2), gcr()
    first, again = (run(model, scene, regressed(scene)).total for _ in range(2))
    assert first == again
    assert run(model, scene, regressed(scene), step=6).total != first
    assert run(model, scene, regressed(scene), seed=1).total != first


def test_everything_that_is_to_be_logged_is(surface):
    scene = surface(batch=3)
    logged = means(run(gcr(), scene, regressed(scene)).tallies)
    for name in (
        "loss/pose", "loss/direct", "loss/descriptor", "loss/fusion",
        "regressed/rotation", "regressed/direction", "regressed/inconsistency_px",
        "match/median_px", "match/within_2px", "pairs/covisibility",
        "solver/failed", "solver/rotation", "solver/direction", "solver/inlier_ratio",
        "gate/open", "gate/error_ratio", "descriptor/cosine",
    ):  # fmt: skip
        assert name in logged, name
    assert any(name.startswith("gate/open/") for name in logged)
    assert any(name.startswith("descriptor/cosine/") for name in logged)
    assert logged["match/median_px"] < 0.5
    assert logged["gate/error_ratio"] < 1
    assert logged["descriptor/cosine"] > 0
    assert logged["solver/failed"] == 0


def test_weights_are_compared_with_similarity_where_matches_are_wrong(surface):
    scene = surface(batch=2)
    descriptors = scene.view_2.descriptors
    noisy = descriptors.descriptors + 0.4 * torch.randn_like(descriptors.descriptors)
    noisy = torch.nn.functional.normalize(noisy, dim=1)
    scene = replace(
        scene, view_2=replace(scene.view_2, descriptors=descriptors._replace(descriptors=noisy))
    )
    logged = means(run(gcr(), scene, regressed(scene)).tallies)
    gain = logged["weights/auc"] - logged["weights/auc_of_similarity"]
    assert logged["weights/auc_gain"] == pytest.approx(gain)


def test_the_loss_of_a_batch_is_the_mean_over_its_pairs(surface):
    scene, model = surface(batch=4), gcr()
    T_hats = regressed(scene)
    together = run(model, scene, T_hats, pair_ids=[10, 11, 12, 13])
    halves = [
        run(
            model, rows(scene, which), [T[which] for T in T_hats], pair_ids=[10 + i for i in which]
        )
        for which in ([2, 0], [3, 1])
    ]
    for name, term in together.terms.items():
        parts = 0.5 * sum(half.terms[name] for half in halves)
        torch.testing.assert_close(term, parts, atol=1e-5, rtol=1e-4)


def test_a_pair_without_depth_adds_to_the_pose_loss_alone(surface):
    scene, model = surface(batch=2), gcr()
    for view in (scene.view_1, scene.view_2):
        view.depth[1] = torch.nan
    T_hats = regressed(scene)
    both = run(model, scene, T_hats)
    first = run(model, rows(scene, [0]), [T[:1] for T in T_hats])
    assert both.total.isfinite()
    for name in ("direct", "descriptor", "fusion"):
        torch.testing.assert_close(both.terms[name], 0.5 * first.terms[name], atol=1e-5, rtol=1e-4)
    both.total.backward()
    assert all(T.grad.isfinite().all() for T in T_hats)
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_before_the_warm_up_ends_the_network_feels_the_pose_loss_alone(surface):
    scene = surface(batch=2)
    model = gcr(GcrConfig.tiny(points=64))
    T_hats = regressed(scene)
    step = run(model, scene, T_hats, step=0)
    assert step.terms["direct"] == step.terms["descriptor"] == 0
    step.total.backward()
    alone = regressed(scene)
    pose_step(*alone, scene.T_2_1).total.backward()
    for T_hat, expected in zip(T_hats, alone, strict=True):
        torch.testing.assert_close(T_hat.grad, expected.grad, atol=1e-6, rtol=1e-4)


def test_the_unit_of_length_changes_nothing(surface):
    scene, model = surface(batch=2), gcr()
    T_hats = regressed(scene)

    def scaled(view):
        return replace(view, depth=1000 * view.depth)

    millimetres = replace(
        scene,
        view_1=scaled(scene.view_1),
        view_2=scaled(scene.view_2),
        T_2_1=make_transform(scene.T_2_1[:, :3, :3], 1000 * scene.T_2_1[:, :3, 3]),
    )
    for name, term in run(model, scene, T_hats).terms.items():
        torch.testing.assert_close(
            term, run(model, millimetres, T_hats).terms[name], atol=1e-4, rtol=1e-3
        )


def test_without_a_baseline_directions_count_nowhere(surface):
    scene = surface(batch=2)
    scene.T_2_1[:, :3, 3] *= 1e-3
    T_hats = regressed(scene)
    step = run(gcr(), scene, T_hats)
    step.total.backward()
    logged = means(step.tallies)
    assert "regressed/direction" not in logged
    assert "regressed/rotation_without_baseline" in logged
    assert all(T.grad[:, :3, 3].abs().max() < 1e-3 for T in T_hats)


def test_arms_of_the_ablation(surface):
    scene = surface(batch=2)
    T_hats = regressed(scene)
    uniform = gcr(replace(CONFIG, weighting="uniform"))
    assert "fusion" not in run(uniform, scene, T_hats).terms
    assert not list(uniform.parameters())
    perfect = means(run(gcr(replace(CONFIG, target="truth")), scene, T_hats).tallies)
    assert perfect["gate/open"] == 1
    assert perfect["gate/error_ratio"] == pytest.approx(0, abs=1e-4)
    literal = means(run(gcr(replace(CONFIG, observation="gt")), scene, T_hats).tallies)
    assert literal["match/median_px"] == 0
    plain = run(gcr(replace(CONFIG, reprojection_weight=1.0)), scene, T_hats)
    assert plain.terms["reprojection"] > 0
    unweighted = run(gcr(replace(CONFIG, weighting="uniform_solver")), scene, T_hats)
    assert unweighted.terms["fusion"] > 0


def test_validation_needs_no_gradient(surface):
    scene = surface(batch=2)
    with torch.no_grad():
        step = run(gcr(), scene, [T.detach() for T in regressed(scene)])
    assert step.total.isfinite()
    assert "descriptor/cosine" not in step.tallies


def test_autocast_changes_nothing(surface):
    scene, model = surface(batch=2), gcr()
    T_hats = regressed(scene)
    plain = run(model, scene, T_hats)
    with torch.autocast("cpu", torch.bfloat16):
        cast = run(model, scene, T_hats)
    assert cast.total == plain.total
