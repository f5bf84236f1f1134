# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Four views of one small place, rendered with poses that were written down by hand."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from geloc3r_training.data.renderer import Renderer, develop
from geloc3r_training.data.scene import Light, Material, SceneBuilder
from geloc3r_training.data.textures import procedural_atlas

SMALL = 96, 72

# Camera 1 stands 0.4 m right, 0.1 m below and 0.2 m ahead of camera 0, turned right by 10 degrees.
T_0_1 = np.array(
    [
        [0.984807753012208, 0, 0.17364817766693033, 0.4],
        [0, 1, 0, 0.1],
        [-0.17364817766693033, 0, 0.984807753012208, 0.2],
        [0, 0, 0, 1],
    ]
)


@dataclass(frozen=True)
class Views:
    """V views: images (V, H, W, 3), depths (V, H, W) in metres, K (3, 3), T_world_camera."""

    images: np.ndarray
    depths: np.ndarray
    K: np.ndarray
    T_world_camera: np.ndarray

    @property
    def size(self):
        return self.depths.shape[2], self.depths.shape[1]

    def __len__(self):
        return len(self.images)


def intrinsics(fx, fy, cx, cy):
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], float)


def cameras():
    """T_world_camera (4, 4, 4): the first looks along +x of the world and 20 degrees left."""
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    T_world_0 = np.eye(4)
    T_world_0[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ [
        [0, 0, 1],
        [-1, 0, 0],
        [0, -1, 0],
    ]
    T_world_0[:3, 3] = 0.3, -0.2, 1.5
    T_0_2, T_0_3 = np.eye(4), np.eye(4)
    T_0_2[:3, :3] = cv2.Rodrigues(np.array([0.05, -0.12, 0.08]))[0]
    T_0_2[:3, 3] = -0.3, 0.05, 0.1
    T_0_3[:3, :3] = cv2.Rodrigues(np.array([-0.04, 0.06, -0.1]))[0]
    T_0_3[:3, 3] = 0.15, -0.1, 0.5
    return np.stack([T_world_0 @ T for T in (np.eye(4), T_0_1, T_0_2, T_0_3)])


@cache
def rendered(size=SMALL, fx=80.0, fy=82.0, cx=46.0, cy=37.0):
    """Render the four views at a width and height; shared, so nobody writes into them."""
    atlas = procedural_atlas(24, 32)
    renderer = Renderer(atlas)
    K = intrinsics(fx, fy, cx, cy)
    T = cameras()
    width, height = size
    out = renderer.render([_place()], [0] * len(T), T, np.tile(K, (len(T), 1, 1)), (height, width))
    images = develop(out.radiance)
    return Views(images, out.depth.numpy().copy(), K, T)


def round_trip(depth_a, depth_b, K, T_a_b):
    """Carry pixels of a into b and back through b's depth: errors (N,) in pixels, share covisible.

    Inverse depth between pixels is exact on planes, so a true geometry closes to far below half a
    pixel; pixels that b does not see, by 5 % of their depth, are left out.
    """
    height, width = depth_a.shape
    v, u = np.mgrid[2 : height - 2 : 3, 2 : width - 2 : 3]
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1).reshape(-1, 3).astype(float)
    z = depth_a[v, u].ravel()
    pixels, z = pixels[z > 0], z[z > 0]
    T_b_a = np.linalg.inv(T_a_b)
    points = (pixels @ np.linalg.inv(K).T) * z[:, None] @ T_b_a[:3, :3].T + T_b_a[:3, 3]
    there = points @ K.T
    there = there / there[:, 2:]
    inverse_depth = 1 / np.where(depth_b > 0, depth_b, np.inf)
    xy = there[:, :2].astype(np.float32)[None]
    seen = cv2.remap(inverse_depth.astype(np.float32), xy[..., 0], xy[..., 1], cv2.INTER_LINEAR)
    z_b = 1 / np.maximum(seen[0], 1e-9)
    same = (points[:, 2] > 0) & (np.abs(z_b - points[:, 2]) < 0.05 * points[:, 2])
    back = (there @ np.linalg.inv(K).T) * z_b[:, None] @ T_a_b[:3, :3].T + T_a_b[:3, 3]
    back = back @ K.T
    errors = np.linalg.norm(back[:, :2] / back[:, 2:] - pixels[:, :2], axis=1)
    return errors[same], same.mean()


def _place():
    builder = SceneBuilder()
    builder.box((3.0, 0, -0.1), (16, 16, 0.2), Material(0, 1.5))
    builder.box((6.5, 0, 1.5), (0.4, 16, 5), Material(1, 2.0))
    builder.box((3.0, 5.5, 1.5), (12, 0.4, 5), Material(2, 2.0))
    for i, (x, y, tall) in enumerate([(3.0, 0.2, 1.2), (4.2, 2.2, 2.0), (2.6, 1.4, 0.8)]):
        builder.box((x, y, tall / 2), (0.5, 0.7, tall), Material(3 + i, 0.7), yaw=0.4 * i)
    builder.cylinder((4.5, 0.9, 1.0), 0.3, 2.0, Material(7, 1.0))
    light = Light((2.0, 0.0, 4.0), (8.0, 8.0, 8.0), True)
    grey = (0.7, 0.7, 0.7)
    standing = (-1.0, -1.0, 0.0), (1.0, 1.0, 2.0)
    return builder.build(
        np.random.default_rng(3), (light,), (grey, grey), (grey, grey), standing, name="place"
    )


def depth_png(path, depth, units_per_metre=1000.0, unknown=0):
    """Write metres (H, W) as a 16-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = np.where(depth > 0, np.rint(depth * units_per_metre), unknown).astype(np.uint16)
    assert cv2.imwrite(str(path), stored)


def photograph(path, rgb):
    """Write RGB (H, W, 3)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 98] if path.suffix == ".jpg" else []
    assert cv2.imwrite(str(path), rgb[..., ::-1], quality)
