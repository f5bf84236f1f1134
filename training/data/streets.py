# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streets and corridors whose walls are photographs, and cameras that drive along them.

What is near is seen at a slant, and grows by factors as a camera drives ahead.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from geloc3r_ros.geometry import Array, make_transform, rotation_about
from geloc3r_training.data.pictures import (
    Image,
    Map,
    Picture,
    Random,
    View,
    far_away,
    rays,
    view,
)

__all__ = ["Street"]

STRIPS, STRIP = 5, (384, 2048)
"""Rows of photographs that things are covered with, and height and width of one, pixels."""
LANE = 0.25
"""Half of the width in which nothing stands: there the cameras drive."""
OPEN = 0.6
"""Share of streets; others have a ceiling."""
EDGE = 4
"""Pixels at the edges of a strip that are not shown."""


class Street:
    """Boxes of photographs: the street, seen from inside, and what stands in it.

    x is to the right, y down, z along the street; about a unit is from its middle to a wall.

    Args:
        photographs: RGB, (H, W, 3), many.
        beyond: what is seen above, at no depth; the same.
        rng: source of its shape.
    """

    PHOTOGRAPHS = 16
    """That one is drawn of."""
    LEAST_SEEN = 0.45
    """Share of a view that must not be sky."""
    START = np.eye(4)
    """A camera that looks along it."""

    def __init__(self, photographs: Sequence[Image], beyond: Image, rng: Random) -> None:
        self.picture = Picture(np.vstack([_strip(photographs, rng) for _ in range(STRIPS)]))
        self.beyond = np.asarray(cv2.resize(beyond, (512, 256), interpolation=cv2.INTER_AREA))
        self.open = bool(rng.random() < OPEN)
        self.length = float(np.exp(rng.uniform(np.log(5), np.log(30))))
        self.heading = rng.normal(0, 0.12) if rng.random() < 0.7 else rng.uniform(-0.8, 0.8)
        left, right = rng.uniform(0.6, 2.2, 2)
        ground, top = rng.uniform(0.4, 1.2), rng.uniform(0.6, 3.0)
        street = [(-left, -top, -3.0), (right, ground, self.length)]
        self.boxes = np.array([street, *self._things(left, right, top, ground, rng)])  # (n, 2, 3)
        shape = len(self.boxes), 3
        self.strips = rng.integers(STRIPS, size=shape)  # by the axis that a side is across
        self.scales = STRIP[0] / np.exp(rng.uniform(np.log(0.7), np.log(3.0), shape))
        self.shifts = rng.uniform(0, STRIP[1], shape)

    @classmethod
    def drawn(cls, photographs: Sequence[Image], tangent: float, rng: Random) -> Street:
        """Draw one; cameras of any field of view may stand in it."""
        return cls(photographs[1:], photographs[0], rng)

    def _things(
        self, left: float, right: float, top: float, ground: float, rng: Random
    ) -> list[list[tuple[float, float, float]]]:
        """Draw what stands at the walls and before them: least and greatest corner of each."""
        things = []
        for _ in range(rng.integers(2, 10)):
            side = rng.choice([-1, 1])
            wall = left if side < 0 else right
            deep = min(np.exp(rng.uniform(np.log(0.05), np.log(0.8))), wall - LANE)
            # At the wall, or some way before it.
            outer = wall if rng.random() < 0.7 else rng.uniform(LANE + deep, wall)
            tall = (top + ground) * (1 if rng.random() < 0.3 else rng.uniform(0.15, 0.8))
            near = np.exp(rng.uniform(np.log(0.5), np.log(self.length)))
            far = near + np.exp(rng.uniform(np.log(0.1), np.log(2.0)))
            x = sorted((side * outer, side * (outer - deep)))
            things.append([(x[0], ground - tall, near), (x[1], ground, far)])
        return things

    def seen(self, T_world_camera: Array, K: Array, size: tuple[int, int]) -> View:
        """What a camera in the lane shows, height and width ``size``."""
        start = T_world_camera[:3, 3].astype(np.float32)
        turned = (rays(K, size) @ T_world_camera[:3, :3].T).astype(np.float32)
        turned = np.where(np.abs(turned) < 1e-6, np.float32(1e-6), turned)
        depth, box, axis = self._met(start, turned)
        known = np.isfinite(depth) & ~(self.open & (box == 0) & (axis == 1) & (turned[..., 1] < 0))
        places = start + np.where(known, depth, 1)[..., None] * turned
        u, v = self._texture(places, box, axis)
        colours = self.picture.colours(*self._in_strip(u, v, box, axis), _footprint(u, v))
        colours = np.where(known[..., None], colours, far_away(self.beyond, turned))
        return view(colours, depth, known, K, T_world_camera)

    def _met(self, start: Map, turned: Map) -> tuple[Map, Array, Array]:
        """Where rays meet a box first: depth, number of the box, axis across its side; (H, W)."""
        depth = np.full(turned.shape[:2], np.inf, np.float32)
        box, axis = np.zeros(depth.shape, int), np.zeros(depth.shape, int)
        for i, corners in enumerate(self.boxes):
            by_axis = np.sort((corners[:, None, None] - start) / turned, axis=0)  # (2, H, W, 3)
            enters, leaves = by_axis[0].max(-1), by_axis[1].min(-1)
            if i == 0:  # the street itself is seen from inside
                depth[:], axis[:] = leaves, by_axis[1].argmin(-1)
                continue
            meets = (enters < leaves) & (enters > 0) & (enters < depth)
            depth[meets], box[meets] = enters[meets], i
            axis[meets] = by_axis[0].argmax(-1)[meets]
        return depth, box, axis

    def _texture(self, places: Map, box: Array, axis: Array) -> tuple[Map, Map]:
        """Columns and rows (H, W) of the pattern of a side at its places (H, W, 3)."""
        x, y, z = np.moveaxis(places, -1, 0)
        across = np.where(axis == 0, z, x)
        along = np.where(axis == 1, z, y)
        scale = self.scales[box, axis]
        u, v = across * scale + self.shifts[box, axis], along * scale
        return u.astype(np.float32), v.astype(np.float32)

    def _in_strip(self, u: Map, v: Map, box: Array, axis: Array) -> tuple[Map, Map]:
        """The same in the picture: a pattern goes on mirrored."""
        top = self.strips[box, axis] * STRIP[0]
        u, v = _mirrored(u, STRIP[1]), top + _mirrored(v, STRIP[0])
        return u.astype(np.float32), v.astype(np.float32)

    def look(self, rng: Random, first: bool) -> Array:
        """Draw a camera in the lane."""
        farthest = min(4.0, 0.5 * self.length)
        place = [*rng.uniform(-0.12, 0.12, 2), 0.0 if first else rng.uniform(0.1, farthest)]
        yaw = self.heading + (0.0 if first else rng.normal(0, 0.15))
        R = rotation_about([0, 1, 0], yaw) @ rotation_about([1, 0, 0], rng.normal(0, 0.08))
        return make_transform(R @ rotation_about([0, 0, 1], rng.normal(0, 0.04)), place)


def _strip(photographs: Sequence[Image], rng: Random) -> Image:
    """Photographs side by side (height, width, 3)."""
    height, width = STRIP
    parts: list[Image] = []
    while sum(part.shape[1] for part in parts) < width:
        image = photographs[rng.integers(len(photographs))]
        size = round(image.shape[1] * height / image.shape[0]), height
        parts.append(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))
    return np.hstack(parts)[:, :width]


def _mirrored(x: Map, length: int) -> Map:
    """Places from ``EDGE`` on, to and fro within a length."""
    reach = length - 1 - 2 * EDGE
    return EDGE + reach - np.abs(x % (2 * reach) - reach)


def _footprint(u: Map, v: Map) -> Map:
    """How many pixels of a pattern a pixel of the view is wide, (H, W).

    The mean of the widest and the narrowest: what is seen at a slant is not blurred.
    """
    sides = []
    for axis in (0, 1):
        parts = []
        for x in (u, v):
            step = np.abs(np.diff(x, axis=axis))
            before = np.concatenate((step.take([0], axis), step), axis)
            after = np.concatenate((step, step.take([-1], axis)), axis)
            parts.append(np.minimum(before, after))  # an edge is no slope
        sides.append(np.hypot(*parts))
    return np.asarray(np.sqrt(sides[0] * sides[1]), np.float32)
