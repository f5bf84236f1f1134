# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many threads a network has for itself, and how many may call it."""

from __future__ import annotations

import torch

from geloc3r_ros.model import ModelConfig

__all__ = ["computes_alone", "sets_at_once"]

MOST_AT_ONCE = 2
"""On a CPU enough for the 30 Hz of a camera, and the other cores are for the rest of the robot; on
a GPU one set's images are unpacked and resized while the other's are in the network."""


def computes_alone(device: str, config: ModelConfig) -> bool:
    """Whether the network had best compute in the thread that calls it, without others.

    A small one has many small operations. Threads that split them wait for each other, and for
    whatever else runs on the machine, longer than they compute.
    """
    return device == "cpu" and config.design == "matching"


def sets_at_once(device: str, config: ModelConfig) -> int:
    """How many threads had best call the network at once."""
    if device != "cpu":
        return MOST_AT_ONCE
    threads = torch.get_num_threads()  # by OMP_NUM_THREADS, or the CPU mask of the process
    return min(threads, MOST_AT_ONCE) if computes_alone(device, config) else 1
