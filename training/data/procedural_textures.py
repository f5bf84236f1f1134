# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Surfaces made of noise and masonry, for when no photographs are at hand.

Every generator takes a random generator and a side in pixels, and returns sRGB uint8
(side, side, 3).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["PICTURES", "SURFACES", "procedural_texture"]

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]
Random = np.random.Generator


def procedural_texture(kind: str, seed: int, side: int) -> Image:
    """Make the texture ``kind`` of ``SURFACES`` or ``PICTURES``."""
    # The hash of a str changes from process to process; its bytes do not.
    rng = np.random.default_rng([seed, *kind.encode()])
    return {**SURFACES, **PICTURES}[kind](rng, side)


def _noise(rng: Random, side: int, cells: float, octaves: int = 5, stretch: float = 1.0) -> Field:
    """Fractal noise (side, side) of mean 0 and deviation 1; ``cells`` features across."""
    field = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        n = cells * 2.0**octave
        coarse = rng.standard_normal((int(n * stretch) + 3, int(n) + 3)).astype(np.float32)
        if max(coarse.shape) > 2 * side:
            break
        large = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        field += large * 0.6**octave
    return (field - field.mean()) / (field.std() + 1e-6)


def _colour(rng: Random, saturation: float = 0.35) -> Field:
    """A linear base colour (3,) as paint, wood and stone have: mostly warm, seldom vivid."""
    hue = np.clip(rng.normal(17, 9), 0, 40) if rng.random() < 0.75 else rng.uniform(0, 179)
    level = np.clip(rng.beta(1.2, 2.5) * saturation * 2, 0, 0.95)
    hsv = np.array([[[hue, 255 * level, rng.uniform(60, 245)]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32)


def _paint(base: npt.NDArray, value: npt.NDArray) -> Image:
    """Colour (3,) or (H, W, 3) times 1 + ``value`` (H, W)."""
    return np.clip(base * (1 + value[..., None]), 0, 255).astype(np.uint8)


def _grain(rng: Random, side: int, strength: float) -> Field:
    return rng.normal(0, strength, (side, side)).astype(np.float32)


def plaster(rng: Random, side: int) -> Image:
    """Painted wall: faint stains, fine roughness, some scratches."""
    value = rng.uniform(0.02, 0.12) * _noise(rng, side, 3) + _grain(rng, side, 0.02)
    cracks = np.abs(_noise(rng, side, 4)) < rng.uniform(0, 0.02)
    return _paint(_colour(rng, 0.25), value - 0.25 * cracks)


def concrete(rng: Random, side: int) -> Image:
    """Concrete, asphalt, sand or gravel: grey, speckled at two scales."""
    value = rng.uniform(0.05, 0.2) * _noise(rng, side, 4, 7)
    pebbles = _noise(rng, side, rng.uniform(25, 70), 2)
    base = _colour(rng, 0.12) * rng.uniform(0.5, 1)
    return _paint(base, value + rng.uniform(0.05, 0.25) * pebbles + _grain(rng, side, 0.05))


def wood(rng: Random, side: int) -> Image:
    """Boards with grain along them, each of its own shade."""
    boards = int(rng.integers(2, 9))
    width = side // boards + 1
    index = np.minimum(np.arange(side) // width, boards - 1)
    shade = rng.normal(0, 0.12, boards)[index][:, None]
    rings = _noise(rng, side, 3, 4, stretch=14)
    grain = 0.12 * np.sin(rings * rng.uniform(2, 6)) + 0.05 * _noise(rng, side, 5, 4, stretch=25)
    gap = (np.arange(side) % width < max(side // 170, 1))[:, None]
    hue = np.array([rng.uniform(90, 210), rng.uniform(60, 140), rng.uniform(30, 90)], np.float32)
    image = _paint(hue, (shade + grain - 0.6 * gap).astype(np.float32))
    return np.ascontiguousarray(image.swapaxes(0, 1)) if rng.random() < 0.5 else image


def _courses(rng: Random, side: int, rows: int, columns: int, shift: float) -> tuple[Field, Field]:
    """Masonry: brightness of each brick and a mask (1 in the joint)."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    wobble = 0.002 * _noise(rng, side, 12, 2)
    row = np.floor((y + wobble) * rows)
    across = (x + wobble) * columns + shift * (row % 2)
    shades = rng.normal(0, 1, (rows + 2, columns + 3)).astype(np.float32)
    shade = shades[row.astype(int), np.floor(across).astype(int) + 1]
    joint = np.minimum(
        np.minimum((y + wobble) * rows % 1, 1 - (y + wobble) * rows % 1) / rows,
        np.minimum(across % 1, 1 - across % 1) / columns,
    )
    return shade, (joint < rng.uniform(0.002, 0.008)).astype(np.float32)


def bricks(rng: Random, side: int) -> Image:
    """A brick or block wall in running bond."""
    rows = int(rng.integers(4, 14))
    shade, joint = _courses(rng, side, rows, max(rows // int(rng.integers(2, 4)), 1), 0.5)
    rough = 0.12 * _noise(rng, side, 30, 3) + _grain(rng, side, 0.04)
    hue = np.array([rng.uniform(110, 190), rng.uniform(60, 130), rng.uniform(45, 110)], np.float32)
    mortar = np.float32(rng.uniform(110, 200))
    brick = hue * (1 + 0.16 * shade + rough)[..., None]
    mixed = brick + joint[..., None] * (mortar * (1 + rough)[..., None] - brick)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def tiles(rng: Random, side: int) -> Image:
    """Floor or bathroom tiles, plain or as a chequerboard."""
    count = int(rng.integers(2, 9))
    shade, joint = _courses(rng, side, count, count, 0.0)
    board = np.indices((side, side)) * count // side
    other = (board.sum(axis=0) % 2)[..., None] * float(rng.random() < 0.4)
    base, second = _colour(rng), _colour(rng)
    vein = 0.08 * _noise(rng, side, 6)
    return _paint(base + other * (second - base), 0.05 * shade + vein - 0.5 * joint)


def marble(rng: Random, side: int) -> Image:
    """Stone with veins."""
    warp = _noise(rng, side, 3)
    vein = np.exp(-np.abs(_noise(rng, side, 3) + 0.3 * warp) * rng.uniform(4, 12))
    return _paint(_colour(rng, 0.2), 0.08 * warp - rng.uniform(0.2, 0.6) * vein)


def fabric(rng: Random, side: int) -> Image:
    """Cloth or carpet: weave, often with stripes or checks."""
    t = np.arange(side, dtype=np.float32) / side
    threads = rng.uniform(40, 110)
    weave = 0.1 * np.sin(2 * np.pi * threads * t)[:, None] * np.sin(2 * np.pi * threads * t)
    image = np.tile(_colour(rng, 0.7), (side, side, 1))
    for stripes in (image, image.swapaxes(0, 1)):
        for _ in range(int(rng.integers(0, 4))):
            bands = np.sin(2 * np.pi * (rng.integers(1, 9) * t + rng.random())) > rng.uniform(0, 1)
            stripes[bands] = 0.5 * stripes[bands] + 0.5 * _colour(rng, 0.7)
    return _paint(image, weave + 0.08 * _noise(rng, side, 5) + _grain(rng, side, 0.05))


def foliage(rng: Random, side: int) -> Image:
    """Grass, hedge or leaves: layers of green blades."""
    green = np.array([rng.uniform(50, 110), rng.uniform(90, 150), rng.uniform(20, 70)], np.float32)
    image = _paint(green * 0.4, 0.4 * _noise(rng, side, 8))
    leaf = max(int(side * rng.uniform(0.008, 0.025)), 1)
    for layer in np.linspace(0.5, 1.2, 500 if leaf > 3 else 1500):
        x, y = (int(c) for c in rng.integers(0, side, 2))
        axes = leaf, max(int(leaf * rng.uniform(0.2, 0.6)), 1)
        colour = np.clip(green * layer * rng.normal(1, 0.15, 3), 0, 255).tolist()
        cv2.ellipse(image, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return image


def metal(rng: Random, side: int) -> Image:
    """Brushed or corrugated sheet with rust."""
    t = np.arange(side, dtype=np.float32) / side
    waves = np.sin(2 * np.pi * int(rng.integers(3, 24)) * t) * float(rng.choice([0.0, 0.2]))
    rust = _noise(rng, side, 4, 6)[..., None] > rng.uniform(0.8, 2.5)
    base = np.where(rust, np.array([120, 70, 40], np.float32), _colour(rng, 0.2))
    return _paint(base, waves + 0.06 * _noise(rng, side, 3, 5, stretch=30))


def poster(rng: Random, side: int) -> Image:
    """Print: shapes, a picture-like gradient and lines of text."""
    image = _paint(_colour(rng, 0.8), 0.25 * _noise(rng, side, 2, 3))
    for _ in range(int(rng.integers(2, 14))):
        x, y, a, b = (int(c) for c in rng.integers(0, side, 4))
        colour = _colour(rng, 1.0).tolist()
        if rng.random() < 0.5:
            cv2.rectangle(image, (x, y), (a, b), colour, int(rng.choice([-1, 2, 5])), cv2.LINE_AA)
        else:
            cv2.circle(image, (x, y), a // 4 + 1, colour, int(rng.choice([-1, 3])), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 9))):
        text = "".join(chr(c) for c in rng.integers(33, 123, 14))
        place = int(rng.integers(-40, side // 2)), int(rng.integers(side // 8, side))
        scale = float(rng.uniform(0.4, 2.0)) * side / 256
        cv2.putText(image, text, place, 2, scale, _colour(rng, 0.8).tolist(), 2, cv2.LINE_AA)
    return image


def books(rng: Random, side: int) -> Image:
    """A shelf of book spines."""
    image = np.full((side, side, 3), 25, np.uint8)
    x = 0
    while x < side:
        width = int(rng.integers(side // 40 + 2, side // 12 + 3))
        top = int(rng.uniform(0, 0.25) * side)
        colour = _colour(rng, 0.9)
        cv2.rectangle(image, (x, top), (x + width - 2, side), colour.tolist(), -1)
        for y in rng.integers(top, side, int(rng.integers(0, 6))):
            band = _colour(rng, 0.9).tolist()
            cv2.rectangle(image, (x, int(y)), (x + width - 2, int(y) + side // 40), band, -1)
        x += width
    return _paint(image.astype(np.float32), _grain(rng, side, 0.05))


def landscape(rng: Random, side: int) -> Image:
    """Sky with clouds over ridges, for pictures and for the horizon."""
    y = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    clouds = np.clip(_noise(rng, side, 3, 6, stretch=2) * 0.5 - 0.1, 0, 1)[..., None]
    sky = np.array([90, 140, 210], np.float32) + (y * [130, 90, 30])[:, None, :]
    image = sky + clouds * (245 - sky)
    for ridge, depth in enumerate(np.linspace(0.5, 0.8, 4)):
        line = depth + 0.06 * _noise(rng, side, 2 + 2 * ridge, 5)[0]
        colour = np.array([60, 80, 60], np.float32) * rng.uniform(0.6, 1.4) + 60 * (0.8 - depth)
        rough = 1 + 0.25 * _noise(rng, side, 20, 3)[..., None]
        image = np.where((y > line)[..., None], colour * rough, image)
    return np.clip(image, 0, 255).astype(np.uint8)


SURFACES: dict[str, Callable[[Random, int], Image]] = {
    "bricks": bricks,
    "concrete": concrete,
    "fabric": fabric,
    "foliage": foliage,
    "marble": marble,
    "metal": metal,
    "plaster": plaster,
    "tiles": tiles,
    "wood": wood,
}
PICTURES: dict[str, Callable[[Random, int], Image]] = {
    "books": books,
    "landscape": landscape,
    "poster": poster,
}
