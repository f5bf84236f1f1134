# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What commands that take part in the graph for a while have in common."""

from __future__ import annotations

import importlib
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.node import Node

from geloc3r_ros.nodes import transport

__all__ = ["bare_node", "message_type"]

TYPE_NAME = re.compile(r"([a-z][a-z0-9_]*)/msg/([A-Z][A-Za-z0-9]*)")


@contextmanager
def bare_node(name: str) -> Iterator[Node]:
    """A node in a context of its own; SIGTERM raises KeyboardInterrupt meanwhile."""
    os.environ.update(transport.environment())
    context = Context()
    rclpy.init(context=context)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield Node(name, context=context, enable_rosout=False, start_parameter_services=False)
    finally:
        signal.signal(signal.SIGTERM, previous)
        rclpy.shutdown(context=context)


def message_type(name: str) -> Any:
    """Class of a type such as ``sensor_msgs/msg/Image``; None where it is not installed."""
    parts = TYPE_NAME.fullmatch(name)
    if parts is None:
        return None
    try:
        return getattr(importlib.import_module(f"{parts[1]}.msg"), parts[2])
    except (ImportError, AttributeError):
        return None
