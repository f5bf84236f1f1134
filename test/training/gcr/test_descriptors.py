# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch.nn.functional import normalize

from geloc3r_training.gcr import DescriptorMap, GcrConfig, pair_generators
from geloc3r_training.gcr.correspondences import Correspondences, sample_correspondences
from geloc3r_training.gcr.descriptors import infonce, match, sample_map

CONFIG = GcrConfig.tiny()


def truth_of(scene, count=200):
    return sample_correspondences(
        scene.view_1.depth,
        scene.view_2.depth,
        scene.view_1.K,
        scene.view_2.K,
        scene.T_2_1,
        count,
        0.05,
        pair_generators(0, 0, range(len(scene.T_2_1))),
    )


@pytest.mark.parametrize("stride", [1, 4])
def test_a_linear_ramp_is_read_exactly_at_every_stride(stride):
    v, u = torch.meshgrid(torch.arange(12.0), torch.arange(16.0), indexing="ij")
    ramp = torch.stack([u, v])[None]
    ramp = torch.nn.functional.avg_pool2d(ramp, stride)
    pixels = torch.tensor([[[4.25, 5.0], [7.0, 3.5], [9.9, 8.1]]])
    torch.testing.assert_close(sample_map(ramp, pixels, stride), pixels)


def test_matches_of_a_smooth_surface_are_exact_to_a_fraction_of_a_pixel(surface):
    scene = surface(batch=2)
    truth = truth_of(scene)
    found = match(
        scene.view_1.descriptors, scene.view_2.descriptors, truth.pixels_1, GcrConfig.tiny()
    )
    distance = torch.linalg.vector_norm(found.pixels_2 - truth.pixels_2, dim=-1)[truth.used]
    assert distance.median() < 0.5
    assert (distance < 2).float().mean() > 0.95
    assert found.similarity[truth.used].median() > 0.99
    assert found.sharpness.isfinite().all()


def test_a_single_bright_pixel_is_found_at_the_far_corner():
    first, second = torch.zeros(1, 2, 40, 40), torch.zeros(1, 2, 40, 40)
    first[:, 0], second[:, 0] = 1.0, 1.0
    for view, row, column in ((first, 3, 4), (second, 38, 37)):
        view[:, :, row, column] = torch.tensor([0.0, 1.0])
    ones = torch.ones(1, 40, 40)
    config = GcrConfig.tiny(temperature=0.01)
    found = match(
        DescriptorMap(first, ones),
        DescriptorMap(second, 2 * ones),
        torch.tensor([[[4.0, 3]]]),
        config,
    )
    torch.testing.assert_close(found.pixels_2, torch.tensor([[[37.0, 38.0]]]), atol=1e-3, rtol=0)
    assert found.confidence.item() == pytest.approx(math.log(2))
    assert found.sharpness.item() > 0


def test_cells_that_look_beside_their_middle_are_matched_where_they_look():
    generator = torch.Generator().manual_seed(0)
    values = normalize(torch.randn(1, 16, 10, 12, generator=generator), dim=1)
    ones = torch.ones(1, 10, 12)
    first = DescriptorMap(values, ones, stride=4, shift=1.5)
    second = DescriptorMap(values.roll((2, -4), (2, 3)), ones, stride=4, shift=1.5)
    # Cell (5, 6) describes pixel (4 x 6 + 3, 4 x 5 + 3); in view 2 it is cell (7, 2).
    found = match(first, second, torch.tensor([[[27.0, 23.0]]]), GcrConfig.tiny(temperature=0.01))
    torch.testing.assert_close(found.pixels_2, torch.tensor([[[11.0, 31.0]]]), atol=0.1, rtol=0)
    assert found.similarity.item() == pytest.approx(1, abs=1e-3)


def test_given_observations_are_kept(surface):
    scene = surface(batch=1)
    truth = truth_of(scene)
    found = match(
        scene.view_1.descriptors,
        scene.view_2.descriptors,
        truth.pixels_1,
        CONFIG,
        observed_2=truth.pixels_2,
    )
    assert torch.equal(found.pixels_2, truth.pixels_2)


def orthogonal(count, same):
    """Views of ``count`` pixels with descriptors at right angles, the same ones or shuffled."""
    rows = torch.eye(count)
    other = rows if same else rows.roll(1, 0)
    pixels = torch.stack([torch.arange(float(count)) * 10, torch.zeros(count)], dim=-1)[None]
    maps = []
    for descriptors in (rows, other):
        view = torch.zeros(1, count, 1, 10 * count)
        view[:, :, 0, ::10] = descriptors.T
        maps.append(DescriptorMap(view, torch.ones(1, 1, 10 * count)))
    used = torch.ones(1, count, dtype=torch.bool)
    return *maps, Correspondences(pixels, pixels, pixels, used, torch.ones(1))


def test_infonce_of_hand_computed_descriptors():
    config = GcrConfig.tiny(infonce_temperature=0.5)
    same = infonce(*orthogonal(4, same=True), config).item()
    assert same == pytest.approx(math.log(math.exp(2) + 3) - 2, rel=1e-4)
    shuffled = infonce(*orthogonal(4, same=False), config).item()
    assert shuffled == pytest.approx(math.log(math.exp(2) + 3), rel=1e-4)


def test_infonce_ignores_padding_neighbours_and_other_pairs():
    first, second, truth = orthogonal(6, same=True)
    used = torch.tensor([[True, True, True, True, False, False]])
    padded = Correspondences(truth.pixels_1, truth.pixels_1, truth.pixels_2, used, torch.ones(1))
    config = GcrConfig.tiny(infonce_temperature=0.5)
    expected = math.log(math.exp(2) + 3) - 2
    assert infonce(first, second, padded, config).item() == pytest.approx(expected, rel=1e-4)
    everyone_near = GcrConfig.tiny(infonce_exclusion=1e3)
    assert infonce(first, second, truth, everyone_near).item() == pytest.approx(0, abs=1e-5)
    nothing = Correspondences(
        truth.pixels_1, truth.pixels_1, truth.pixels_2, torch.zeros_like(used), torch.ones(1)
    )
    assert infonce(first, second, nothing, config).item() == 0


def test_infonce_trains_descriptors_to_match(surface):
    scene = surface(batch=1, size=48)
    truth = truth_of(scene)
    torch.manual_seed(0)
    maps = [torch.randn(1, 24, 48, 48, requires_grad=True) for _ in range(2)]
    ones = torch.ones(1, 48, 48)
    optimiser = torch.optim.Adam(maps, lr=0.1)
    losses = []
    for _ in range(25):
        views = [DescriptorMap(normalize(values, dim=1), ones) for values in maps]
        loss = infonce(*views, truth, CONFIG).mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        assert all(values.grad.isfinite().all() for values in maps)
        optimiser.step()
    assert losses[-1] < 0.2 * losses[0]


def test_confidence_learns_the_inverse_of_the_loss_and_descriptors_ignore_it():
    first, second, truth = orthogonal(4, same=True)
    config = GcrConfig.tiny(infonce_temperature=0.5)
    expected = math.log(math.exp(2) + 3) - 2
    slopes = []
    for confidence in (1.0, 1 / expected):
        descriptors = first.descriptors.clone().requires_grad_()
        sure = torch.full_like(first.confidence, confidence).requires_grad_()
        loss = infonce(
            DescriptorMap(descriptors, sure),
            DescriptorMap(second.descriptors, sure.detach()),
            truth,
            config,
        )
        loss.sum().backward()
        slopes.append(descriptors.grad)
    torch.testing.assert_close(slopes[0], slopes[1])
    assert sure.grad.abs().max() < 1e-4
