# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's moving scene: a camera at a dock watches, a camera on a robot drives.

The robot turns on the spot, then drives an S. Textures are held out from training. To render the
bag that ships::

    python -m geloc3r_training.data.moving_scene geloc3r_ros/demo/moving
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import BagWriter
from geloc3r_ros.geometry import Array, inverse, make_transform
from geloc3r_training.data.places import make_scene
from geloc3r_training.data.renderer import Renderer, develop
from geloc3r_training.data.scene import Scene
from geloc3r_training.data.textures import procedural_atlas

__all__ = ["dock", "drive", "write_moving_scene"]

SIZE = (640, 480)  # width, height
K = np.array([[450.0, 0.0, 319.5], [0.0, 450.0, 239.5], [0.0, 0.0, 1.0]])
START = 1_700_000_100 * 10**9
PERIOD = 2 * 10**8  # nanoseconds between two sets
TURNING, DRIVING = 12, 28  # sets
SWING = np.radians(25.0)
STEP = 0.12  # metres between two sets
CLEARANCE = 0.2  # metres
JPEG_QUALITY = 55


def upright(x: float, y: float, z: float, yaw: float, pitch: float = 0.0) -> Array:
    """Pose T_world_camera (4, 4) of an optical frame: metres, z up; pitched down, radians."""
    c, s = np.cos(yaw), np.sin(yaw)
    ahead = np.array([c * np.cos(pitch), s * np.cos(pitch), -np.sin(pitch)])
    right = np.array([s, -c, 0.0])
    return make_transform(np.stack([right, np.cross(ahead, right), ahead], axis=1), [x, y, z])


def dock() -> Array:
    """Pose T_world_camera (4, 4) of the camera that stands still."""
    return upright(-4.0, 0.0, 1.2, 0.0, pitch=np.radians(4.0))


def drive() -> Array:
    """Poses T_world_camera (N, 4, 4) of the camera that drives; it looks where it goes."""
    turn = -SWING * np.cos(np.pi * np.arange(TURNING) / TURNING)
    weave = SWING * np.cos(2 * np.pi * np.arange(DRIVING) / DRIVING)
    yaw = np.concatenate([turn, weave])
    step = np.where(np.arange(len(yaw)) > TURNING, STEP, 0.0)
    x = -3.7 + np.cumsum(step * np.cos(yaw))
    y = -0.5 + np.cumsum(step * np.sin(yaw))
    return np.stack([upright(px, py, 0.5, angle) for px, py, angle in zip(x, y, yaw, strict=True)])


def write_moving_scene(path: Path) -> None:
    """Render the scene and write the bag.

    Raises:
        BagError: if ``path`` exists already.
    """
    atlas = procedural_atlas(held_out=True)
    scene, renderer = make_scene(3, atlas, "hall"), Renderer(atlas)
    T_world_a, T_world_b = dock(), drive()
    nearest = scene.clearance(np.vstack([T_world_a[None, :3, 3], T_world_b[:, :3, 3]])).min()
    if nearest < CLEARANCE:
        raise ValueError(f"a camera comes within {nearest:.2f} m of a surface")
    jpeg_a = _photograph(renderer, scene, T_world_a)
    with BagWriter(path, compressed=True) as bag:
        for side in ("left", "right"):
            bag.add_topic(f"/{side}/image/compressed", "sensor_msgs/msg/CompressedImage")
            bag.add_topic(f"/{side}/camera_info", "sensor_msgs/msg/CameraInfo")
        bag.add_topic("/ground_truth/right/pose", "geometry_msgs/msg/PoseStamped")
        for i, T_world_camera in enumerate(T_world_b):
            stamp = START + i * PERIOD
            T_a_b = inverse(T_world_a) @ T_world_camera
            pose = messages.pose_stamped(stamp, "left_optical", T_a_b)
            bag.write("/ground_truth/right/pose", stamp, pose)
            jpeg_b = _photograph(renderer, scene, T_world_camera)
            for side, jpeg in (("left", jpeg_a), ("right", jpeg_b)):
                info = messages.camera_info(stamp, f"{side}_optical", SIZE, K)
                bag.write(f"/{side}/camera_info", stamp, info)
                image = messages.compressed_image(stamp, f"{side}_optical", jpeg)
                bag.write(f"/{side}/image/compressed", stamp, image)


def _photograph(renderer: Renderer, scene: Scene, T_world_camera: Array) -> bytes:
    """Render one view and encode it as JPEG."""
    seen = renderer.render([scene], [0], T_world_camera[None], K[None], SIZE[::-1])
    picture: npt.NDArray[np.uint8] = develop(seen.radiance[0])
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


if __name__ == "__main__":
    write_moving_scene(Path(sys.argv[1]))
