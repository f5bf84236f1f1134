# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SROS 2 policy that lets the node do its work and nothing else.

    ros2 run geloc3r_ros geloc3r_policy --ros-args -p cameras:="[front, rear]" -r __ns:=/dock

prints it for a node that is started with these arguments. Such a node is made and activated, and
asked what it talks to, so the policy cannot differ from the node. Its form is the policy schema
0.2.0 of ros2/sros2, which ``ros2 security create_permission`` reads.
"""

from __future__ import annotations

import sys
from typing import NamedTuple
from xml.etree import ElementTree

import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node

from geloc3r_ros.nodes.node import GeLoc3rNode

__all__ = ["Access", "access_of", "main", "policy_text"]

HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Made by `ros2 run geloc3r_ros geloc3r_policy`; docs/security.md tells how to use it. -->
"""


class Access(NamedTuple):
    """Full names of what a node publishes, subscribes to, serves and calls."""

    publish: frozenset[str]
    subscribe: frozenset[str]
    reply: frozenset[str]
    request: frozenset[str]


def access_of(observer: Node, name: str, namespace: str) -> Access:
    """What the node of a name does in the graph, as another one (or itself) sees it."""
    questions = (
        observer.get_publisher_names_and_types_by_node,
        observer.get_subscriber_names_and_types_by_node,
        observer.get_service_names_and_types_by_node,
        observer.get_client_names_and_types_by_node,
    )
    return Access(*(frozenset(topic for topic, _ in ask(name, namespace)) for ask in questions))


def policy_text(name: str, namespace: str, access: Access) -> str:
    """Return the policy as XML; the enclave has the full name of the node."""
    full_name = f"{namespace.rstrip('/')}/{name}"
    policy = ElementTree.Element("policy", version="0.2.0")
    enclave = ElementTree.SubElement(
        ElementTree.SubElement(policy, "enclaves"), "enclave", path=full_name
    )
    profiles = ElementTree.SubElement(enclave, "profiles")
    profile = ElementTree.SubElement(profiles, "profile", ns=namespace, node=name)
    for right, names in access._asdict().items():
        kind = "topic" if right in ("publish", "subscribe") else "service"
        if names:
            rule = ElementTree.SubElement(profile, f"{kind}s", {right: "ALLOW"})
        for full in sorted(names):
            private = full.startswith(f"{full_name}/")
            text = f"~{full.removeprefix(full_name)}" if private else full
            ElementTree.SubElement(rule, kind).text = text
    ElementTree.indent(policy)
    return HEADER + ElementTree.tostring(policy, encoding="unicode") + "\n"


def main() -> int:
    """Print the policy of a node with the arguments of this process."""
    rclpy.init(args=sys.argv)
    node = GeLoc3rNode()
    try:
        for transition in (node.trigger_configure, node.trigger_activate):
            if transition() is not TransitionCallbackReturn.SUCCESS:
                return 1
        name, namespace = node.get_name(), node.get_namespace()
        sys.stdout.write(policy_text(name, namespace, access_of(node, name, namespace)))
        return 0
    finally:
        node.close()
        node.destroy_node()
        rclpy.shutdown()


if __name__ == "__main__":
    sys.exit(main())
