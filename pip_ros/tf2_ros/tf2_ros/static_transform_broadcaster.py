# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sends transforms that hold at all times on /tf_static."""

from __future__ import annotations

from collections.abc import Iterable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

__all__ = ["StaticTransformBroadcaster"]


class StaticTransformBroadcaster:
    """Sends on /tf_static; transient local with depth 1 unless a QoS is given.

    Each message holds all transforms sent so far, so that late joiners get them all.
    """

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        if qos is None:
            qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", qos)
        self._transforms: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Send one transform or several, along with those sent before of other children."""
        transforms = [transform] if isinstance(transform, TransformStamped) else transform
        self._transforms.update({sent.child_frame_id: sent for sent in transforms})
        self.pub_tf.publish(TFMessage(transforms=list(self._transforms.values())))
