# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of any content: what they hold is used, or refused in words."""

import functools
import json
from pathlib import Path

import cv2
import numpy as np
from helpers.damage import FEWER, altered, damaged, refused_in_words, scratch
from hypothesis import example, given
from hypothesis import strategies as st

from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bag_images import Streams, find_cameras
from geloc3r_ros.evaluation.bags import BagWriter
from geloc3r_ros.evaluation.pair_list import read_pairs
from geloc3r_ros.evaluation.predictions import (
    FILE_NAME,
    Prediction,
    PredictionFile,
    read_predictions,
)
from geloc3r_ros.evaluation.recovery import open_bag
from geloc3r_ros.evaluation.trajectories import read_tum
from geloc3r_ros.geometry import is_transform
from geloc3r_ros.inference.images import read_image
from geloc3r_training.config import TrainingConfig, load_config

SMOKE = Path(__file__).parents[2] / "config" / "training" / "tiny_smoke.yaml"
K = [[50.0, 0, 27.5], [0, 50.0, 19.5], [0, 0, 1.0]]
PAIR = {
    "images": ["a.jpg", "b.jpg"],
    "K": [K, K],
    "T_a_b": np.eye(4).tolist(),
    "overlap": 0.5,
    "name": "first",
}
PAIRS = {"name": "mine", "pairs": [PAIR]}


def json_bytes(value):
    return json.dumps(value).encode()


def pairs_with(**changes):
    return json_bytes({"pairs": [{**PAIR, **changes}]})


@given(st.one_of(altered(PAIRS).map(json_bytes), damaged(json_bytes(PAIRS))))
@example(b"[" * 5000)
@example(pairs_with(T_a_b=[[10**400] * 4] * 4))
@example(pairs_with(images=["a" * 5000, "b.jpg"]))
@example(pairs_with(images=["\ud800", "\0"]))
@example(pairs_with(name="\x1b]0;title\x07" * 1000, overlap=10**400))
def test_pairs(content):
    folder = scratch("pairs")
    (folder / "a.jpg").touch()
    (folder / "b.jpg").touch()
    (folder / "pairs.json").write_bytes(content)
    with refused_in_words():
        for pair in read_pairs(folder / "pairs.json").pairs:
            assert is_transform(pair.T_a_b, 1e-3)
            assert all(image.is_file() for image in pair.images)
            assert np.isnan(pair.overlap) or 0 <= pair.overlap <= 1


@functools.cache
def predictions():
    """The lines of a good file."""
    poses = {"T_a_b": np.eye(4), "T_a_b_true": np.eye(4), "covariance": np.eye(6)}
    with PredictionFile(scratch("good predictions"), {"method": "mine"}) as file:
        for k in range(3):
            file.add(Prediction(name=f"{k}", **poses))
    return file.path.read_bytes().splitlines(keepends=True)


def prediction_with(**changes):
    head, line, *_ = predictions()
    return head + json_bytes({**json.loads(line), **changes}) + b"\n"


def changed_predictions():
    values = [json.loads(line) for line in predictions()]
    as_lines = altered(values).filter(lambda x: isinstance(x, list))
    return as_lines.map(lambda lines: b"".join(json_bytes(line) + b"\n" for line in lines))


@given(
    st.one_of(
        st.deferred(changed_predictions), st.deferred(lambda: damaged(b"".join(predictions())))
    )
)
@example(prediction_with(T_a_b=[[1, 2], [3]]))
@example(prediction_with(T_a_b=[[1, 2], [3, 4]]))
@example(prediction_with(stamps=[10**30, 0]))
@example(prediction_with(stamps=[]))
@example(prediction_with(seconds=[]))
@example(predictions()[0] + b"{}\n")
@example(predictions()[0] + b"[" * 5000 + b"\n")
@example(predictions()[0] + b"\xff\n")
def test_predictions(content):
    folder = scratch("predictions")
    (folder / FILE_NAME).write_bytes(content)
    with refused_in_words():
        read = read_predictions(folder)
        assert read.T_a_b.shape == (len(read), 4, 4)
        assert read.stamps.dtype == np.int64
    with refused_in_words(), PredictionFile(folder, {"method": "mine"}) as file:
        assert all(isinstance(name, str) for name in file.done)


FIELDS = st.one_of(
    st.decimals().map(str),
    st.floats().map(str),
    st.text(max_size=8),
    st.sampled_from(["1e999999", "-1e99", "1e18", "0", "1", "sNaN", "#", "1" * 5000]),
)
TUM = b"# timestamp tx ty tz qx qy qz qw\n1.5 1 2 3 0 0 0 1\n2.5 1 2 3 0 0 0.5 1\n"


@given(
    st.one_of(
        st.lists(FIELDS, min_size=7, max_size=9).map(lambda fields: " ".join(fields).encode()),
        st.tuples(FIELDS, FIELDS).map(lambda x: f"{x[0]} {x[1]} 2 3 0 0 0 1".encode()),
        damaged(TUM),
    )
)
@example(b"1e999999 1 2 3 0 0 0 1")
@example(b"9223372037 1 2 3 0 0 0 1")
@example(b"1 Infinity 2 3 0 0 0 1")
@example(b"1 1 2 3 0 0 0 " + b"1" * 5000)
def test_a_trajectory(content):
    path = scratch("trajectory") / "poses.tum"
    path.write_bytes(content)
    with refused_in_words():
        for stamp, T in read_tum(path).items():
            assert abs(stamp) < 2**63
            assert is_transform(T)


SETTINGS = json.loads(json.dumps(load_config(SMOKE).as_dict()))
LAUGHS = b"a: &a [1, 1]\n" + b"".join(
    b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 113)
)
"""Nine times nine times nine ...: short as a file, endless when written out."""


@given(altered(SETTINGS))
@example({**SETTINGS, 1: 2, "a": 3})
@example({**SETTINGS, "stages": [{**SETTINGS["stages"][0], "learning_rate": 10**400}]})
def test_training_settings_of_other_values(values):
    with refused_in_words():
        TrainingConfig.from_dict(values)


@FEWER
@given(
    damaged(b"stages:\n- {objective: pose, steps: 3}\nseed: 1e-4\n"),
    st.one_of(st.text(max_size=20), st.sampled_from(["stages.0.steps=[", "seed.a=1"])),
)
@example(b"seed: 2001-99-99", "seed=1")
@example(b"[" * 1500, "seed=1")
@example(b"a: 1", "seed=" + "[" * 1500)
@example(b"seed: &a [*a]\n", "seed=2001-99-99")
@example(b"? [1]\n: 2\n", "=")
@example(LAUGHS, "seed=1")
def test_training_settings_of_any_text(content, override):
    path = scratch("settings") / "settings.yaml"
    path.write_bytes(content)
    with refused_in_words():
        load_config(path, [override])


@functools.cache
def encoded(extension):
    """A small picture as the bytes of a file."""
    picture = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    done, data = cv2.imencode(extension, picture)
    assert done
    return data.tobytes()


@given(st.sampled_from([".jpg", ".png", ".tiff", ".webp"]), st.data())
def test_an_image(extension, data):
    path = scratch("image") / f"image{extension}"
    path.write_bytes(data.draw(damaged(encoded(extension))))
    with refused_in_words():
        assert read_image(path).shape[2] == 3


@functools.cache
def bag(storage):
    """A bag of two images with intrinsics: its folder, and what its files hold."""
    path = scratch("bags") / storage
    picture = np.zeros((40, 56), np.uint8)
    with BagWriter(path, storage) as writer:
        writer.add_topic("/camera/image", "sensor_msgs/msg/Image")
        writer.add_topic("/camera/camera_info", "sensor_msgs/msg/CameraInfo")
        for stamp in (10**9, 2 * 10**9):
            info = messages.camera_info(stamp, "optical", (56, 40), np.array(K))
            writer.write("/camera/camera_info", stamp, info)
            image = messages.grey_image(stamp, "optical", picture)
            writer.write("/camera/image", stamp, image)
    return path, {file.name: file.read_bytes() for file in path.iterdir()}


@FEWER
@given(st.sampled_from(["mcap", "sqlite3"]), st.data())
def test_a_bag(storage, data):
    path, files = bag(storage)
    for name, content in files.items():
        (path / name).write_bytes(content)
    chosen = data.draw(st.sampled_from(sorted(files)))
    (path / chosen).write_bytes(data.draw(damaged(files[chosen])))
    with refused_in_words(), open_bag(path, scratch("recovered") / "whole.mcap")[0] as reader:
        streams = Streams(find_cameras(reader, []), slop=10**7)
        for (shot,) in streams.read(reader):
            with refused_in_words():
                rgb, _ = shot.decoded
                assert rgb.shape[2] == 3
        assert json.dumps(streams.figures())
