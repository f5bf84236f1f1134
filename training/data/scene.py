# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A scene as a list of boxes, cylinders and ellipsoids, and the builder that puts them together.

World frame as REP-103: x and y horizontal, z up, metres; the floor is z = 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geloc3r_training.data.raycast import BOX, CYLINDER, SPHERE

__all__ = ["Material", "Scene", "SceneBuilder"]

Array = npt.NDArray[np.float64]
Colour = tuple[float, float, float]


class Material(NamedTuple):
    """What a surface looks like."""

    texture: int  # index into the atlas
    metres: float = 1.0  # size of one copy of the texture; 0 stretches one copy over each face
    tint: Colour = (1.0, 1.0, 1.0)  # multiplies the linear colour of the texture
    gloss: float = 0.0  # strength of the highlight


class Light(NamedTuple):
    """A lamp at a place, or a sun in a direction."""

    place: Colour  # position in metres, or unit direction to the sun
    colour: Colour  # linear strength; a lamp's falls off with 1 / (1 + distance^2)
    lamp: bool


@dataclass(frozen=True)
class Scene:
    """Primitives, lights and air; P primitives."""

    kind: npt.NDArray[np.int32]  # (P,)
    T_world_local: Array  # (P, 4, 4) rigid
    half_size: Array  # (P, 3) metres
    texture: npt.NDArray[np.int32]  # (P,)
    tiling: Array  # (P, 3)
    offset: Array  # (P, 3)
    tint: Array  # (P, 3)
    gloss: Array  # (P,)
    lights: tuple[Light, ...]  # one or two
    sky: tuple[Colour, Colour]  # at the zenith, at the horizon
    ambient: tuple[Colour, Colour]  # from above, from below
    haze: float  # share of light that a metre of air swallows
    backdrop: int  # texture along the horizon, or -1
    standing: tuple[Colour, Colour]  # low and high corner of where cameras may stand, metres
    name: str = ""

    def clearance(self, points: Array) -> Array:
        """Distance in metres from points (N, 3) to the nearest surface, negative inside.

        Exact for boxes and cylinders, to first order for ellipsoids.
        """
        R = self.T_world_local[:, :3, :3]
        local = np.einsum("pji,npj->npi", R, points[:, None] - self.T_world_local[:, :3, 3])
        out = np.abs(local) - self.half_size
        barrel = self.kind == CYLINDER
        radial = np.linalg.norm(local[..., :2], axis=2) - self.half_size[:, 0]
        out[..., 0] = np.where(barrel, radial, out[..., 0])
        out[..., 1] = np.where(barrel, -np.inf, out[..., 1])
        distance = np.linalg.norm(np.maximum(out, 0), axis=2) + np.minimum(out.max(axis=2), 0)
        reach = np.linalg.norm(local / self.half_size, axis=2)
        slope = np.linalg.norm(local / self.half_size**2, axis=2)
        ellipsoid = reach * (reach - 1) / np.maximum(slope, 1e-9)
        distance = np.where(self.kind == SPHERE, ellipsoid, distance)
        return np.asarray(distance.min(axis=1))


@dataclass
class SceneBuilder:
    """Collects primitives in a frame that stands upright somewhere in the world."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    yaw: float = 0.0

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> SceneBuilder:
        """A builder that adds to the same scene, in a frame at this place of this one."""
        wx, wy = self._turned(x, y)
        return SceneBuilder(self.rows, wx, wy, self.z + z, self.yaw + yaw)

    def box(
        self,
        centre: Colour,
        size: Colour,
        material: Material,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
    ) -> None:
        """Add a box with full ``size``, turned by Rz(yaw) Ry(pitch) Rx(roll)."""
        self._add(BOX, centre, size, material, yaw, pitch, roll)

    def cylinder(
        self,
        centre: Colour,
        radius: float,
        length: float,
        material: Material,
        yaw: float = 0.0,
        pitch: float = 0.0,
    ) -> None:
        """Add a cylinder; it stands upright unless pitched."""
        self._add(CYLINDER, centre, (2 * radius, 2 * radius, length), material, yaw, pitch, 0.0)

    def ellipsoid(
        self, centre: Colour, size: Colour, material: Material, yaw: float = 0.0
    ) -> None:
        """Add an ellipsoid with the full axes ``size``."""
        self._add(SPHERE, centre, size, material, yaw, 0.0, 0.0)

    def build(
        self,
        rng: np.random.Generator,
        lights: tuple[Light, ...],
        sky: tuple[Colour, Colour],
        ambient: tuple[Colour, Colour],
        standing: tuple[Colour, Colour],
        haze: float = 0.0,
        backdrop: int = -1,
        name: str = "",
    ) -> Scene:
        """Freeze what was collected; ``rng`` shifts the textures."""
        rows = np.array(self.rows)
        half_size, stretched = rows[:, 4:7] / 2, rows[:, 11:12] <= 0
        return Scene(
            kind=rows[:, 0].astype(np.int32),
            T_world_local=_poses(rows[:, 1:4], *rows[:, 7:10].T),
            half_size=half_size,
            texture=rows[:, 10].astype(np.int32),
            tiling=np.where(stretched, 0.5 / half_size, 1 / np.maximum(rows[:, 11:12], 1e-3)),
            offset=np.where(stretched, 0.5, rng.random((len(rows), 3)) * 2),
            tint=rows[:, 12:15],
            gloss=rows[:, 15],
            lights=lights,
            sky=sky,
            ambient=ambient,
            haze=haze,
            backdrop=backdrop,
            standing=standing,
            name=name,
        )

    def _turned(self, x: float, y: float) -> tuple[float, float]:
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return self.x + c * x - s * y, self.y + s * x + c * y

    def _add(
        self,
        kind: int,
        centre: Colour,
        size: Colour,
        material: Material,
        yaw: float,
        pitch: float,
        roll: float,
    ) -> None:
        x, y = self._turned(centre[0], centre[1])
        place = (x, y, self.z + centre[2])
        turn = (self.yaw + yaw, pitch, roll)
        look = (material.texture, material.metres, *material.tint, material.gloss)
        self.rows.append((kind, *place, *size, *turn, *look))


def _poses(centre: Array, yaw: Array, pitch: Array, roll: Array) -> Array:
    """Poses (P, 4, 4) of Rz(yaw) Ry(pitch) Rx(roll) at ``centre`` (P, 3)."""
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    T = np.tile(np.eye(4), (len(yaw), 1, 1))
    T[:, 0, :3] = np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], axis=1)
    T[:, 1, :3] = np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], axis=1)
    T[:, 2, :3] = np.stack([-sp, cp * sr, cp * cr], axis=1)
    T[:, :3, 3] = centre
    return T
