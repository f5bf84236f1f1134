# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Backend onnx against backend torch, and what it refuses."""

import sys

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError, DeviceError, ImageError, WeightsError
from geloc3r_ros.inference import RelativePoseEstimator
from geloc3r_ros.inference.backends.providers import MAX_BATCH

K = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])


def scene(seed, shape=(480, 640)):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@pytest.fixture
def pair(small_weights, exported):
    """The same network in torch and in onnxruntime."""
    return (
        RelativePoseEstimator.load(str(small_weights), device="cpu", precision="fp32"),
        RelativePoseEstimator.load(str(exported), device="cpu", backend="onnx"),
    )


def assert_same(expected, found):
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b.T_1_2, a.T_1_2, atol=1e-4)
        np.testing.assert_allclose(b.covariance, a.covariance, atol=1e-4)
        assert b.cycle_rotation_error == pytest.approx(a.cycle_rotation_error, abs=1e-4)
        assert (b.valid, b.translation_valid, b.trained) == (True, True, True)


def test_it_says_what_it_is(pair):
    _, onnx = pair
    assert (onnx.device, onnx.precision, onnx.weights_id) == ("cpu", "fp32", "small")
    assert onnx.sets_at_once == 1
    assert onnx.backend.sizes == ((64, 48), (64, 32))


def test_poses_are_those_of_torch(pair):
    images = [scene(seed) for seed in range(3)]
    assert_same(*(estimator.estimate_set(images, [K] * 3) for estimator in pair))


def test_views_may_differ_in_size(pair):
    images = [scene(1), scene(2, (360, 640)), scene(3), scene(4, (360, 640))]
    assert_same(*(estimator.estimate_set(images) for estimator in pair))


def test_a_batch_may_be_longer_than_that_of_an_engine(pair):
    images = [scene(seed) for seed in range(MAX_BATCH + 3)]
    assert_same(*(estimator.estimate_set(images) for estimator in pair))


def test_a_view_is_encoded_once(pair):
    _, onnx = pair
    encoded, encode = [], onnx.backend.encode
    onnx.backend.encode = lambda images, focals: (
        encoded.append(len(images)) or encode(images, focals)
    )
    onnx.estimate(scene(1), scene(2))
    onnx.estimate(scene(2), scene(3))
    assert encoded == [2, 1]


def test_a_size_without_graph_is_named(pair):
    _, onnx = pair
    with pytest.raises(
        ImageError, match=r"images of 64x48, 64x32, and this camera's become 48x64.*--camera"
    ):
        onnx.estimate(scene(1, (640, 480)), scene(2))


def test_warming_up_needs_no_other_size(pair):
    _, onnx = pair
    onnx.warm_up([(640, 480)] * 2)


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"precision": "bf16"}, ConfigError, "'bf16' is not one of auto, fp32: exports"),
        ({"device": "gpu"}, DeviceError, "'gpu' is not auto, cpu, cuda, cuda:N, tensorrt"),
        ({"device": "cpu:1"}, DeviceError, "'cpu:1' is not auto"),
        ({"weights": "tiny"}, WeightsError, "tiny is no exported network"),
        ({"backend": "torch"}, WeightsError, "take backend onnx, not torch"),
    ],
)
def test_what_cannot_be_is_named(exported, setting, error, message):
    with pytest.raises(error, match=message):
        RelativePoseEstimator.load(**({"weights": str(exported), "backend": "onnx"} | setting))


def test_without_onnxruntime_the_extra_is_named(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"'onnxruntime'.*the extra `onnx`"):
        RelativePoseEstimator.load(str(exported), backend="onnx")
