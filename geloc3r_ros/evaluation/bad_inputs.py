# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images that a pose must not be taken from, made of good pairs: dark, blurred, of other places.

Each kind is a function of two good pairs of different places and a random generator, and gives
what the cameras of the first would see. Where a rotation is still to be told, its truth comes
along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.evaluation.pair_list import ImagePair
from geloc3r_ros.geometry import Array, rotation_about
from geloc3r_ros.inference.images import Image, read_image

__all__ = ["NO_DIRECTION", "NO_POSE", "BadInput", "Kind"]

NOISE = 2.5
"""Standard deviation of a sensor's noise, of 255."""
BLUR = 1 / 8
"""Standard deviation of a blur that leaves nothing, share of the longer side."""
TURN = np.radians(3.0)
"""Greatest angle that a camera turns by in place."""


class BadInput(NamedTuple):
    """Two images, their intrinsics (3, 3) or None, and the rotation (3, 3) that is still true."""

    images: tuple[Image, Image]
    K: tuple[Array, Array] | None
    R_a_b: Array | None = None


Kind = Callable[[ImagePair, ImagePair, np.random.Generator], BadInput]


def _images(pair: ImagePair) -> tuple[Image, Image]:
    a, b = (read_image(path) for path in pair.images)
    return a, b


def _seen(light: npt.ArrayLike, rng: np.random.Generator) -> Image:
    """What a sensor makes of this light (H, W, 3)."""
    noisy = np.asarray(light, float) + rng.normal(0, NOISE, np.shape(light))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _flat(level: float) -> Kind:
    def make(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
        a, b = (_seen(np.full(image.shape, level), rng) for image in _images(pair))
        return BadInput((a, b), pair.K)

    return make


def _covered(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    a, b = _images(pair)
    return BadInput((a, _seen(np.zeros(b.shape), rng)), pair.K)


def _wall(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    """One colour, lit from somewhere else in either view."""
    colour = rng.uniform(60, 200, 3)
    a, b = (_seen(colour + _light(image.shape[:2], rng), rng) for image in _images(pair))
    return BadInput((a, b), pair.K)


def _light(size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A slope of light (H, W, 1) over an image."""
    v, u = (np.linspace(-1, 1, side) for side in size)
    down, right = rng.uniform(-20, 20, 2)
    return np.asarray((down * v[:, None] + right * u)[..., None])


def _blurred(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    a, b = (
        _seen(cv2.GaussianBlur(image, (0, 0), BLUR * max(image.shape)), rng)
        for image in _images(pair)
    )
    return BadInput((a, b), pair.K)


def _noise(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    a, b = (rng.integers(0, 256, image.shape, np.uint8) for image in _images(pair))
    return BadInput((a, b), pair.K)


def _elsewhere(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    K = None if pair.K is None or other.K is None else (pair.K[0], other.K[1])
    return BadInput((_images(pair)[0], _images(other)[1]), K)


def _same(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    a, _ = _images(pair)
    K = None if pair.K is None else (pair.K[0], pair.K[0])
    return BadInput((a, a.copy()), K, np.eye(3))


def _resting(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    """One image seen twice, with the noise of the sensor and another exposure."""
    a, _ = _images(pair)
    K = None if pair.K is None else (pair.K[0], pair.K[0])
    return BadInput((a, _seen(a * rng.uniform(0.9, 1.1), rng)), K, np.eye(3))


def _turning(pair: ImagePair, other: ImagePair, rng: np.random.Generator) -> BadInput:
    """The camera turns in place; without intrinsics it rests."""
    if pair.K is None:
        return _resting(pair, other, rng)
    a, _ = _images(pair)
    K = pair.K[0]
    R_a_b = rotation_about(rng.normal(size=3), TURN * rng.uniform(0.1, 1))
    b = cv2.warpPerspective(
        a,
        K @ R_a_b.T @ np.linalg.inv(K),
        (a.shape[1], a.shape[0]),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return BadInput((a, _seen(b * rng.uniform(0.9, 1.1), rng)), (K, K), R_a_b)


NO_POSE: dict[str, Kind] = {
    "black images": _flat(0.0),
    "overexposed images": _flat(250.0),
    "one camera covered": _covered,
    "textureless wall": _wall,
    "heavy blur": _blurred,
    "noise": _noise,
    "two different places": _elsewhere,
}
"""Nothing may be taken from these."""

NO_DIRECTION: dict[str, Kind] = {
    "identical images": _same,
    "camera at rest": _resting,
    "camera that turns in place": _turning,
}
"""These have a rotation, and no translation."""
