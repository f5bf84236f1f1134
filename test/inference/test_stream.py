# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stream against the same frames as pairs."""

import cv2
import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError, ImageError
from geloc3r_ros.inference import PoseStream, RelativePoseEstimator
from geloc3r_ros.inference.preprocess import Framing

K = np.array([[300.0, 0, 150], [0, 300, 125], [0, 0, 1]])


@pytest.fixture(scope="module")
def estimator():
    return RelativePoseEstimator.load("tiny", device="cpu", precision="fp32")


def frame(seed, size=(320, 240)):
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    return cv2.resize(coarse, size)


@pytest.mark.parametrize("intrinsics", [None, K])
@pytest.mark.parametrize("step", [1, 2])
def test_a_stream_is_its_pairs(estimator, step, intrinsics):
    frames = [frame(seed) for seed in range(4)]
    stream = PoseStream(estimator, step)
    found = [stream.add(rgb, intrinsics) for rgb in frames]
    assert found[:step] == [None] * step
    for earlier, later, estimate in zip(frames, frames[step:], found[step:], strict=False):
        pair = estimator.estimate(earlier, later, intrinsics, intrinsics)
        assert np.allclose(estimate.T_1_2, pair.T_1_2, atol=1e-5)


def test_each_frame_is_prepared_and_encoded_once(estimator, monkeypatch):
    prepared, encoded = [], []
    pixels = Framing.pixels
    monkeypatch.setattr(Framing, "pixels", lambda *a: prepared.append(1) or pixels(*a))
    estimator.clear_cache()
    hook = estimator.backend.network.enc_norm.register_forward_hook(
        lambda module, inputs, output: encoded.append(len(output))
    )
    stream = PoseStream(estimator)
    for seed in range(10, 15):
        stream.add(frame(seed))
    hook.remove()
    assert len(prepared) == 5
    assert encoded == [2, 1, 1, 1]


@pytest.mark.parametrize("step", [3, 6])
def test_each_frame_is_encoded_once_whatever_the_step(step):
    estimator = RelativePoseEstimator.load(
        "tiny", device="cpu", precision="fp32", cache_size=2 * step
    )
    encoded = []
    estimator.backend.network.enc_norm.register_forward_hook(
        lambda module, inputs, output: encoded.append(len(output))
    )
    stream = PoseStream(estimator, step)
    for seed in range(10, 12 + 2 * step):
        stream.add(frame(seed))
    assert sum(encoded) == 2 + 2 * step


def test_another_camera_begins_anew(estimator):
    stream = PoseStream(estimator)
    assert stream.add(frame(1)) is None
    assert stream.add(frame(2)) is not None
    assert stream.add(frame(3), K) is None
    assert stream.add(frame(4), K + np.diag([1, 1, 0])) is None
    assert stream.add(frame(5, (240, 320)), K) is None


def test_a_bad_frame_does_not_end_the_stream(estimator):
    stream = PoseStream(estimator)
    stream.add(frame(1))
    with pytest.raises(ImageError):
        stream.add(frame(2).astype(float))
    expected = estimator.estimate(frame(1), frame(3)).T_1_2
    assert np.allclose(stream.add(frame(3)).T_1_2, expected, atol=1e-5)


def test_a_step_of_nothing_is_refused(estimator):
    for step in (0, 10**20):
        with pytest.raises(ConfigError, match=f"step is {step}"):
            PoseStream(estimator, step)
