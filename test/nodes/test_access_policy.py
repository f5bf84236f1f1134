# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SROS 2 policy allows what the node does, seen from another process, and nothing else."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

from lifecycle_msgs.srv import GetState

from geloc3r_ros.nodes.access_policy import Access, access_of
from geloc3r_ros.nodes.processes import executable

SHIPPED = Path(__file__).parents[2] / "config" / "sros2" / "geloc3r.policy.xml"
QUIET = ("-p", "device:=cpu", "-p", "precision:=fp32")
# Everything that adds an endpoint, or names it otherwise.
OTHERWISE = (
    *("-p", "cameras:=[front, rear, hand/eye]", "-p", "image_transport:=compressed"),
    *("-p", "use_sim_time:=true", "-p", "scale.source:=tf", "-p", "output_frame:=base"),
    *("-r", "__ns:=/dock", "-r", "__node:=pose", "-r", "front/image:=/cam0/image_raw"),
)


def made_policy(*arguments):
    """What the command prints."""
    run = subprocess.run(
        [executable("geloc3r_policy"), "--ros-args", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def allowed(policy):
    """Full names that a policy of one node allows; only the elements of the schema occur."""
    root = ElementTree.fromstring(policy.encode())
    assert (root.tag, root.get("version")) == ("policy", "0.2.0")
    (profile,) = root.findall("enclaves/enclave/profiles/profile")
    (enclave,) = root.findall("enclaves/enclave")
    full_name = f"{profile.get('ns').rstrip('/')}/{profile.get('node')}"
    assert enclave.get("path") == full_name
    rights = {}
    for rule in profile:
        assert rule.tag in ("topics", "services")
        ((right, qualifier),) = rule.attrib.items()
        assert qualifier == "ALLOW"
        assert right in (
            ("publish", "subscribe") if rule.tag == "topics" else ("reply", "request")
        )
        names = [item.text for item in rule]
        assert not any("*" in name for name in names)
        rights[right] = frozenset(
            full_name + name[1:] if name.startswith("~/") else name for name in names
        )
    return Access(**{right: rights.get(right, frozenset()) for right in Access._fields})


def check_against_the_graph(client, policy, name, namespace, *arguments):
    """Compare a policy with what a node process of these arguments does once it is active."""
    command = [executable("geloc3r_node"), "--ros-args", "-p", "autostart:=true", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        service = client.create_client(GetState, f"{namespace.rstrip('/')}/{name}/get_state")
        assert client.spin_until(service.service_is_ready, 120.0)
        future = service.call_async(GetState.Request())
        assert client.spin_until(future.done)
        assert future.result().current_state.label == "active"
        # The endpoints are discovered one by one.
        client.spin_until(lambda: access_of(client, name, namespace) == policy, 20.0)
        assert access_of(client, name, namespace) == policy
    finally:
        process.terminate()
        process.wait(60)


def test_the_shipped_policy_is_that_of_the_node_by_default(client):
    shipped = SHIPPED.read_text(encoding="utf-8")
    command = f"{executable('geloc3r_policy')} > {SHIPPED}"
    assert shipped == made_policy(*QUIET), command
    check_against_the_graph(client, allowed(shipped), "geloc3r", "/", *QUIET)


def test_a_policy_follows_the_arguments(client):
    policy = allowed(made_policy(*QUIET, *OTHERWISE))
    check_against_the_graph(client, policy, "pose", "/dock", *QUIET, *OTHERWISE)
    assert policy.subscribe == {
        "/clock",
        "/cam0/image_raw/compressed",
        "/cam0/camera_info",
        "/dock/rear/image/compressed",
        "/dock/rear/camera_info",
        "/dock/hand/eye/image/compressed",
        "/dock/hand/eye/camera_info",
        "/tf",
        "/tf_static",
    }
    assert "/dock/pose/hand/eye/relative_pose" in policy.publish
    assert policy.request == frozenset()
