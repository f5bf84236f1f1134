# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes and cameras to images and depth, on the CPU or on a CUDA device.

To see one scene from one place::

    renderer = Renderer(procedural_atlas())
    scene = make_scene(seed=7, atlas=renderer.atlas)
    seen = renderer.render([scene], [0], T_world_camera[None], K[None], (480, 640))
    image, depth = develop(seen.radiance[0]), seen.depth[0].numpy()

``T_world_camera`` is the pose of an optical frame (x right, y down, z forward) in the world of the
scene (z up), pixel (u, v) has its centre at the integers, and depth is z in metres, 0 at the sky.

On the CPU a call uses one core and releases the interpreter lock: run one renderer in each worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from geloc3r_training.data.bounding_tree import bounding_tree
from geloc3r_training.data.raycast import CYLINDER, SPHERE, Buffers, compiled
from geloc3r_training.data.scene import Scene
from geloc3r_training.data.shading import trace
from geloc3r_training.data.textures import TextureAtlas

__all__ = ["Renderer", "Rendering", "develop", "pack"]

# Where a pixel on an edge is looked at again, from its centre: with it, thirds along both axes.
SUBPIXELS = np.array([(-0.33, -0.27), (0.33, 0.27)], np.float32)


class Rendering(NamedTuple):
    """What V cameras see; float32, on the renderer's device."""

    radiance: torch.Tensor  # (V, H, W, 3) linear light
    depth: torch.Tensor  # (V, H, W) z in metres, 0 at the sky


class Renderer:
    """Ray-caster over the textures of one atlas.

    Args:
        atlas: the textures that the scenes' materials name.
        device: ``"cpu"`` or a CUDA device; the atlas is kept there.
    """

    def __init__(self, atlas: TextureAtlas, device: str | torch.device = "cpu") -> None:
        self.atlas = atlas
        self.device = torch.device(device)
        self._texels: npt.ArrayLike = atlas.texels
        if self.device.type == "cuda":
            self._texels = torch.from_numpy(atlas.texels).to(self.device)

    def render(
        self,
        scenes: Sequence[Scene],
        scene_of_view: npt.ArrayLike,
        T_world_camera: npt.NDArray[np.float64],
        K: npt.NDArray[np.float64],
        size: tuple[int, int],
    ) -> Rendering:
        """Render V views.

        Args:
            scenes: S scenes.
            scene_of_view: (V,) which scene each view is of.
            T_world_camera: (V, 4, 4) poses of the optical frames.
            K: (V, 3, 3) pixels, for the image at ``size``; without skew.
            size: height and width of every view.
        """
        packed = [pack(scene) for scene in scenes]
        return self.render_packed(packed, scene_of_view, T_world_camera, K, size)

    def render_packed(
        self,
        packed: Sequence[Buffers],
        scene_of_view: npt.ArrayLike,
        T_world_camera: npt.NDArray[np.float64],
        K: npt.NDArray[np.float64],
        size: tuple[int, int],
    ) -> Rendering:
        """Render V views of scenes that were packed before, by workers say.

        Args:
            packed: S scenes, each from :func:`pack`.
            scene_of_view: (V,) which scene each view is of.
            T_world_camera: (V, 4, 4) poses of the optical frames.
            K: (V, 3, 3) pixels, for the image at ``size``; without skew.
            size: height and width of every view.
        """
        shape = (len(K), *size)
        radiance = torch.empty((*shape, 3), device=self.device)
        depth = torch.empty(shape, device=self.device)
        buffers = join(packed, self.atlas)
        cameras = _cameras(T_world_camera, K)
        scene_of_view = np.asarray(scene_of_view, np.int32)
        if self.device.type == "cuda":
            from geloc3r_training.data.renderer_cuda import render_cuda

            buffers = buffers._replace(texels=self._texels)
            render_cuda(buffers, scene_of_view, cameras, radiance, depth)
        else:
            keys = np.empty(size, np.int32)
            for view, scene in enumerate(scene_of_view):
                colour, z = radiance[view].numpy(), depth[view].numpy()
                _render(buffers, scene, cameras[view], colour, z, keys)
        return Rendering(radiance, depth)


def develop(radiance: torch.Tensor, exposure: float | None = None) -> npt.NDArray[np.uint8]:
    """Turn linear light (..., 3) into sRGB uint8; without an exposure, with one that suits it."""
    light = radiance.cpu().numpy()
    if exposure is None:
        exposure = 0.6 / float(np.percentile(light, 90) + 1e-6)
    x = np.clip(light * exposure, 0, 1)
    x = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * x), np.uint8)


def pack(scene: Scene) -> Buffers:
    """Lay one scene out for the rays, with its bounding tree and still without textures."""
    bounds, skip, leaf = bounding_tree(*_corners(scene))
    return Buffers(
        first_node=np.array([0, len(skip)], np.int32),
        bounds=bounds,
        skip=skip,
        leaf=leaf,
        kind=scene.kind,
        local_world=_local_world(scene),
        half_size=scene.half_size.astype(np.float32),
        texture=scene.texture,
        tiling=scene.tiling.astype(np.float32),
        offset=scene.offset.astype(np.float32),
        tint=scene.tint.astype(np.float32),
        gloss=scene.gloss.astype(np.float32),
        lights=_lights(scene),
        air=np.array([(*sum(scene.sky + scene.ambient, ()), scene.haze)], np.float32),
        backdrop=np.array([scene.backdrop], np.int32),
        texels=np.empty((0, 0, 3), np.uint8),
        level_start=np.zeros(2, np.int32),
    )


def join(packed: Sequence[Buffers], atlas: TextureAtlas) -> Buffers:
    """Put packed scenes one behind the other, with the textures they share."""
    nodes = np.cumsum([0] + [len(scene.skip) for scene in packed]).astype(np.int32)
    firsts = np.cumsum([0] + [len(scene.kind) for scene in packed]).astype(np.int32)
    joined = Buffers(*(np.concatenate(arrays) for arrays in zip(*packed, strict=True)))
    leaves = [
        np.where(scene.leaf < 0, -1, scene.leaf + first).astype(np.int32)
        for scene, first in zip(packed, firsts, strict=False)
    ]
    return joined._replace(
        first_node=nodes,
        skip=np.concatenate([s.skip + node for s, node in zip(packed, nodes, strict=False)]),
        leaf=np.concatenate(leaves),
        texels=atlas.texels,
        level_start=atlas.level_start,
    )


def _corners(scene: Scene) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Low and high corner (P, 3) of each primitive's axis-aligned box in the world."""
    axes = scene.T_world_local[:, :3, :3] * scene.half_size[:, None, :]  # columns in the world
    box = np.abs(axes).sum(axis=2)
    sphere = np.sqrt((axes**2).sum(axis=2))
    barrel = np.sqrt((axes[:, :, :2] ** 2).sum(axis=2)) + np.abs(axes[:, :, 2])
    kind = scene.kind[:, None]
    reach = np.where(kind == SPHERE, sphere, np.where(kind == CYLINDER, barrel, box)) + 1e-4
    centre = scene.T_world_local[:, :3, 3]
    return centre - reach, centre + reach


def _local_world(scene: Scene) -> npt.NDArray[np.float32]:
    """Rows (P, 12) of the affine maps from the world to the unit shapes."""
    R_local_world = scene.T_world_local[:, :3, :3].transpose(0, 2, 1) / scene.half_size[:, :, None]
    t = -np.einsum("pij,pj->pi", R_local_world, scene.T_world_local[:, :3, 3])
    return (
        np.concatenate([R_local_world, t[:, :, None]], axis=2).reshape(-1, 12).astype(np.float32)
    )


def _lights(scene: Scene) -> npt.NDArray[np.float32]:
    lights = np.zeros((1, 2, 7), np.float32)
    for row, light in zip(lights[0], scene.lights, strict=False):
        row[:] = (*light.place, *light.colour, light.lamp)
    return lights


def _cameras(
    T_world_camera: npt.NDArray[np.float64], K: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Cameras (V, 16): rotation by rows, centre, fx, fy, cx, cy."""
    intrinsics = K[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    R = T_world_camera[:, :3, :3].reshape(-1, 9)
    return np.concatenate([R, T_world_camera[:, :3, 3], intrinsics], axis=1).astype(np.float32)


@compiled
def look(buffers, scene, camera, u, v, guess):
    """Trace the ray of an image point (u, v) of a camera (16,)."""
    x, y = (u - camera[14]) / camera[12], (v - camera[15]) / camera[13]
    direction = (
        camera[0] * x + camera[1] * y + camera[2],
        camera[3] * x + camera[4] * y + camera[5],
        camera[6] * x + camera[7] * y + camera[8],
    )
    centre = camera[9], camera[10], camera[11]
    return trace(buffers, scene, centre, direction, np.float32(1) / camera[12], guess)


@compiled
def on_edge(keys, u, v):
    """Whether a pixel sees another thing than one of its four neighbours."""
    h, w = keys.shape
    key = keys[v, u]
    return (
        key != keys[max(v - 1, 0), u]
        or key != keys[min(v + 1, h - 1), u]
        or key != keys[v, max(u - 1, 0)]
        or key != keys[v, min(u + 1, w - 1)]
    )


@compiled
def look_again(buffers, scene, camera, u, v, key, radiance):
    """Average the colour of a pixel on an edge with two more rays; depth stays the centre's."""
    r, g, b = radiance[v, u, 0], radiance[v, u, 1], radiance[v, u, 2]
    for k in range(len(SUBPIXELS)):
        du, dv = SUBPIXELS[k, 0], SUBPIXELS[k, 1]
        ray = look(buffers, scene, camera, np.float32(u) + du, np.float32(v) + dv, key >> 4)
        r, g, b = r + ray[0], g + ray[1], b + ray[2]
    share = np.float32(1 / (1 + len(SUBPIXELS)))
    radiance[v, u, 0], radiance[v, u, 1], radiance[v, u, 2] = r * share, g * share, b * share


@compiled
def _render(buffers, scene, camera, radiance, depth, keys):
    h, w = depth.shape
    key = -1
    for v in range(h):
        for u in range(w):
            ray = np.float32(u), np.float32(v)
            r, g, b, z, key = look(buffers, scene, camera, ray[0], ray[1], key >> 4)
            radiance[v, u, 0], radiance[v, u, 1], radiance[v, u, 2] = r, g, b
            depth[v, u], keys[v, u] = z, key
    for v in range(h):
        for u in range(w):
            if on_edge(keys, u, v):
                look_again(buffers, scene, camera, u, v, keys[v, u], radiance)
