# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The subscriptions of the cameras: what arrives is checked before anything else sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.inference.intrinsics import Intrinsics
from geloc3r_ros.inference.messages import image_fault, stamp_fault, stamp_nanoseconds
from geloc3r_ros.nodes.intake import Intake
from geloc3r_ros.nodes.loggers import camera_loggers
from geloc3r_ros.nodes.parameters import Settings
from geloc3r_ros.nodes.statistics import Statistics

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

__all__ = ["Inputs"]

LOG_SECONDS = 5.0
OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
QOS_ERRORS = RuntimeError, ParameterException
"""What rclpy raises for an override that is no value of its policy."""


class Inputs:
    """Image and camera_info subscriptions of all cameras, feeding an intake.

    Attributes:
        intrinsics: latest intrinsics of each camera, or why its camera_info cannot be used.
        topics: resolved image topic of each camera.
    """

    def __init__(
        self,
        node: Node,
        intake: Intake,
        *,
        settings: Callable[[], Settings],
        statistics: Statistics,
    ) -> None:
        self._node = node
        self._intake = intake
        self._settings = settings
        self._statistics = statistics
        self._loggers = camera_loggers(node, settings().cameras)
        self._newest: dict[str, int] = {}
        self.intrinsics: dict[str, Intrinsics | str] = {}
        self.topics: dict[str, str] = {}
        self._subscriptions: list[Subscription] = []
        compressed = settings().image_transport == "compressed"
        self._type_name = f"sensor_msgs/msg/{'CompressedImage' if compressed else 'Image'}"
        try:
            for camera in settings().cameras:
                image_topic = node.resolve_topic_name(f"{camera}/image")
                topic = image_topic + ("/compressed" if compressed else "")
                self.topics[camera] = topic
                kind = CompressedImage if compressed else Image
                self._subscribe(kind, topic, camera, self._image, self._no_images)
                topic = self._info_topic(camera, image_topic)
                self._subscribe(CameraInfo, topic, camera, self._camera_info, self._no_info)
        except Exception:
            self.destroy()
            raise

    def destroy(self) -> None:
        """Remove the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def forget(self) -> None:
        """Forget the newest stamps."""
        self._newest.clear()

    def publishers(self) -> dict[str, int]:
        """Number of publishers of each camera's images."""
        return {camera: self._node.count_publishers(t) for camera, t in self.topics.items()}

    def other_types(self) -> dict[str, str]:
        """Type that is published in place of images, for each camera without a single image."""
        types = {}
        for camera, topic in self.topics.items():
            publishers = self._node.get_publishers_info_by_topic(topic)
            names = sorted({publisher.topic_type for publisher in publishers})
            if names and self._type_name not in names:
                types[camera] = f"{', '.join(names)}, not {self._type_name}"
        return types

    def _info_topic(self, camera: str, image_topic: str) -> str:
        """The sibling of the image topic, unless camera_info is remapped itself."""
        name = f"{camera}/camera_info"
        remapped = self._node.resolve_topic_name(name)
        if remapped != self._node.resolve_topic_name(name, only_expand=True):
            return remapped
        return f"{image_topic.rsplit('/', 1)[0]}/camera_info"

    def _subscribe(
        self,
        kind: type,
        topic: str,
        camera: str,
        callback: Callable[[str, Any], None],
        incompatible: Callable[[str, str], None],
    ) -> None:
        """Subscribe, and tell of each message, or of a publisher whose messages cannot come."""
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.BEST_EFFORT
        )
        events = SubscriptionEventCallbacks(
            incompatible_qos=lambda event: incompatible(camera, _conflict(topic, event))
        )
        try:
            subscription = self._node.create_subscription(
                kind,
                topic,
                lambda message: callback(camera, message),
                qos,
                event_callbacks=events,
                qos_overriding_options=QoSOverridingOptions(policy_kinds=OVERRIDABLE),
            )
        except QOS_ERRORS as error:
            raise ConfigError(
                f"qos_overrides.{topic}.subscription has a value that is none of its policy "
                f"({error}): history takes keep_last, keep_all; reliability reliable, "
                "best_effort; durability volatile, transient_local; depth an integer"
            ) from error
        self._subscriptions.append(subscription)

    def _image(self, camera: str, message: Any) -> None:
        now = self._node.get_clock().now().nanoseconds
        fault = stamp_fault(message.header.stamp, now, self._settings().max_future)
        stamp = stamp_nanoseconds(message.header.stamp)
        if not fault and stamp == self._newest.get(camera):
            fault = "stamp is that of the image before; the driver must stamp every image anew"
        if not fault and isinstance(message, Image):
            fault = image_fault(message)
        if fault:
            self._bad(camera, fault)
            return
        self._statistics.count(f"received {camera}")
        self._newest[camera] = stamp
        offset = max(self._newest.values()) - min(self._newest.values())
        self._statistics.measure("stamp offset", offset / 1e9)
        self._intake.add(camera, message)

    def _camera_info(self, camera: str, message: CameraInfo) -> None:
        try:
            rectified = self._settings().intrinsics_rectified
            self.intrinsics[camera] = Intrinsics.from_message(message, rectified=rectified)
        except ConfigError as error:
            self.intrinsics[camera] = str(error)

    def _bad(self, camera: str, fault: str) -> None:
        self._statistics.count(f"bad {camera}")
        self._statistics.remember(f"bad {camera}", fault)
        self._loggers[camera].warning(
            f"image on {self.topics[camera]} refused: {fault}", throttle_duration_sec=LOG_SECONDS
        )

    def _no_images(self, camera: str, conflict: str) -> None:
        self._statistics.remember(f"qos {camera}", conflict)
        self._loggers[camera].error(conflict)

    def _no_info(self, camera: str, conflict: str) -> None:
        self.intrinsics.setdefault(camera, conflict)
        self._loggers[camera].error(conflict)


def _conflict(topic: str, event: Any) -> str:
    """What to say of a publisher whose quality of service does not meet the node's."""
    policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
    return (
        f"a publisher of {topic} offers another {policy} than the node asks for; change or "
        f"remove qos_overrides.{topic}.subscription.{policy}"
    )
