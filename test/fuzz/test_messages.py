# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of any content: a picture, intrinsics, or a refusal."""

from types import SimpleNamespace

import cv2
import numpy as np
from helpers.damage import STAMPS, check_words, damaged, refused_in_words
from hypothesis import example, given
from hypothesis import strategies as st

from geloc3r_ros.inference.images import undistort
from geloc3r_ros.inference.intrinsics import Intrinsics
from geloc3r_ros.inference.messages import (
    BYTES_PER_PIXEL,
    decode_compressed,
    decode_image,
    image_fault,
    stamp_fault,
    stamp_nanoseconds,
)
from geloc3r_ros.inference.preprocess import frame_alike
from geloc3r_ros.model import ModelConfig

SIDES = st.one_of(st.integers(30, 70), st.integers(0, 2**32 - 1))
ENCODINGS = st.one_of(st.sampled_from(sorted(BYTES_PER_PIXEL)), st.text(max_size=3000))
NOISE = bytes(np.random.default_rng(0).integers(0, 256, 4 * 80 * 210, np.uint8))
PICTURE = np.frombuffer(NOISE, np.uint8)[: 40 * 56 * 3].reshape(40, 56, 3)


@given(ENCODINGS, SIDES, SIDES, st.integers(0, 9), st.integers(-2, 2), st.booleans(), st.data())
def test_an_image_has_a_fault_or_is_a_picture(
    encoding, width, height, padding, missing, big_endian, data
):
    """Sizes that nearly fit each other, for these come furthest."""
    step = width * BYTES_PER_PIXEL.get(encoding, 1) + padding
    rows = int(height * {"nv21": 1.5, "nv24": 3}.get(encoding, 1))
    length = step * rows + missing
    if length > len(NOISE):
        length = data.draw(st.integers(0, len(NOISE)))
        step = data.draw(st.sampled_from([step % 2**32, 0, 2**32 - 1]))
    message = SimpleNamespace(
        encoding=encoding,
        width=width,
        height=height,
        step=step,
        is_bigendian=big_endian,
        data=NOISE[: max(length, 0)],
    )
    if fault := image_fault(message):
        check_words(fault)
    else:
        rgb = decode_image(message)
        assert (rgb.dtype, rgb.shape) == (np.uint8, (height, width, 3))


def encoded(extension):
    done, data = cv2.imencode(extension, PICTURE)
    assert done
    return data.tobytes()


@given(damaged(*map(encoded, (".jpg", ".png", ".tiff"))), st.text(max_size=3000))
def test_a_compressed_image_is_refused_or_is_a_picture(content, kind):
    with refused_in_words():
        rgb = decode_compressed(SimpleNamespace(data=content, format=kind))
        assert rgb.dtype == np.uint8
        assert rgb.shape[2] == 3
        assert rgb.size <= 2**26


@given(STAMPS, st.integers(0, 2**63 - 1), st.one_of(st.just(0.0), st.floats(0, 86400)))
def test_a_stamp_that_passes_is_positive_and_not_of_the_future(stamp, now, max_future):
    sec, nanosec = stamp
    header = SimpleNamespace(sec=sec, nanosec=nanosec)
    if fault := stamp_fault(header, now, max_future):
        check_words(fault)
    else:
        assert 0 < stamp_nanoseconds(header) < 2**31 * 10**9
        if now and max_future:
            assert stamp_nanoseconds(header) - now <= max_future * 1e9 + 1e3


NUMBERS = st.one_of(st.floats(), st.floats(-100, 100), st.sampled_from([0.0, 1.0, 1e-300, 1e308]))
UNSIGNED = st.one_of(st.integers(0, 80), st.integers(0, 2**32 - 1))
MODELS = st.one_of(
    st.sampled_from(["plumb_bob", "rational_polynomial", "equidistant"]), st.text(max_size=3000)
)


def numbers(good):
    """A list in which some numbers of a good one are others."""
    return st.tuples(*(st.one_of(st.just(g), st.just(g), NUMBERS) for g in good)).map(list)


GOOD_K = [50.0, 0.0, 27.5, 0.0, 50.0, 19.5, 0.0, 0.0, 1.0]
GOOD_P = [50.0, 0.0, 27.5, -5.0, 0.0, 50.0, 19.5, 0.0, 0.0, 0.0, 1.0, 0.0]
CAMERA_INFOS = st.builds(
    SimpleNamespace,
    width=st.one_of(st.just(56), UNSIGNED),
    height=st.one_of(st.just(40), UNSIGNED),
    distortion_model=MODELS,
    d=st.lists(st.one_of(st.floats(-1, 1), NUMBERS), max_size=15),
    k=numbers(GOOD_K),
    p=numbers(GOOD_P),
    binning_x=st.one_of(st.integers(0, 2), UNSIGNED),
    binning_y=st.one_of(st.integers(0, 2), UNSIGNED),
    roi=st.builds(
        SimpleNamespace, x_offset=UNSIGNED, y_offset=UNSIGNED, width=UNSIGNED, height=UNSIGNED
    ),
)


def camera_info(**changes):
    """A good one, but for some fields."""
    nothing = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {"width": 56, "height": 40, "distortion_model": "plumb_bob", "d": [0.1, 0, 0, 0, 0]}
    fields |= {"k": GOOD_K, "p": GOOD_P, "binning_x": 0, "binning_y": 0, "roi": nothing}
    return SimpleNamespace(**{**fields, **changes})


@given(CAMERA_INFOS, st.booleans())
@example(camera_info(k=[50, 0, 27.5, 0, 1e306, 19.5, 0, 0, 1]), False)
@example(camera_info(k=[1e-320, 0, 27.5, 0, 50, 19.5, 0, 0, 1]), False)
@example(camera_info(p=[1e-300, 0, 27.5, -1e9, 0, 50, 19.5, 0, 0, 0, 1, 0]), False)
@example(camera_info(binning_x=2**32 - 1), True)
@example(camera_info(d=[1e9] * 5), False)
@example(camera_info(d=[-1e9] * 4, distortion_model="equidistant"), False)
def test_a_camera_info_is_refused_or_can_be_used(message, rectified):
    """With what it says, a picture is undistorted and framed, or refused; nothing else."""
    with refused_in_words():
        known = Intrinsics.from_message(message, rectified=rectified)
        assert np.isfinite(known.K).all()
        assert np.isfinite(known.baseline)
        with refused_in_words():
            known.check_size(56, 40)
            assert (known.width, known.height) == (56, 40)
        with refused_in_words():
            rgb = undistort(PICTURE, known.K, known.D, known.distortion_model)
            assert rgb.shape == PICTURE.shape
        with refused_in_words():
            for framing in frame_alike([(56, 40)] * 2, [known.K] * 2, ModelConfig.tiny()):
                assert framing.pixels(PICTURE).size
