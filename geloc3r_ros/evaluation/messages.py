# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Standard messages for bags, made from and turned into numpy arrays; without ROS.

Stamps are nanoseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

from geloc3r_ros.geometry import (
    Array,
    make_transform,
    quat_xyzw_from_rotation,
    rotation_from_quat_xyzw,
)

__all__ = [
    "STANDARD_TYPES",
    "camera_info",
    "compressed_image",
    "grey_image",
    "pose_stamped",
    "stamp_of",
    "transform_of",
]

STANDARD_TYPES = get_typestore(Stores.ROS2_JAZZY)


def _new(type_name: str, **fields: Any) -> Any:
    return STANDARD_TYPES.types[type_name](**fields)


def _header(stamp: int, frame_id: str) -> Any:
    seconds, nanoseconds = divmod(stamp, 10**9)
    time = _new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return _new("std_msgs/msg/Header", stamp=time, frame_id=frame_id)


def grey_image(stamp: int, frame_id: str, picture: npt.NDArray[np.uint8]) -> Any:
    """Return a sensor_msgs/Image, ``mono8``, of a picture (H, W)."""
    height, width = picture.shape
    return _new(
        "sensor_msgs/msg/Image",
        header=_header(stamp, frame_id),
        height=height,
        width=width,
        encoding="mono8",
        is_bigendian=0,
        step=width,
        data=picture.ravel(),
    )


def compressed_image(stamp: int, frame_id: str, jpeg: bytes) -> Any:
    """Return a sensor_msgs/CompressedImage of an encoded JPEG."""
    return _new(
        "sensor_msgs/msg/CompressedImage",
        header=_header(stamp, frame_id),
        format="jpeg",
        data=np.frombuffer(jpeg, np.uint8),
    )


def camera_info(
    stamp: int,
    frame_id: str,
    size: tuple[int, int],
    K: Array,
    D: Array | None = None,
    R: Array | None = None,
    P: Array | None = None,
) -> Any:
    """Return a sensor_msgs/CameraInfo, ``plumb_bob``.

    Args:
        stamp: nanoseconds.
        frame_id: the camera's optical frame.
        size: width and height in pixels.
        K: (3, 3) intrinsics.
        D: (5,) distortion; none by default.
        R: (3, 3) rotation into the rectified axes; the identity by default.
        P: (3, 4) projection of the rectified camera; ``[K | 0]`` by default.
    """
    return _new(
        "sensor_msgs/msg/CameraInfo",
        header=_header(stamp, frame_id),
        height=size[1],
        width=size[0],
        distortion_model="plumb_bob",
        d=np.zeros(5) if D is None else D,
        k=K.ravel(),
        r=np.eye(3).ravel() if R is None else R.ravel(),
        p=(K @ np.eye(3, 4) if P is None else P).ravel(),
        binning_x=0,
        binning_y=0,
        roi=_new(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def pose_stamped(stamp: int, frame_id: str, T_a_b: Array) -> Any:
    """Return a geometry_msgs/PoseStamped of T_a_b (4, 4), ``frame_id`` being a."""
    tx, ty, tz = map(float, T_a_b[:3, 3])
    qx, qy, qz, qw = map(float, quat_xyzw_from_rotation(T_a_b[:3, :3]))
    point = _new("geometry_msgs/msg/Point", x=tx, y=ty, z=tz)
    quaternion = _new("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw)
    return _new(
        "geometry_msgs/msg/PoseStamped",
        header=_header(stamp, frame_id),
        pose=_new("geometry_msgs/msg/Pose", position=point, orientation=quaternion),
    )


def stamp_of(message: Any) -> int:
    """Stamp (ns) in the header of a message, of ``rosbags`` or of rclpy."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def transform_of(pose: Any) -> Array:
    """Transform (4, 4) of a geometry_msgs/Pose, of ``rosbags`` or of rclpy."""
    p, q = pose.position, pose.orientation
    return make_transform(rotation_from_quat_xyzw([q.x, q.y, q.z, q.w]), [p.x, p.y, p.z])
