# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from helpers.rendered_views import SMALL, T_0_1, rendered, round_trip

from geloc3r_training.data.colours import jitter
from geloc3r_training.data.crops import benchmark_size, crop, is_portrait
from geloc3r_training.data.datasets.base import View
from geloc3r_training.data.sample import DataError


def view(width, height, cx, cy, depth=None):
    K = np.array([[100.0, 0, cx], [0, 100, cy], [0, 0, 1]])
    return View(np.zeros((height, width, 3), np.uint8), depth, K, np.eye(4))


def test_sizes_of_the_benchmarks():
    assert benchmark_size(640, 480) == (384, 512)
    assert benchmark_size(480, 640) == (512, 384)
    assert benchmark_size(500, 500) == (384, 512)
    assert not is_portrait(100, 110)
    assert is_portrait(100, 111)


@pytest.mark.parametrize("zoom", [1.0, 1.25])
def test_the_principal_point_ends_in_the_middle(zoom):
    cut = crop(view(640, 480, 299.5, 239.5), (192, 256), zoom)
    # 300 pixels to the left edge, 240 to the upper: 600 x 450 of 4:3 fit, or less by the zoom.
    assert cut.image.shape == (192, 256, 3)
    assert cut.K[:2, 2] == pytest.approx([127.5, 95.5], abs=0.3)
    assert np.diag(cut.K)[:2] == pytest.approx(100 * 256 / 600 * zoom, rel=3e-3)


def test_a_pixel_keeps_its_ray():
    marked = view(100, 80, 52.0, 37.0)
    marked.image[30:34, 60:64] = 255  # centre (61.5, 31.5)
    cut = crop(marked, (36, 48))
    light = cut.image[..., 0] / cut.image[..., 0].sum()
    u, v = (light.sum(axis=0) * np.arange(48)).sum(), (light.sum(axis=1) * np.arange(36)).sum()
    ray = np.linalg.inv(marked.K) @ [61.5, 31.5, 1]
    seen = np.linalg.inv(cut.K) @ [u, v, 1]
    assert seen[:2] == pytest.approx(ray[:2], abs=5e-4)


def test_depth_stays_on_its_pixels():
    views = rendered((320, 240), 260.0, 270.0, 150.0, 125.0)
    cut = [
        crop(View(views.images[i], views.depths[i], views.K, views.T_world_camera[i]), (96, 128))
        for i in range(2)
    ]
    assert np.array_equal(cut[0].K, cut[1].K)
    errors, covisible = round_trip(cut[0].depth, cut[1].depth, cut[0].K, T_0_1)
    assert covisible > 0.4
    assert np.percentile(errors, 90) < 0.5
    assert set(np.unique(cut[0].depth)) <= set(np.unique(views.depths[0]))


def test_a_principal_point_outside():
    with pytest.raises(DataError, match="is not inside 96x72 pixels"):
        crop(view(*SMALL, -20.0, 30.0), (36, 48))


def test_colours():
    images = np.random.default_rng(0).integers(60, 190, (2, 20, 30, 3)).astype(np.uint8)
    assert jitter(images, 0.0, np.random.default_rng(1)) is images
    changed = jitter(images, 1.0, np.random.default_rng(1))
    assert np.array_equal(changed, jitter(images, 1.0, np.random.default_rng(1)))
    assert np.abs(changed.astype(int) - images).mean() > 2
    weak = jitter(images, 0.1, np.random.default_rng(1))
    assert np.abs(weak.astype(int) - images).mean() < np.abs(changed.astype(int) - images).mean()
