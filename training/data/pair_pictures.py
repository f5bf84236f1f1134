# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of pairs in which a wrong convention is seen at once.

A row shows view a with points, view b with the epipolar lines of these points and, where a has
depth, the points themselves, and view a carried into b through b's depth. Points must lie on the
same things in both, and the third picture must look like the second, with holes.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import Array, inverse, skew
from geloc3r_training.data.sample import Sample

__all__ = ["carried", "contact_sheet", "pair_picture"]

Image = npt.NDArray[np.uint8]

COLOURS = (
    (230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180), (70, 240, 240),
    (240, 50, 230), (210, 245, 60),
)  # fmt: skip
GAP = 4  # pixels between pictures
RIM = 8  # pixels along the edges without points


def contact_sheet(samples: Sequence[Sample]) -> Image:
    """Pictures of samples of two views, one below the other; all must have one size."""
    third = any(sample.depths is not None for sample in samples)
    rows = [np.pad(pair_picture(sample, third), ((0, GAP), (0, 0), (0, 0))) for sample in samples]
    return np.concatenate(rows)


def pair_picture(sample: Sample, third: bool = True) -> Image:
    """One row: see the module; ``third`` says whether there is a third picture."""
    a, b = sample.images[0].copy(), sample.images[1].copy()
    T_b_a = sample.T_a_b(1, 0)
    points, depths = _points(sample)
    for (u, v), z, colour in zip(points, depths, COLOURS, strict=False):
        cv2.circle(a, (int(u), int(v)), 5, colour, 2, cv2.LINE_AA)
        pixel = np.array([u, v, 1.0])
        _draw_line(b, epipolar_line(sample.K[0], sample.K[1], T_b_a, pixel), colour)
        if z > 0:
            there = T_b_a[:3, :3] @ (np.linalg.inv(sample.K[0]) @ pixel * z) + T_b_a[:3, 3]
            if there[2] > 0:
                place = _integers(*(sample.K[1] @ there / there[2])[:2])
                if not _hidden(sample, place, there[2]):
                    cv2.circle(b, place, 5, colour, 2, cv2.LINE_AA)
    parts = [a, b]
    if third:
        parts.append(carried(sample, 0, 1) if sample.depths is not None else np.zeros_like(b))
    return np.concatenate([np.pad(part, ((0, 0), (0, GAP), (0, 0))) for part in parts], axis=1)


def carried(sample: Sample, source: int, target: int) -> Image:
    """What view ``target`` would see with the colours of view ``source``; black where unknown.

    Every pixel of the target with depth is looked up in the source; what the source does not see,
    by 5 % of its own depth, is left black.
    """
    assert sample.depths is not None
    depth = sample.depths[target]
    height, width = depth.shape
    v, u = np.mgrid[:height, :width]
    rays = np.stack([u, v, np.ones_like(u)], -1).reshape(-1, 3) @ np.linalg.inv(sample.K[target]).T
    T = inverse(sample.T_world_camera[source]) @ sample.T_world_camera[target]
    points = rays * depth.reshape(-1, 1) @ T[:3, :3].T + T[:3, 3]
    z = points[:, 2]
    image = points @ sample.K[source].T / np.where(z > 1e-6, z, np.inf)[:, None]
    x, y = image[:, :2].T.astype(np.float32).reshape(2, height, width)
    found = cv2.remap(sample.images[source], x, y, cv2.INTER_LINEAR)
    there = cv2.remap(sample.depths[source], x, y, cv2.INTER_NEAREST)
    z = z.reshape(height, width)
    seen = (depth > 0) & (z > 1e-6) & (np.abs(there - z) < 0.05 * z)
    return np.where(seen[..., None], found, 0).astype(np.uint8)


def epipolar_line(K_a: Array, K_b: Array, T_b_a: Array, pixel: Array) -> Array:
    """Line (3,) in view b on which a pixel (3,), homogeneous, of view a lies."""
    essential = skew(T_b_a[:3, 3]) @ T_b_a[:3, :3]
    line = np.linalg.inv(K_b).T @ essential @ np.linalg.inv(K_a) @ pixel
    return np.asarray(line / max(float(np.linalg.norm(line[:2])), 1e-12))


def _points(sample: Sample) -> tuple[Array, Array]:
    """Pixels (8, 2) of view a, corners spread over it, and their depths (8,), 0 where unknown."""
    grey = cv2.cvtColor(sample.images[0], cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    strength = cv2.cornerMinEigenVal(grey, 5)
    inner = np.zeros(grey.shape, bool)
    inner[RIM:-RIM, RIM:-RIM] = True
    if sample.depths is not None:
        around = np.ones((7, 7))  # not at edges, where a pixel's depth may be of what is behind
        nearest, farthest = (how(sample.depths[0], around) for how in (cv2.erode, cv2.dilate))
        inner &= (nearest > 0) & (farthest < 1.1 * nearest)
    strength = np.where(inner, strength, -1)
    points = []
    for row in range(2):
        for column in range(4):
            top, left = row * height // 2, column * width // 4
            cell = strength[top : top + height // 2, left : left + width // 4]
            v, u = np.unravel_index(int(cell.argmax()), cell.shape)
            points.append((left + u, top + v))
    pixels = np.array(points, float)
    if sample.depths is None:
        return pixels, np.zeros(len(pixels))
    return pixels, sample.depths[0][pixels[:, 1].astype(int), pixels[:, 0].astype(int)].astype(
        float
    )


def _hidden(sample: Sample, pixel: tuple[int, int], z: float) -> bool:
    """Whether view b sees something nearer at a pixel than a point at depth z."""
    assert sample.depths is not None
    u, v = pixel
    height, width = sample.depths[1].shape
    inside = 0 <= u < width and 0 <= v < height
    return inside and 0 < float(sample.depths[1][v, u]) < 0.95 * z


def _draw_line(image: Image, line: Array, colour: tuple[int, int, int]) -> None:
    a, b, c = line
    if abs(a) + abs(b) < 0.5:  # the cameras stand in one place
        return
    foot, along = np.array([-a * c, -b * c]), np.array([-b, a])
    reach = 2 * max(image.shape) + float(np.linalg.norm(foot))
    begin, end = foot - reach * along, foot + reach * along
    cv2.line(image, _integers(*begin), _integers(*end), colour, 1, cv2.LINE_AA)


def _integers(u: float, v: float) -> tuple[int, int]:
    return round(float(np.clip(u, -1e5, 1e5))), round(float(np.clip(v, -1e5, 1e5)))
