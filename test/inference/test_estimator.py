# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The estimator against the bare network: what it adds must not change the numbers."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from geloc3r_ros.errors import ConfigError, DeviceError, ImageError
from geloc3r_ros.geometry import (
    inverse,
    is_transform,
    pose_errors,
    rotation_angle,
)
from geloc3r_ros.inference import RelativePoseEstimator, read_image
from geloc3r_ros.inference.preprocess import frame
from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, load_weights, save_weights


@pytest.fixture
def estimator():
    return RelativePoseEstimator.load("tiny", device="cpu", precision="fp32")


@pytest.fixture
def encoded(estimator):
    """The number of views of each batch that goes through the encoder."""
    return count_encoded(estimator)


STEREO = Path(__file__).parents[2] / "geloc3r_ros" / "demo" / "stereo"


def count_encoded(estimator):
    batches = []
    estimator.backend.network.enc_norm.register_forward_hook(
        lambda module, inputs, output: batches.append(len(output))
    )
    return batches


def scene(seed, size=(640, 480)):
    """Make an image with structure at all scales."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[: size[1], : size[0]] / 100.0
    waves = [np.sin(k * rng.uniform(-1, 1) * u + k * rng.uniform(-1, 1) * v) for k in range(2, 11)]
    return np.uint8(127.5 + 40 * np.stack([sum(waves[c::3]) for c in range(3)], -1))


def assert_same_pose(a, b, tolerance=2e-3):
    assert np.abs(a.T_1_2 - b.T_1_2).max() < tolerance
    assert np.abs(a.covariance - b.covariance).max() < 100 * tolerance


def test_the_estimate_is_what_both_sides_say_together(estimator):
    network, _ = load_weights("tiny")
    # Photographs of one place: on unrelated images rounding alone turns a pose visibly.
    left, right = (read_image(STEREO / f"{side}05.jpg") for side in ("left", "right"))
    rgbs = left, right[:, 100:460]
    images = [
        torch.from_numpy(frame(rgb.shape[1], rgb.shape[0], network.config).pixels(rgb))
        .permute(2, 0, 1)[None]
        .float()
        .div(255)
        .sub(0.5)
        .div(0.5)
        for rgb in rgbs
    ]
    with torch.inference_mode():
        T_2_1, T_1_2 = (T[0].double().numpy() for T in network(*images))
    found = estimator.estimate(*rgbs)
    assert np.allclose(pose_errors(T_1_2, inverse(T_2_1)), 0, atol=1e-4)
    assert np.allclose(pose_errors(found.T_1_2, T_1_2), 0, atol=1e-4)
    assert np.linalg.norm(found.T_1_2[:3, 3]) == pytest.approx(1)
    assert is_transform(found.T_1_2)
    # The cycle error is that of what each side found alone.
    assert 1e-4 < found.cycle_rotation_error < 0.1
    # Seen from the other side, the rotation is the inverse.
    back = estimator.estimate(*rgbs[::-1]).T_1_2
    assert rotation_angle(back[:3, :3] @ found.T_1_2[:3, :3]) == pytest.approx(0, abs=1e-4)


def test_a_set_is_its_pairs(estimator):
    left, right = (read_image(STEREO / f"{side}05.jpg") for side in ("left", "right"))
    images = [left, right, right[:, 100:460], right[60:]]
    together = estimator.estimate_set(images)
    assert len(together) == 3
    for image, found in zip(images[1:], together, strict=True):
        estimator.clear_cache()
        assert_same_pose(found, estimator.estimate(images[0], image))


def test_a_set_with_intrinsics_is_its_pairs(estimator):
    # Photographs of one place: on unrelated images rounding alone turns a pose visibly. The third
    # view has reach to spare, so it does not change the framing of the others.
    images = [read_image(STEREO / f"{name}.jpg") for name in ("left01", "right01", "left02")]
    offsets = [(5, 2), (-5, 0), (0, -2)]
    Ks = [[[525, 0, 319.5 + x], [0, 525, 239.5 + y], [0, 0, 1]] for x, y in offsets]
    pair, *_ = estimator.estimate_set(images, Ks)
    assert_same_pose(pair, estimator.estimate(images[0], images[1], Ks[0], Ks[1]))
    ignorant = estimator.estimate(images[0], images[1])
    assert np.abs(pair.T_1_2 - ignorant.T_1_2).max() > 1e-4


def test_every_image_of_a_set_is_encoded_once_in_one_batch(estimator, encoded):
    estimator.estimate_set([scene(1), scene(2), scene(3)])
    assert encoded == [3]


def test_images_of_other_shapes_are_other_batches(estimator, encoded):
    estimator.estimate_set([scene(1), scene(2, (480, 640)), scene(3)])
    assert sorted(encoded) == [1, 2]


def test_a_stream_encodes_each_image_once(estimator, encoded):
    frames = [scene(seed) for seed in range(4)]
    for earlier, later in pairwise(frames):
        estimator.estimate(earlier, later)
    assert encoded == [2, 1, 1]


def test_a_reference_stays_remembered(estimator, encoded):
    for seed in range(1, 10):  # more than the cache holds
        estimator.estimate(scene(0), scene(seed))
    assert encoded == [2] + [1] * 8


def test_a_remembered_view_gives_the_same_pose(estimator):
    first = estimator.estimate(scene(1), scene(2))
    assert_same_pose(first, estimator.estimate(scene(1).copy(), scene(2)), tolerance=1e-12)


def test_clear_cache_forgets(estimator, encoded):
    estimator.estimate(scene(1), scene(2))
    estimator.clear_cache()
    estimator.estimate(scene(1), scene(2))
    assert encoded == [2, 2]


def test_without_a_cache_everything_is_encoded():
    forgetful = RelativePoseEstimator.load("tiny", device="cpu", cache_size=0)
    encoded = count_encoded(forgetful)
    forgetful.estimate(scene(1), scene(2))
    forgetful.estimate(scene(1), scene(2))
    assert encoded == [2, 2]


def test_one_pixel_makes_another_view(estimator, encoded):
    changed = scene(2)
    changed[240:260, 320:340] += 100
    estimator.estimate_set([scene(1), scene(2), changed])
    assert encoded == [3]


def test_warm_up_leaves_nothing_behind(estimator, encoded):
    estimator.warm_up([(480, 640), (640, 480)])
    assert sum(encoded) == 2
    black = np.zeros((480, 640, 3), np.uint8)
    estimator.estimate(black, scene(1))
    assert sum(encoded) == 4


def test_identical_images_have_no_direction(estimator, encoded):
    found = estimator.estimate(scene(1), scene(1).copy())
    assert found.valid
    assert not found.translation_valid
    assert encoded == [1]


def test_a_network_that_fails_says_so(estimator):
    estimator.backend.network.pose_head.later.say.bias.fill_(torch.nan)
    found = estimator.estimate(scene(1), scene(2))
    assert not found.valid
    assert "not finite" in found.reason


def test_latency_adds_up(estimator):
    latency = estimator.estimate(scene(1), scene(2)).latency
    stages = latency.preprocess, latency.encode, latency.decode
    assert min(stages) > 0
    assert latency.total == pytest.approx(sum(stages))


def save_random(path, **known):
    config = ModelConfig.tiny()
    info = WeightsInfo(name="random", config=config, licence="Apache-2.0", **known)
    save_weights(path, GeLoc3r(config), info)
    return str(path)


def test_untrained_weights_are_declared_everywhere(tmp_path, caplog):
    weights = save_random(tmp_path / "random.safetensors", trained=False)
    estimator = RelativePoseEstimator.load(weights, device="cpu")
    found = estimator.estimate(scene(1), scene(2))
    assert (estimator.trained, found.trained) == (False, False)
    assert estimator.weights_id == "random"
    assert "random: the weights are untrained" in caplog.text
    assert np.diag(found.covariance)[3:] == pytest.approx(np.pi**2)


def test_the_calibration_of_the_weights_is_used(tmp_path):
    lines = {"rotation": {"bias": 0.2, "slope": 0}, "translation": {"bias": 0.3, "slope": 0}}
    weights = save_random(tmp_path / "random.safetensors", trained=True, calibration=lines)
    found = RelativePoseEstimator.load(weights, device="cpu").estimate(scene(1), scene(2))
    assert np.diag(found.covariance)[3:] == pytest.approx(0.2**2)
    assert np.linalg.eigvalsh(found.covariance[:3, :3]) == pytest.approx([1e-6, 0.09, 0.09])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_close(estimator, precision):
    half = RelativePoseEstimator.load("tiny", device="cpu", precision=precision)
    assert half.precision == precision
    views = [read_image(STEREO / f"{side}01.jpg") for side in ("left", "right")]
    exact, rounded = (e.estimate(*views) for e in (estimator, half))
    rotation_error, direction_error = pose_errors(rounded.T_1_2, exact.T_1_2)
    assert 0 < np.degrees(rotation_error) < 0.5
    assert np.degrees(direction_error) < 3
    assert is_transform(rounded.T_1_2)


def test_auto_takes_what_there_is(tmp_path):
    small = dataclasses.replace(
        ModelConfig.large(), encoder_dim=64, encoder_depth=1, decoder_dim=48, decoder_depth=1
    )
    path = tmp_path / "small.safetensors"
    info = WeightsInfo(name="small", config=small, trained=False, licence="CC0-1.0")
    save_weights(path, GeLoc3r(small), info)
    estimator = RelativePoseEstimator.load(str(path))
    assert estimator.sets_at_once == 1
    assert estimator.device == ("cuda:0" if torch.cuda.is_available() else "cpu")
    flags = Path("/proc/cpuinfo").read_text()
    native = estimator.device != "cpu" or "avx512_bf16" in flags or "amx_bf16" in flags
    assert (estimator.precision != "fp32") == native


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ({"device": "cuda:99"}, DeviceError, "'cuda:99' does not exist.*take auto or cpu"),
        ({"device": "meta"}, DeviceError, "'meta' is not auto, cpu, cuda or cuda:N"),
        ({"device": "gpu"}, DeviceError, "'gpu' is not auto, cpu, cuda or cuda:N"),
        ({"precision": "int4"}, ConfigError, "'int4' is not one of auto, fp32, bf16, fp16"),
        ({"backend": "tflite"}, ConfigError, "'tflite' is not one of torch, onnx"),
        ({"resampling": "nearest"}, ConfigError, "'nearest' is not one of area, lanczos"),
    ],
)
def test_what_does_not_exist_is_named(setting, error, message):
    with pytest.raises(error, match=message):
        RelativePoseEstimator.load("tiny", **setting)


def test_bad_images_are_named(estimator):
    with pytest.raises(ImageError, match="image 2 is of type float64"):
        estimator.estimate(scene(1), scene(2).astype(float))
    with pytest.raises(ConfigError, match="1 images given"):
        estimator.estimate_set([scene(1)])
    with pytest.raises(ConfigError, match="1 intrinsics given for 2 images"):
        estimator.estimate(scene(1), scene(2), K1=np.eye(3))


def test_a_tight_crop_is_told(estimator):
    wide, narrow = ([[f, 0, 319.5], [0, f, 239.5], [0, 0, 1]] for f in (300.0, 1500.0))
    assert "only 20 %" in estimator.estimate(scene(1), scene(2), wide, narrow).reason


def test_running_out_of_memory_names_the_remedy(estimator):
    def exhaust(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    estimator.backend.network.enc_norm.register_forward_hook(exhaust)
    with pytest.raises(
        DeviceError, match=r"cpu ran out of memory in precision fp32.*precision fp16"
    ):
        estimator.estimate(scene(1), scene(2))


def test_the_network_is_told_the_focal_length_of_its_image(estimator):
    # 640 pixels become 256: a focal length of 500 becomes 200. Without K it is that of 60 degrees.
    K = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    known = estimator.prepare([scene(1), scene(2)], [K, K])
    unknown = estimator.prepare([scene(1), scene(2)])
    assert [view.focal for view in known] == pytest.approx([200, 200])
    assert unknown[0].focal == pytest.approx(128 / np.tan(np.radians(30)))
    assert unknown[0].digest != known[0].digest


def test_tiny_384_looks_at_larger_images(estimator):
    K = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    larger = RelativePoseEstimator.load("tiny-384", device="cpu", precision="fp32")
    (view,) = larger.prepare([scene(1)], [K])
    assert (view.pixels.shape, view.focal) == ((288, 384, 3), pytest.approx(300))
    pair = [read_image(STEREO / f"{side}01.jpg") for side in ("left", "right")]
    one, other = larger.estimate(*pair), estimator.estimate(*pair)
    rotation, direction = pose_errors(one.T_1_2, other.T_1_2)
    assert rotation < np.radians(2)
    assert direction < np.radians(8)


def test_tiny_computes_in_float32_in_two_threads():
    tiny = RelativePoseEstimator.load("tiny", device="cpu")
    assert tiny.precision == "fp32"
    assert tiny.sets_at_once == min(torch.get_num_threads(), 2)


def test_what_computes_in_one_thread_leaves_others_to_those_to_come():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    own = RelativePoseEstimator.load("tiny", device="cpu", cache_size=0)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: own.estimate(scene(1), scene(2)), range(6)))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_a_view_of_the_network_s_size_is_no_window_on_the_caller_s_image(estimator):
    image = np.ascontiguousarray(scene(1)[:192, :256])
    (view,) = estimator.prepare([image])
    before = view.pixels.copy()
    image[:] = 0
    assert np.array_equal(view.pixels, before)


def test_a_backend_for_slender_images_is_warmed_up(estimator, encoded, monkeypatch):
    monkeypatch.setattr(estimator.backend, "sizes", ((256, 16),))
    estimator.warm_up()
    assert sum(encoded) == 2


def test_threads_may_share_an_estimator(estimator):
    images = [scene(seed) for seed in range(1, 5)]
    pairs = list(pairwise(images))
    expected = [estimator.estimate(*pair) for pair in pairs]
    estimator.clear_cache()
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda pair: estimator.estimate(*pair), pairs * 2))
    for one, other in zip(found, expected * 2, strict=True):
        assert_same_pose(one, other, tolerance=1e-6)
    assert torch.get_num_threads() == threads
