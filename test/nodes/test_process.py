# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's executable as a process of its own; what signals do to it is in test/faults."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path

from helpers.robot import BASE_STAMP, image_message
from lifecycle_msgs.srv import GetState
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

import geloc3r_ros
from geloc3r_ros.inference import read_image
from geloc3r_ros.msg import RelativePose
from geloc3r_ros.nodes.processes import executable

STEREO = Path(geloc3r_ros.__file__).parent / "demo" / "stereo"
OPEN = ("publish_untrained:=true", "gate.max_cycle_rotation:=3.14")


@contextlib.contextmanager
def node_process(*parameters, arguments=()):
    """Run the executable; kill it if the test fails to end it."""
    command = [executable("geloc3r_node"), "--ros-args", *arguments]
    for parameter in ("device:=cpu", *parameters):
        command += ["-p", parameter]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def call(client, kind, name, request):
    service = client.create_client(kind, f"/geloc3r/{name}")
    assert client.spin_until(service.service_is_ready)
    future = service.call_async(request)
    assert client.spin_until(future.done)
    client.destroy_client(service)
    return future.result()


def test_autostart_estimates_poses_from_another_process_s_images(client):
    poses = []
    client.create_subscription(RelativePose, "/geloc3r/right/relative_pose", poses.append, 10)
    publishers = {
        camera: client.create_publisher(Image, f"/{camera}/image", QoSProfile(depth=10))
        for camera in ("left", "right")
    }
    images = {camera: read_image(STEREO / f"{camera}01.jpg") for camera in ("left", "right")}
    with node_process("autostart:=true", *OPEN) as process:

        def send(k):
            for camera, publisher in publishers.items():
                publisher.publish(image_message(images[camera], camera, BASE_STAMP + k * 10**8))

        # Best effort tells nobody when the subscriber has found the publisher; a pose does.
        for k in range(100):
            send(k)
            if client.spin_until(lambda: poses, 0.5):
                break
        poses.clear()
        for k in range(101, 106):
            send(k)
            assert client.spin_until(lambda: len(poses) == k - 100)  # noqa: B023
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "weights tiny" in output
    assert poses[0].valid


def test_a_misspelt_parameter_is_named_with_the_nearest(client):
    with node_process("autostart:=true", "publish_ft:=false") as process:
        time.sleep(0.1)
        assert client.spin_until(
            lambda: "geloc3r" in client.get_node_names() or process.poll() is not None
        )
        current = call(client, GetState, "get_state", GetState.Request()).current_state
        assert current.label == "unconfigured"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert "publish_ft is no parameter; did you mean publish_tf?" in output
    assert process.returncode == 0
