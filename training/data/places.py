# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole places: rooms, corridors, halls, streets and yards, with their light and air."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from geloc3r_training.data.furniture import INDOOR, OUTDOOR, Palette, clutter, house, picture, tree
from geloc3r_training.data.scene import Light, Scene, SceneBuilder
from geloc3r_training.data.textures import TextureAtlas

__all__ = ["PLACES", "make_scene"]

Random = np.random.Generator
Colour = tuple[float, float, float]


def make_scene(seed: int, atlas: TextureAtlas, place: str | None = None) -> Scene:
    """Build the scene of a seed.

    Args:
        seed: one scene for each.
        atlas: the textures it may use; the same seed with another atlas is another scene.
        place: a name of ``PLACES``; drawn if not given.
    """
    rng = np.random.default_rng([seed, 1])
    if place is None:
        place = str(rng.choice(list(PLACES), p=[0.34, 0.1, 0.16, 0.24, 0.16]))
    builder, palette = SceneBuilder(), Palette.of(atlas, rng)
    return PLACES[place](builder, palette, rng, f"{place}-{seed}")


def room(b: SceneBuilder, p: Palette, rng: Random, name: str) -> Scene:
    """A furnished room, 3 to 8 m."""
    size = rng.uniform(3.0, 8.0), rng.uniform(3.0, 7.0), rng.uniform(2.3, 3.4)
    _shell(b, p, rng, *size)
    _furnish(b, p, rng, *size[:2], INDOOR, int(rng.integers(6, 16)))
    return _indoors(b, rng, size, name)


def corridor(b: SceneBuilder, p: Palette, rng: Random, name: str) -> Scene:
    """A long passage with doors, pipes and things along its walls."""
    size = rng.uniform(8.0, 25.0), rng.uniform(1.6, 3.0), rng.uniform(2.2, 3.2)
    _shell(b, p, rng, *size)
    door, frame = p.surface(1.0, 2.5, 0.2), p.surface(0.5, 1.5)
    for x in np.arange(-size[0] / 2 + 1, size[0] / 2 - 1, rng.uniform(1.8, 3.5)):
        side = rng.choice([-1, 1])
        wall = b.at(float(x), side * size[1] / 2, 0.0, 0.0 if side > 0 else np.pi)
        wall.box((0, -0.01, 1.05), (1.05, 0.05, 2.12), frame)
        wall.box((0, -0.02, 1.02), (0.9, 0.06, 2.04), door)
        wall.cylinder((0.35, -0.08, 1.0), 0.015, 0.12, frame, 0.0, np.pi / 2)
    for _ in range(int(rng.integers(0, 4))):
        y, z = rng.uniform(-0.48, 0.48) * size[1], size[2] - rng.uniform(0.08, 0.4)
        b.cylinder((0, y, z), rng.uniform(0.02, 0.1), size[0], p.surface(), 0.0, np.pi / 2)
    _furnish(b, p, rng, *size[:2], INDOOR, int(rng.integers(3, 9)))
    return _indoors(b, rng, size, name)


def hall(b: SceneBuilder, p: Palette, rng: Random, name: str) -> Scene:
    """A workshop or store: columns, beams and rows of goods."""
    size = rng.uniform(10.0, 24.0), rng.uniform(8.0, 18.0), rng.uniform(3.5, 7.0)
    _shell(b, p, rng, *size)
    column, spacing = p.surface(0.8, 2.0), rng.uniform(3.0, 5.0)
    round_columns = rng.random() < 0.4
    for x in np.arange(-size[0] / 2 + spacing / 2, size[0] / 2, spacing):
        b.box((float(x), 0, size[2] - 0.2), (0.25, size[1], 0.4), column)
        for y in (-size[1] / 4, size[1] / 4):
            if round_columns:
                b.cylinder((float(x), y, size[2] / 2), 0.2, size[2], column)
            else:
                b.box((float(x), y, size[2] / 2), (0.35, 0.35, size[2]), column)
    _furnish(b, p, rng, *size[:2], INDOOR, int(rng.integers(14, 26)))
    return _indoors(b, rng, size, name)


def street(b: SceneBuilder, p: Palette, rng: Random, name: str) -> Scene:
    """Houses on one or both sides of a road, with pavements, cars, trees and lamps."""
    length, width = rng.uniform(25, 60), rng.uniform(7.0, 16.0)
    b.box((0, 0, -0.25), (300, 300, 0.5), p.surface(1.5, 4.0, 0.0))
    kerb = p.surface(0.8, 2.0, 0.0)
    both = rng.random() < 0.7
    for side in (-1, 1):
        b.box((0, side * width * 0.42, 0.06), (length, width * 0.16, 0.12), kerb)
        x = -length / 2
        while x < length / 2 and (both or side > 0):
            front = rng.uniform(5, 13)
            y = side * width / 2
            house(b.at(x + front / 2, y, 0.0, 0.0 if side > 0 else np.pi), p, rng, front)
            x += front + rng.choice([0.0, 0.0, rng.uniform(1, 6)])
    _furnish(b, p, rng, length, width, OUTDOOR, int(rng.integers(6, 18)))
    return _outdoors(b, p, rng, (length, width), name)


def yard(b: SceneBuilder, p: Palette, rng: Random, name: str) -> Scene:
    """Open ground with trees, walls and things about."""
    size = rng.uniform(8, 30)
    b.box((0, 0, -0.25), (300, 300, 0.5), p.plant(2.0) if rng.random() < 0.5 else p.surface(1, 4))
    b.box((0, 0, 0.005), (size, rng.uniform(1, 4), 0.01), p.surface(1.0, 3.0))
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(-0.6, 0.6, 2) * size
        house(b.at(x, y, 0.0, rng.uniform(0, 6.3)), p, rng, rng.uniform(4, 10))
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.uniform(-1, 1, 2) * size
        tree(b.at(x, y), p, rng)
    _furnish(b, p, rng, size, size, OUTDOOR, int(rng.integers(8, 18)))
    return _outdoors(b, p, rng, (1.2 * size, 1.2 * size), name)


PLACES: dict[str, Callable[[SceneBuilder, Palette, Random, str], Scene]] = {
    "room": room,
    "corridor": corridor,
    "hall": hall,
    "street": street,
    "yard": yard,
}


def _shell(b: SceneBuilder, p: Palette, rng: Random, x: float, y: float, z: float) -> None:
    """Floor, ceiling and walls of a room centred on the origin, skirting, pictures, windows."""
    same = p.surface(1.0, 4.0)
    b.box((0, 0, -0.1), (x, y, 0.2), p.surface(0.8, 3.0, 0.3))
    b.box((0, 0, z + 0.1), (x, y, 0.2), p.surface(1.0, 4.0))
    skirting = p.surface(0.5, 2.0)
    for turn in range(4):
        yaw = turn * np.pi / 2
        far, wide = (y / 2, x) if turn % 2 == 0 else (x / 2, y)
        wall = b.at(-np.sin(yaw) * far, np.cos(yaw) * far, 0.0, yaw)
        paint = same if rng.random() < 0.6 else p.surface(1.0, 4.0)
        wall.box((0, 0.1, z / 2), (wide + 0.4, 0.2, z + 0.4), paint)
        if rng.random() < 0.6:
            wall.box((0, 0, 0.05), (wide, 0.03, 0.1), skirting)
        for place in np.arange(-wide / 2 + 1.0, wide / 2 - 0.8, rng.uniform(1.2, 3.0)):
            if rng.random() < 0.7:
                picture(wall.at(float(place), 0.0), p, rng, z)


def _furnish(
    b: SceneBuilder,
    p: Palette,
    rng: Random,
    x: float,
    y: float,
    things: Sequence[Callable[[SceneBuilder, Palette, Random], None]],
    count: int,
) -> None:
    """Stand things about on a floor, half of them along the edges with their back to it."""
    for _ in range(count):
        thing = things[int(rng.integers(len(things)))]
        if rng.random() < 0.5:
            turn = int(rng.integers(4))
            far, wide = (y / 2, x) if turn % 2 == 0 else (x / 2, y)
            along, yaw = rng.uniform(-0.45, 0.45) * wide, turn * np.pi / 2
            edge = b.at(-np.sin(yaw) * (far - 0.4), np.cos(yaw) * (far - 0.4), 0.0, yaw)
            thing(edge.at(along, 0.0), p, rng)
        else:
            place = rng.uniform(-0.42, 0.42) * x, rng.uniform(-0.42, 0.42) * y
            thing(b.at(*place, 0.0, rng.uniform(0, 6.3)), p, rng)
    for _ in range(int(rng.integers(2, 8))):
        place = rng.uniform(-0.45, 0.45) * x, rng.uniform(-0.45, 0.45) * y
        clutter(b.at(*place, 0.0, rng.uniform(0, 6.3)), p, rng)


def _tone(rng: Random, strength: float, warmth: float) -> Colour:
    """A near-white light: warm (> 0) or cool (< 0)."""
    shift = warmth * rng.uniform(0.3, 1)
    return strength * (1 + 0.3 * shift), strength, strength * (1 - 0.4 * shift)


def _indoors(b: SceneBuilder, rng: Random, size: tuple[float, float, float], name: str) -> Scene:
    """One or two lamps below the ceiling."""
    x, y, z = size
    reach = (min(x, 8) / 4) ** 2 + z
    lights = tuple(
        Light(
            (
                float(rng.uniform(-0.35, 0.35) * x),
                float(rng.uniform(-0.35, 0.35) * y),
                float(z * rng.uniform(0.75, 0.97)),
            ),
            _tone(rng, rng.uniform(0.5, 1.4) * reach, rng.uniform(-0.4, 1.0)),
            True,
        )
        for _ in range(int(rng.integers(1, 3)))
    )
    above = _tone(rng, rng.uniform(0.25, 0.7), rng.uniform(-0.5, 0.8))
    below = _tone(rng, above[1] * rng.uniform(0.4, 1.0), 0.6)
    standing = (-0.48 * x, -0.48 * y, 0.2), (0.48 * x, 0.48 * y, min(z - 0.3, 2.0))
    return b.build(rng, lights, (above, above), (above, below), standing, name=name)


def _outdoors(
    b: SceneBuilder, p: Palette, rng: Random, size: tuple[float, float], name: str
) -> Scene:
    """A sun, blue or grey sky, haze and something on the horizon."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.3)
    cloudy = rng.random() < 0.3
    sun = Light(
        (
            float(np.cos(azimuth) * np.cos(height)),
            float(np.sin(azimuth) * np.cos(height)),
            float(np.sin(height)),
        ),
        _tone(rng, 0.15 if cloudy else rng.uniform(0.8, 1.8), rng.uniform(0, 1)),
        False,
    )
    blue = _tone(rng, rng.uniform(0.4, 0.9), -0.1 if cloudy else -1.2)
    pale = _tone(rng, rng.uniform(0.8, 1.2), -0.2)
    above = _tone(rng, rng.uniform(0.5, 0.9) if cloudy else rng.uniform(0.25, 0.5), -0.5)
    below = _tone(rng, above[1] * rng.uniform(0.3, 0.7), 0.5)
    backdrop = int(rng.choice(p.landscapes)) if rng.random() < 0.6 else -1
    haze = float(rng.choice([0.0, rng.uniform(0.0, 0.015)]))
    x, y = size
    standing = (-0.48 * x, -0.48 * y, 0.3), (0.48 * x, 0.48 * y, float(rng.choice([1.8, 5.0])))
    return b.build(rng, (sun,), (blue, pale), (above, below), standing, haze, backdrop, name)
