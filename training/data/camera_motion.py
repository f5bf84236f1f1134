# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where cameras stand and how they move: what a robot sees, never from inside a wall."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geloc3r_ros import geometry
from geloc3r_training.data.raycast import Buffers
from geloc3r_training.data.scene import Scene
from geloc3r_training.data.visibility import glance, overlap

__all__ = ["MOTIONS", "MotionLimits", "draw_cameras"]

Array = npt.NDArray[np.float64]
Random = np.random.Generator

# Looking along +x of the world with z up.
R_WORLD_FORWARD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
VIEWPOINT_TRIES, MOTION_TRIES = 60, 12


@dataclass(frozen=True, kw_only=True)
class MotionLimits:
    """What pairs of views may look like."""

    rotation: float = np.radians(60.0)  # largest angle between two views, radians
    overlap: float = 0.2  # least share of either view that the other sees
    baseline: tuple[float, float] = (0.02, 0.8)  # translation / median depth, but see MOTIONS
    clearance: float = 0.2  # least distance from a camera to any surface, metres
    nearest: float = 0.3  # least depth seen, metres
    things: int = 5  # least number of primitives seen
    largest: float = 0.75  # greatest share of the image that one primitive, or the sky, fills


def forward(rng: Random, reach: float) -> Array:
    """Driving ahead or back with small steering."""
    ahead = [*rng.normal(0, 0.1, 2), rng.choice([1, 1, 1, -1])]
    return geometry.make_transform(_turned(rng, rng.normal(0, 0.07)), _moved(ahead, reach))


def turn(rng: Random, reach: float) -> Array:
    """Turning about the vertical while moving along an arc."""
    yaw = rng.choice([-1, 1]) * rng.uniform(0.1, 1.05)
    ahead = _moved([np.sin(yaw / 2), rng.normal(0, 0.05), np.cos(yaw / 2)], reach)
    return geometry.make_transform(_turned(rng, yaw), ahead)


def stereo(rng: Random, reach: float) -> Array:
    """A camera to the left or right that looks the same way."""
    aside = _moved([rng.choice([-1, 1]), *rng.normal(0, 0.01, 2)], reach)
    return geometry.make_transform(_turned(rng, rng.normal(0, 0.01), 0.005), aside)


def orbit(rng: Random, reach: float) -> Array:
    """Moving around something while looking at it."""
    angle, away = rng.choice([-1, 1]) * rng.uniform(0.03, 1.0), rng.uniform(0.5, 1.3)
    distance = reach / max(2 * np.sin(abs(angle) / 2), 0.05) * away
    tilt = geometry.rotation_about([1, 0, 0], rng.normal(0, 0.15))
    R = tilt @ geometry.rotation_about([0, 1, 0], -angle)
    centre = np.array([0, 0, distance])
    return geometry.make_transform(R @ _turned(rng, 0.0), centre - R @ centre)


def wander(rng: Random, reach: float) -> Array:
    """Any direction, any axis."""
    axis = rng.normal(0, [0.7, 1.0, 0.5])
    R = geometry.rotation_about(axis / np.linalg.norm(axis), rng.uniform(0, 0.9))
    return geometry.make_transform(R, _moved(rng.normal(0, 1, 3), reach))


def spin(rng: Random, reach: float) -> Array:
    """Turning on the spot."""
    yaw = rng.choice([-1, 1]) * rng.uniform(0.05, 0.8)
    drift = _moved(rng.normal(0, 1, 3), reach * 0.01)
    return geometry.make_transform(_turned(rng, yaw), drift)


def still(rng: Random, reach: float) -> Array:
    """Standing, with vibration."""
    return geometry.make_transform(
        _turned(rng, rng.normal(0, 0.004), 0.003), _moved(rng.normal(0, 1, 3), reach * 0.01)
    )


# Each draws T_1_2 for a translation of about ``reach`` metres; with its share of all pairs.
MOTIONS: dict[str, tuple[float, Callable[[Random, float], Array]]] = {
    "forward": (0.20, forward),
    "turn": (0.16, turn),
    "stereo": (0.12, stereo),
    "orbit": (0.25, orbit),
    "wander": (0.17, wander),
    "spin": (0.05, spin),
    "still": (0.05, still),
}


def draw_cameras(
    scene: Scene,
    buffers: Buffers,
    tangent: Array,
    views: int,
    limits: MotionLimits,
    rng: Random,
) -> Array | None:
    """Stand ``views`` cameras in a scene, each moved from the first by one of ``MOTIONS``.

    Args:
        scene: the place.
        buffers: the same, packed alone.
        tangent: (2,) tangents of half the horizontal and vertical field of view.
        views: at least one.
        limits: what is acceptable.
        rng: source of all choices.

    Returns:
        ``T_world_camera`` (views, 4, 4), or None where no viewpoint was found.
    """
    names = list(MOTIONS)
    shares = [share for share, _ in MOTIONS.values()]
    wanted = [str(name) for name in rng.choice(names, views - 1, p=shares)]
    for _ in range(VIEWPOINT_TRIES):
        first = _viewpoint(scene, rng)
        depth = _acceptable(scene, buffers, first, tangent, limits)
        if depth is None:
            continue
        cameras = [first]
        for name in wanted:
            moved = _move(scene, buffers, first, depth, tangent, name, limits, rng)
            if moved is None:
                break
            cameras.append(moved)
        if len(cameras) == views:
            return np.stack(cameras)
    return None


def _moved(direction: npt.ArrayLike, reach: float) -> Array:
    direction = np.asarray(direction, float)
    return direction * (reach / np.linalg.norm(direction))


def _turned(rng: Random, yaw: float, wobble: float = 0.035) -> Array:
    """A turn about the vertical of the camera with some pitch and roll."""
    pitch, roll = rng.normal(0, wobble, 2)
    R = geometry.rotation_about([0, 1, 0], yaw) @ geometry.rotation_about([1, 0, 0], pitch)
    return np.asarray(R @ geometry.rotation_about([0, 0, 1], roll))


def _viewpoint(scene: Scene, rng: Random) -> Array:
    low, high = scene.standing
    R = geometry.rotation_about([0, 0, 1], rng.uniform(-np.pi, np.pi)) @ R_WORLD_FORWARD
    pitch = rng.normal(-0.1, 0.17)
    roll = rng.normal(0, 0.05 if rng.random() < 0.9 else 0.4)
    R = R @ geometry.rotation_about([1, 0, 0], pitch) @ geometry.rotation_about([0, 0, 1], roll)
    return geometry.make_transform(R, rng.uniform(low, high))


def _acceptable(
    scene: Scene, buffers: Buffers, T_world_camera: Array, tangent: Array, limits: MotionLimits
) -> float | None:
    """Median depth seen from a viewpoint; None if it is too near to things or sees too little."""
    if scene.clearance(T_world_camera[None, :3, 3])[0] < limits.clearance:
        return None
    found = glance(buffers, T_world_camera, tangent)
    depth = found[..., 0][found[..., 0] > 0]
    counts = np.unique(found[..., 1], return_counts=True)[1] / found[..., 1].size
    if len(depth) < 0.45 * found[..., 0].size or depth.min() < limits.nearest:
        return None
    if len(counts) < limits.things or counts.max() > limits.largest:
        return None
    return float(np.median(depth))


def _move(
    scene: Scene,
    buffers: Buffers,
    T_world_1: Array,
    depth: float,
    tangent: Array,
    name: str,
    limits: MotionLimits,
    rng: Random,
) -> Array | None:
    """A second camera by the motion ``name``, inside the limits."""
    low, high = np.log(limits.baseline)
    for _ in range(MOTION_TRIES):
        T_1_2 = MOTIONS[name][1](rng, depth * float(np.exp(rng.uniform(low, high))))
        T_world_2 = T_world_1 @ T_1_2
        if (
            geometry.rotation_angle(T_1_2[:3, :3]) <= limits.rotation
            and _acceptable(scene, buffers, T_world_2, tangent, limits) is not None
            and overlap(buffers, T_world_1, T_world_2, tangent) >= limits.overlap
            and overlap(buffers, T_world_2, T_world_1, tangent) >= limits.overlap
        ):
            return T_world_2
    return None
