# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that nobody uses any more, back to the system."""

from __future__ import annotations

import ctypes
import gc

from rclpy.node import Node

__all__ = ["forget_destroyed", "give_back_garbage", "give_back_memory"]


def forget_destroyed(node: Node) -> None:
    """Drop the dead references that rclpy keeps of all that a node ever destroyed."""
    entities = node.default_callback_group.entities
    entities.difference_update([reference for reference in entities if reference() is None])


def give_back_garbage() -> None:
    """Collect garbage, and give freed memory back."""
    gc.collect()
    give_back_memory()


def give_back_memory() -> None:
    """Give freed memory back to the system, which glibc keeps for later otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
