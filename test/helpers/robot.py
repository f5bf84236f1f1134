# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras and listeners that talk to the real node over DDS; a robot has both in one process."""

from __future__ import annotations

import gc
import threading
import time
from importlib import resources

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped, PoseWithCovarianceStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from geloc3r_ros.inference import read_image
from geloc3r_ros.msg import RelativePose
from geloc3r_ros.nodes.node import GeLoc3rNode

# The weights are untrained in these tests: what matters is that nothing is changed on the way.
OPEN = {
    "publish_untrained": True,
    "gate.max_cycle_rotation": 3.14,
    "gate.max_cycle_translation": 3.14,
}
BASE_STAMP = 1_700_000_000 * 10**9


def wait_until(condition, seconds=30.0):
    """Wait for the condition; False if it does not come in time."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


def picture(seed, height=120, width=160):
    """A smooth random RGB image."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def stereo_pair():
    """Left and right view of a real scene, 160x120, RGB: a pose with a direction."""
    folder = resources.files("geloc3r_ros") / "demo" / "stereo"
    views = (read_image(folder / f"{side}01.jpg") for side in ("left", "right"))
    return [cv2.resize(view, (160, 120), interpolation=cv2.INTER_AREA) for view in views]


class Tester:
    """Cameras and listeners in an executor of their own; the node is ``/geloc3r``, wherever."""

    def __init__(self):
        self.tester = rclpy.create_node("tester")
        self.received = {}
        self._publishers, self._clients = {}, {}
        self._executors, self._threads = [], []
        self._spin(self.tester)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.listen(DiagnosticStatus, "/geloc3r/status", latched)
        self.listen(TFMessage, "/tf")

    def _spin(self, node):
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        self._executors.append(executor)
        self._threads.append(threading.Thread(target=_spin_on, args=(executor,), daemon=True))
        self._threads[-1].start()

    def close(self):
        """Leave no trace."""
        for executor in self._executors:
            executor.shutdown()
        for thread in self._threads:
            thread.join()
        self.tester.destroy_node()

    def listen(self, kind, topic, qos=None):
        """Collect the messages of a topic."""
        messages = self.received.setdefault(topic, [])
        self.tester.create_subscription(kind, topic, messages.append, qos or QoSProfile(depth=100))
        return messages

    def listen_to_poses(self, camera="right"):
        for kind, topic in (
            (RelativePose, "relative_pose"),
            (PoseStamped, "pose"),
            (PoseWithCovarianceStamped, "pose_with_covariance"),
        ):
            self.listen(kind, f"/geloc3r/{camera}/{topic}")

    def publish(self, topic, message):
        """Publish once the other side is there, so that nothing is lost to discovery."""
        kind = type(message)
        if topic not in self._publishers:
            self._publishers[topic] = self.tester.create_publisher(kind, topic, 10)
            wait_until(lambda: self._publishers[topic].get_subscription_count() > 0, 5.0)
            time.sleep(0.2)  # the subscriber finds the publisher a little later
        self._publishers[topic].publish(message)

    def client(self, kind, name):
        """A client of a service that is there."""
        if name not in self._clients:
            self._clients[name] = self.tester.create_client(kind, name)
        assert self._clients[name].wait_for_service(90.0)
        return self._clients[name]

    def call(self, kind, name, request):
        """Call a service."""
        future = self.client(kind, name).call_async(request)
        assert wait_until(future.done, 90.0)
        return future.result()

    def send(self, images, stamp=BASE_STAMP, cameras=("left", "right"), offsets=None, **message):
        """Send one image of each camera."""
        for i, (camera, rgb) in enumerate(zip(cameras, images, strict=True)):
            shift = offsets[i] if offsets else 0
            self.publish(f"/{camera}/image", image_message(rgb, camera, stamp + shift, **message))

    def send_camera_info(self, camera, K, size=(160, 120), D=(), model="plumb_bob", **fields):
        width, height = size
        info = CameraInfo(width=width, height=height, distortion_model=model, **fields)
        info.k = np.asarray(K, float).ravel()
        info.d = [float(d) for d in D]
        info.header.frame_id = f"{camera}_optical"
        self.publish(f"/{camera}/camera_info", info)

    def poses(self, camera="right"):
        return self.received[f"/geloc3r/{camera}/relative_pose"]

    def says(self):
        """The latest status, in words."""
        statuses = self.received["/geloc3r/status"]
        return statuses[-1].message if statuses else ""

    def value(self, key, status=None):
        """A value of a status, by default of the latest; "" where it is not told yet."""
        statuses = [status] if status else self.received["/geloc3r/status"]
        values = statuses[-1].values if statuses else []
        return next((item.value for item in values if item.key == key), "")


def _spin_on(executor):
    """Spin until the executor is shut down, whatever another thread destroys meanwhile."""
    while True:
        try:
            executor.spin()
            return
        except rclpy_implementation.InvalidHandle:  # it was about to be waited for
            continue


class Robot(Tester):
    """A tester with the node under test in the same process, in another executor."""

    def __init__(self, parameters=None, cli_args=None):
        super().__init__()
        overrides = [Parameter(name, value=value) for name, value in (parameters or {}).items()]
        self.node = GeLoc3rNode(parameter_overrides=overrides, cli_args=cli_args)
        self._spin(self.node)

    def close(self):
        """Leave no trace: a lifecycle node is discovered until the last reference is gone."""
        super().close()
        self.node.close()
        self.node.destroy_node()
        self.__dict__.clear()
        gc.collect()

    def start(self):
        """Configure and activate."""
        assert self.node.trigger_configure().name == "SUCCESS"
        assert self.node.trigger_activate().name == "SUCCESS"


def stamp_message(message, nanoseconds):
    message.sec, message.nanosec = divmod(nanoseconds, 10**9)


def image_message(rgb, camera, nanoseconds, frame_id=None):
    height, width = rgb.shape[:2]
    message = Image(height=height, width=width, step=3 * width, encoding="rgb8")
    message.data = np.ascontiguousarray(rgb).tobytes()
    message.header.frame_id = f"{camera}_optical" if frame_id is None else frame_id
    stamp_message(message.header.stamp, nanoseconds)
    return message


def compressed_message(rgb, camera, nanoseconds, extension=".png"):
    _, data = cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    message = CompressedImage(format=f"rgb8; {extension[1:]} compressed bgr8", data=data.tobytes())
    message.header.frame_id = f"{camera}_optical"
    stamp_message(message.header.stamp, nanoseconds)
    return message
