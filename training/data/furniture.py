# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things that stand in rooms and streets, each put together from a few primitives.

Every function takes a builder whose frame stands on the ground at the thing's place (x to its
right, y to its back, z up), a palette and a random generator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geloc3r_training.data.scene import Material, SceneBuilder
from geloc3r_training.data.textures import TextureAtlas

__all__ = ["INDOOR", "OUTDOOR", "Palette", "clutter", "house", "picture", "tree"]

Random = np.random.Generator


@dataclass
class Palette:
    """Draws materials for one scene from an atlas."""

    rng: Random
    surfaces: npt.NDArray[np.int64]
    pictures: npt.NDArray[np.int64]
    plants: npt.NDArray[np.int64]
    landscapes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, atlas: TextureAtlas, rng: Random) -> Palette:
        """A palette over the whole atlas."""
        return cls(
            rng,
            atlas.named("^surface/|^any/", without="foliage|nature"),
            atlas.named("^picture/|^any/"),
            atlas.named("^surface/.*(foliage|nature)"),
            atlas.named("^picture/.*(landscape|background|wallpaper)"),
        )

    def surface(self, low: float = 0.6, high: float = 3.0, gloss: float = 0.1) -> Material:
        """A surface whose texture repeats every ``low`` to ``high`` metres."""
        rng = self.rng
        shade = rng.uniform(0.45, 1.3)
        tint = shade * (1 + rng.normal(0, 0.06, 3))
        size = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        shine = float(rng.random() ** 3 * 3 * gloss)
        return Material(int(rng.choice(self.surfaces)), size, tuple(tint), shine)

    def picture(self) -> Material:
        """A picture, stretched over each face."""
        return Material(int(self.rng.choice(self.pictures)), 0.0, (1.0, 1.0, 1.0), 0.05)

    def plant(self, size: float = 0.8) -> Material:
        """Leaves or grass."""
        tint = self.rng.uniform(0.5, 1.3) * (1 + self.rng.normal(0, 0.1, 3))
        return Material(int(self.rng.choice(self.plants)), size, tuple(tint))


def _legs(
    b: SceneBuilder, width: float, depth: float, height: float, thick: float, material: Material
) -> None:
    x, y = width / 2 - thick, depth / 2 - thick
    for sx, sy in ((x, y), (x, -y), (-x, y), (-x, -y)):
        b.box((sx, sy, height / 2), (thick, thick, height), material)


def table(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A table with things on it."""
    width, depth, height = rng.uniform(0.6, 1.8), rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.8)
    material = p.surface(0.5, 1.5)
    b.box((0, 0, height), (width, depth, 0.04), material)
    _legs(b, width, depth, height, rng.uniform(0.03, 0.08), material)
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.35, 0.35) * depth
        trinket(b.at(x, y, height + 0.02, rng.uniform(0, 6)), p, rng)


def trinket(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A book, a screen, a mug, a ball or a box, a hand's breadth large."""
    kind, size = rng.integers(5), rng.uniform(0.06, 0.3)
    if kind == 0:
        b.box((0, 0, 0.02), (size, size * 0.7, 0.04), p.picture())
    elif kind == 1:
        b.box((0, 0, size), (size * 2.4, 0.03, size * 1.5), p.picture())
        b.cylinder((0, 0, size * 0.2), 0.03, size * 0.4, p.surface())
    elif kind == 2:
        b.cylinder((0, 0, size / 2), size * rng.uniform(0.15, 0.5), size, p.surface(0.1, 0.5))
    elif kind == 3:
        b.ellipsoid((0, 0, size / 2), (size, size, size), p.surface(0.1, 0.5))
    else:
        b.box((0, 0, size / 2), (size, size * rng.uniform(0.4, 1), size), p.surface(0.1, 0.6))


def chair(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A chair with an upright back."""
    width, seat, frame = rng.uniform(0.4, 0.6), p.surface(0.3, 1.0), p.surface(0.3, 1.0)
    b.box((0, 0, 0.45), (width, width, 0.06), seat)
    _legs(b, width, width, 0.44, 0.04, frame)
    b.box((0, width / 2, 0.75), (width, 0.04, 0.5), seat)


def shelf(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """An open shelf full of books and boxes."""
    width, depth, height = rng.uniform(0.6, 1.6), rng.uniform(0.25, 0.45), rng.uniform(0.9, 2.3)
    boards, material = int(rng.integers(3, 6)), p.surface(0.5, 1.5)
    for x in (-width / 2, width / 2):
        b.box((x, 0, height / 2), (0.03, depth, height), material)
    b.box((0, depth / 2, height / 2), (width, 0.02, height), material)
    step = height / boards
    for i in range(boards + 1):
        b.box((0, 0, min(i * step + 0.015, height)), (width, depth, 0.03), material)
    for i in range(boards):
        x = -width / 2 + 0.05
        while (room := width / 2 - 0.05 - x) > 0.1 and rng.random() < 0.8:
            size, tall = min(rng.uniform(0.1, 0.6), room), step * rng.uniform(0.4, 0.85)
            goods = p.picture() if rng.random() < 0.6 else p.surface(0.1, 0.6)
            z = i * step + 0.03 + tall / 2
            b.box((x + size / 2, 0, z), (size, depth * rng.uniform(0.5, 0.9), tall), goods)
            x += size + rng.uniform(0.0, 0.1)


def sofa(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A sofa or a bed, with cushions."""
    width, depth, cloth = rng.uniform(0.9, 2.2), rng.uniform(0.8, 1.0), p.surface(0.3, 1.5, 0.0)
    b.box((0, 0, 0.22), (width, depth, 0.38), cloth)
    b.box((0, depth / 2, 0.5), (width, 0.2, 0.6), cloth)
    for side in (-1, 1):
        b.box((side * width / 2, 0, 0.35), (0.18, depth, 0.55), cloth)
    for _ in range(int(rng.integers(0, 4))):
        x = rng.uniform(-0.35, 0.35) * width
        b.box((x, 0.1, 0.55), (0.4, 0.15, 0.4), p.surface(0.2, 0.6, 0.0), 0.0, 0.0, -0.4)


def cupboard(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A cupboard, a fridge or a cabinet with doors and handles."""
    width, depth, height = rng.uniform(0.4, 1.6), rng.uniform(0.35, 0.7), rng.uniform(0.7, 2.1)
    b.box((0, 0, height / 2), (width, depth, height), p.surface(0.5, 2.0))
    doors, front = int(rng.integers(1, 4)), p.surface(0.5, 2.0, 0.3)
    for i in range(doors):
        x = ((i + 0.5) / doors - 0.5) * width
        place = (x, -depth / 2 - 0.01, height / 2)
        b.box(place, (width / doors - 0.03, 0.02, height - 0.06), front)
        grip = (x + 0.35 * width / doors, -depth / 2 - 0.03, height / 2)
        b.box(grip, (0.02, 0.03, 0.15), p.surface())


def floor_lamp(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A lamp on a thin pole."""
    height = rng.uniform(1.2, 1.9)
    b.cylinder((0, 0, 0.02), 0.15, 0.04, p.surface())
    b.cylinder((0, 0, height / 2), 0.015, height, p.surface())
    b.cylinder((0, 0, height), rng.uniform(0.12, 0.25), 0.3, p.surface(0.2, 1.0))


def potted_plant(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A pot with a bush of leaves."""
    pot, height = rng.uniform(0.12, 0.25), rng.uniform(0.5, 1.6)
    b.cylinder((0, 0, pot), pot, 2 * pot, p.surface(0.2, 0.8))
    b.cylinder((0, 0, height / 2), 0.02, height, p.surface(0.1, 0.4))
    leaf = p.plant(0.4)
    for _ in range(int(rng.integers(3, 9))):
        x, y, z = (*rng.uniform(-0.25, 0.25, 2), rng.uniform(0.5, 1.1) * height + pot)
        size = tuple(rng.uniform(0.08, 0.4, 3))
        b.ellipsoid((x, y, z), size, leaf, rng.uniform(0, 3))


def crates(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """Boxes heaped up."""
    z = 0.0
    for _ in range(int(rng.integers(1, 5))):
        size = tuple(rng.uniform(0.25, 0.8, 3))
        goods = p.picture() if rng.random() < 0.4 else p.surface(0.3, 1.0)
        x, y = rng.uniform(-0.1, 0.1, 2)
        b.box((x, y, z + size[2] / 2), size, goods, rng.uniform(0, 6))
        z += size[2]


def barrel(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A barrel, a bin or a column's stump."""
    radius, height = rng.uniform(0.15, 0.4), rng.uniform(0.4, 1.2)
    b.cylinder((0, 0, height / 2), radius, height, p.surface(0.3, 1.0, 0.2))
    b.cylinder((0, 0, height), radius * 1.05, 0.05, p.surface())


def clutter(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """Anything small that lies about."""
    size = tuple(rng.uniform(0.05, 0.5, 3))
    shape = rng.integers(3)
    tilt = rng.normal(0, 0.2)
    if shape == 0:
        b.box((0, 0, size[2] / 2), size, p.surface(0.2, 1.0), 0.0, tilt, 0.0)
    elif shape == 1:
        b.cylinder(
            (0, 0, size[0] / 3), size[0] / 3, size[2] + 0.2, p.surface(0.2, 1.0), 0, np.pi / 2
        )
    else:
        b.ellipsoid((0, 0, size[2] / 2.2), size, p.surface(0.2, 1.0))


def picture(b: SceneBuilder, p: Palette, rng: Random, height: float) -> None:
    """A framed picture, a window or a notice on the wall that faces -y."""
    width, tall = rng.uniform(0.3, 1.5), rng.uniform(0.3, 1.3)
    z = float(np.clip(rng.normal(1.5, 0.3), tall / 2 + 0.1, height - tall / 2 - 0.05))
    b.box((0, -0.01, z), (width + 0.08, 0.03, tall + 0.08), p.surface(0.3, 1.0))
    b.box((0, -0.02, z), (width, 0.03, tall), p.picture())


def tree(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A tree with a crown of several leafy balls, or a conifer."""
    height, crown = rng.uniform(2.5, 8.0), rng.uniform(0.8, 2.2)
    b.cylinder((0, 0, height / 2), rng.uniform(0.06, 0.25), height, p.surface(0.4, 1.0, 0.0))
    leaf = p.plant(rng.uniform(0.8, 2.0))
    for _ in range(int(rng.integers(4, 10))):
        x, y = rng.normal(0, 0.4 * crown, 2)
        z = height + rng.normal(0, 0.35 * crown)
        size = tuple(crown * rng.uniform(0.5, 1.2, 3))
        b.ellipsoid((x, y, z), size, leaf, rng.uniform(0, 3))


def car(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A parked car, seen as three boxes and four wheels."""
    paint, tyre = p.surface(2.0, 4.0, 0.8), p.surface(0.3, 0.6, 0.0)
    length, tall = rng.uniform(3.6, 4.8), rng.uniform(0.55, 0.9)
    b.box((0, 0, 0.3 + tall / 2), (1.75, length, tall), paint)
    cabin = (1.55, length * rng.uniform(0.4, 0.65), 0.55)
    b.box((0, 0.1 * length, 0.3 + tall + 0.25), cabin, p.picture())
    b.box((0, 0.1 * length, 0.3 + tall + 0.55), (cabin[0], cabin[1] * 0.9, 0.06), paint)
    for x in (-0.8, 0.8):
        for y in (-0.32 * length, 0.32 * length):
            b.cylinder((x, y, 0.32), 0.32, 0.22, tyre, 0.0, np.pi / 2)


def street_lamp(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A pole with a sign or a lamp."""
    height = rng.uniform(2.2, 6.0)
    b.cylinder((0, 0, height / 2), rng.uniform(0.03, 0.09), height, p.surface(0.3, 1.0))
    if rng.random() < 0.5:
        b.box((0, -0.1, height - 0.3), (rng.uniform(0.3, 0.9), 0.03, 0.6), p.picture())
    else:
        b.box((0, -0.6, height), (0.2, 1.4, 0.12), p.surface(0.3, 1.0))


def fence(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A picket fence or a railing of thin bars."""
    length, height, bar = rng.uniform(1.5, 4.0), rng.uniform(0.7, 1.4), p.surface(0.3, 1.0)
    for z in (0.2, height - 0.1):
        b.box((0, 0, z), (length, 0.04, 0.05), bar)
    for x in np.arange(-length / 2, length / 2, rng.uniform(0.12, 0.4)):
        b.box((float(x), 0, height / 2), (rng.uniform(0.02, 0.09), 0.03, height), bar)


def bench(b: SceneBuilder, p: Palette, rng: Random) -> None:
    """A bench of planks."""
    length, wood = rng.uniform(1.2, 2.2), p.surface(0.4, 1.2)
    for y in (-0.2, -0.05, 0.1):
        b.box((0, y, 0.45), (length, 0.11, 0.04), wood)
    b.box((0, 0.25, 0.75), (length, 0.04, 0.3), wood)
    _legs(b, length, 0.5, 0.45, 0.06, p.surface())


def house(b: SceneBuilder, p: Palette, rng: Random, width: float) -> None:
    """A house whose front faces -y at y = 0, with windows, sills, a door and a roof."""
    floors, storey, depth = int(rng.integers(1, 5)), rng.uniform(2.7, 3.6), rng.uniform(5, 10)
    height = floors * storey
    b.box((0, depth / 2, height / 2), (width, depth, height), p.surface(1.5, 6.0, 0.0))
    frame, sill, glass = p.surface(0.5, 2.0), p.surface(0.5, 2.0), p.picture()._replace(gloss=0.6)
    tall, wide = rng.uniform(1.1, 1.9), rng.uniform(0.8, 1.6)
    columns = max(int(width / (wide + rng.uniform(0.7, 1.8))), 1)
    door = int(rng.integers(columns))
    for floor in range(floors):
        for column in range(columns):
            x, z = ((column + 0.5) / columns - 0.5) * width, floor * storey + storey * 0.55
            if floor == 0 and column == door:
                b.box((x, -0.02, 1.1), (1.2, 0.1, 2.2), frame)
                b.box((x, -0.05, 1.05), (1.0, 0.1, 2.05), p.surface(1.0, 2.0))
                b.box((x, -0.3, 0.08), (1.6, 0.7, 0.16), sill)
                continue
            b.box((x, -0.01, z), (wide + 0.16, 0.08, tall + 0.16), frame)
            b.box((x, -0.02, z), (wide, 0.09, tall), glass._replace(texture=p.picture().texture))
            b.box((x, -0.08, z - tall / 2 - 0.08), (wide + 0.3, 0.24, 0.06), sill)
    roof = p.surface(1.0, 3.0, 0.0)
    b.box((0, depth / 2, height + 0.1), (width + 0.4, depth + 0.6, 0.25), sill)
    if rng.random() < 0.6:
        for side in (-1, 1):
            place = (0, depth / 2 + side * depth * 0.27, height + depth * 0.2)
            b.box(place, (width + 0.3, depth * 0.68, 0.15), roof, 0.0, 0.0, -side * 0.65)


INDOOR: tuple[Callable[[SceneBuilder, Palette, Random], None], ...] = (
    table,
    table,
    chair,
    chair,
    shelf,
    shelf,
    sofa,
    cupboard,
    cupboard,
    floor_lamp,
    potted_plant,
    crates,
    barrel,
    clutter,
    clutter,
)
OUTDOOR: tuple[Callable[[SceneBuilder, Palette, Random], None], ...] = (
    tree,
    tree,
    car,
    car,
    street_lamp,
    fence,
    bench,
    crates,
    barrel,
    clutter,
)
