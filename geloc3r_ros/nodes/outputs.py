# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera's pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import (
    PoseStamped,
    PoseWithCovariance,
    PoseWithCovarianceStamped,
    TransformStamped,
)
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from geloc3r_ros.geometry import inverse
from geloc3r_ros.msg import RelativePose
from geloc3r_ros.nodes.poses import pose_message, transform_message
from geloc3r_ros.nodes.report import Report

__all__ = ["Outputs", "Place", "transform_stamped"]


@dataclass(frozen=True)
class Place:
    """When and between which frames a pose holds; stamps are messages, ``frame`` is the parent."""

    stamp: Any
    child_stamp: Any
    frame: str
    child_frame: str


def transform_stamped(report: Report, place: Place, *, suffix: str, invert: bool) -> Any:
    """Return the TF of a report: the child is always a new leaf, named with the suffix."""
    message = TransformStamped()
    parent, child = place.frame, place.child_frame
    if invert:
        parent, child = child, parent
    T_parent_child = inverse(report.T_a_b) if invert else report.T_a_b
    message.header = Header(stamp=place.stamp, frame_id=parent)
    message.child_frame_id = child + suffix + ("" if report.scale_known else "_unit")
    message.transform = transform_message(T_parent_child)
    return message


class Outputs:
    """Publishers below ``~/<camera>/``; all reliable, so that any subscriber may listen."""

    def __init__(self, node: Node, camera: str) -> None:
        self._node = node
        qos = QoSProfile(depth=10)

        def publisher(kind: type, topic: str) -> Any:
            return node.create_publisher(kind, f"~/{camera}/{topic}", qos)

        self._relative_pose = publisher(RelativePose, "relative_pose")
        self._pose = publisher(PoseStamped, "pose")
        self._pose_with_covariance = publisher(PoseWithCovarianceStamped, "pose_with_covariance")

    def destroy(self) -> None:
        """Remove the publishers."""
        for publisher in (self._relative_pose, self._pose, self._pose_with_covariance):
            self._node.destroy_publisher(publisher)

    def publish_pose(self, report: Report, place: Place) -> None:
        """Publish a valid pose for those who want nothing but a pose."""
        header = Header(stamp=place.stamp, frame_id=place.frame)
        if report.translation_valid:
            self._pose.publish(PoseStamped(header=header, pose=pose_message(report.T_a_b)))
        self._pose_with_covariance.publish(
            PoseWithCovarianceStamped(header=header, pose=_pose_with_covariance(report))
        )

    def publish_relative_pose(
        self, report: Report, place: Place, *, weights: str, trained: bool, **figures: float
    ) -> None:
        """Publish everything about a set, valid or not.

        Args:
            report: the pose.
            place: when and where.
            weights: name of the weights.
            trained: whether they are.
            figures: cycle_rotation_error, cycle_translation_error, latency.
        """
        self._relative_pose.publish(
            RelativePose(
                header=Header(stamp=place.stamp, frame_id=place.frame),
                child_frame_id=place.child_frame,
                child_stamp=place.child_stamp,
                pose=_pose_with_covariance(report),
                valid=report.valid,
                translation_valid=report.translation_valid,
                scale_known=report.scale_known,
                reason=report.reason,
                weights=weights,
                trained=trained,
                **figures,
            )
        )


def _pose_with_covariance(report: Report) -> PoseWithCovariance:
    return PoseWithCovariance(
        pose=pose_message(report.T_a_b),
        covariance=np.ascontiguousarray(report.covariance, np.float64).ravel(),
    )
