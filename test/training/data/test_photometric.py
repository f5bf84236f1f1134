# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch

from geloc3r_training.data.photometric import Effects, draw_effects, photograph

PLAIN = Effects(
    brightness=0.2,
    white=(1.0, 1.0, 1.0),
    contrast=1.0,
    saturation=1.0,
    vignetting=0.0,
    blur=(0.05, 0.05, 0.0),
    shot_noise=0.0,
    read_noise=0.0,
    quality=100.0,
    seed=0,
)


def light(views=1, h=32, w=48):
    return torch.rand(views, h, w, 3, generator=torch.Generator().manual_seed(1)) * 3


def displayed(linear):
    return linear ** (1 / 2.2)


def test_without_effects_it_is_exposure_and_gamma():
    radiance = light()
    image = photograph(radiance, [PLAIN])[0].numpy()
    linear = (radiance[0] * 0.2 / radiance.mean()).clamp(0, 1).numpy()
    assert np.abs(image - 255 * displayed(linear)).max() <= 0.51


def test_blur_smears_along_its_angle():
    radiance = torch.zeros(1, 33, 33, 3)
    radiance[0, 16, 16] = 1
    image = photograph(radiance, [PLAIN._replace(blur=(2.0, 0.3, 0.0), brightness=0.0005)])[0]
    assert image[16, 20, 0] > 20
    assert image[20, 16, 0] == 0


def test_vignetting_darkens_the_corners():
    image = photograph(torch.ones(1, 31, 31, 3), [PLAIN._replace(vignetting=0.5)])[0].numpy()
    assert image[15, 15, 0] == pytest.approx(255 * displayed(np.array(0.2)), abs=1)
    assert image[0, 0, 0] == pytest.approx(255 * displayed(np.array(0.1)), abs=1)


def test_noise_grows_with_light():
    radiance = torch.ones(1, 64, 64, 3)
    radiance[:, :, :32] = 0.1
    noisy = PLAIN._replace(shot_noise=1e-3, brightness=0.1)
    image = photograph(radiance, [noisy])[0].numpy() / 255
    linear = image**2.2
    assert linear[:, 32:].std() == pytest.approx(np.sqrt(1e-3 * 0.1 / 0.55), rel=0.1)
    assert linear[:, :32].std() < 0.5 * linear[:, 32:].std()


def test_views_do_not_depend_on_their_batch():
    radiance = light(3)
    effects = draw_effects(np.random.default_rng(0), 3)
    together = photograph(radiance, effects)
    for i in range(3):
        apart = photograph(radiance[i : i + 1], effects[i : i + 1])[0]
        assert (apart.int() - together[i].int()).abs().max() <= 1


def test_effects_of_one_sample_are_of_one_camera():
    a, b = draw_effects(np.random.default_rng(0), 2)
    assert (a.contrast, a.vignetting, a.quality) == (b.contrast, b.vignetting, b.quality)
    assert a.seed != b.seed
