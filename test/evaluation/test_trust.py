# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The weights that ship refuse what shows no pose, and the shares are those of what was judged."""

import math
from dataclasses import replace
from importlib import resources

import cv2
import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.evaluation.trust import (
    SWAPPED,
    Judged,
    examine,
    others,
    spread_out,
    summarise,
)
from geloc3r_ros.geometry import make_transform, rotation_angle
from geloc3r_ros.inference import RelativePoseEstimator
from geloc3r_ros.inference.messages import decode_compressed, decode_image

DECODERS = {
    "sensor_msgs/msg/Image": decode_image,
    "sensor_msgs/msg/CompressedImage": decode_compressed,
}
STEREO = resources.files("geloc3r_ros") / "demo" / "stereo"
K = np.array([[535.0, 0, 320], [0, 535, 240], [0, 0, 1]])


def pair(number):
    return ImagePair(
        name=f"{number}/0-1",
        images=(STEREO / f"left{number}.jpg", STEREO / f"right{number}.jpg"),
        K=(K, K),
        T_a_b=make_transform(np.eye(3), [1, 0, 0]),
        overlap=0.9,
    )


PAIRS = [pair("01"), pair("09")]


@pytest.fixture(scope="module")
def elsewhere(moving_bag, tmp_path_factory):
    """A pair of another place: the first set of the demo's moving scene."""
    folder, images = tmp_path_factory.mktemp("elsewhere"), []
    with BagReader(moving_bag) as bag:
        for message in bag.messages():
            if bag.topics[message.topic].type in DECODERS and len(images) < 2:
                rgb = DECODERS[bag.topics[message.topic].type](bag.deserialize(message))
                images.append(folder / f"{len(images)}.png")
                cv2.imwrite(str(images[-1]), rgb[..., ::-1])
    return replace(PAIRS[0], name="room/0-1", images=tuple(images))


@pytest.fixture(scope="module")
def judged(elsewhere):
    estimator = RelativePoseEstimator.load("tiny", device="cpu", precision="fp32")
    return list(examine(estimator, [PAIRS[0], elsewhere], bad=2))


def test_good_pairs_are_taken(judged):
    good = [j for j in judged if j.kind == ""]
    assert len(good) == 2
    assert all(j.directed and not j.refused for j in good)
    assert all(j.sigma_rotation < j.sigma_direction < math.pi for j in good)


@pytest.mark.parametrize("kind", [*NO_POSE, *NO_DIRECTION, SWAPPED])
def test_bad_inputs_are_refused(judged, kind):
    of_kind = [j for j in judged if j.kind == kind]
    assert len(of_kind) == 2
    assert all(j.refused for j in of_kind)
    if kind in NO_DIRECTION:
        assert all(j.rotation < 3 for j in of_kind)


def test_a_camera_that_turns_sees_what_its_rotation_says():
    made = NO_DIRECTION["camera that turns in place"](*PAIRS, np.random.default_rng(0))
    assert 0.1 * math.radians(3) < rotation_angle(made.R_a_b) <= math.radians(3)
    # Cubic interpolation of what a moves to b: the middle of a is where R says in b.
    x, y, z = K @ made.R_a_b.T @ np.linalg.inv(K) @ [320, 240, 1]
    u, v = round(x / z), round(y / z)
    a, b = (image.astype(float) for image in made.images)
    window = b[v - 20 : v + 21, u - 20 : u + 21].ravel()
    assert np.corrcoef(a[220:261, 300:341].ravel(), window)[0, 1] > 0.95


NAN = math.nan


def test_shares_are_counted_by_hand():
    judged = [
        Judged("", False, True, 1.0, 4.0, 0.1, 0.3),
        Judged("", False, True, 2.0, 1.0, 0.2, 0.5),
        Judged("", True, False, 0.5, NAN, 0.3, NAN),
        Judged("", True, False, NAN, NAN, NAN, NAN),
    ]
    found = summarise(judged)
    assert (found.pairs, found.refused, found.directed) == (4, 0.25, 0.5)
    assert found.wrong == pytest.approx(1 / 3)
    assert (found.sigma_rotation, found.sigma_direction) == pytest.approx((0.2, 0.4))


def test_the_other_place_is_another():
    places = [pair.name.split("/")[0] for pair in others([*PAIRS, PAIRS[0]], [])]
    assert places == ["09", "01", "09"]
    with pytest.raises(ConfigError, match="one place"):
        others(PAIRS[:1], PAIRS[:1])
    assert others(PAIRS[:1], PAIRS) == [PAIRS[1]]  # where the few that were taken are of one place


def test_pairs_are_taken_from_the_whole_list():
    assert spread_out(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread_out(list(range(3)), 5) == [0, 1, 2]


def test_pairs_of_one_place_are_refused_before_anything_is_asked():
    with pytest.raises(ConfigError, match="one place"):
        next(examine(None, PAIRS[:1], bad=2))
