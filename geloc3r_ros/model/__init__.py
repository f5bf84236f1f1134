# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network, in plain torch, and its weights files."""

from geloc3r_ros.model.config import ModelConfig
from geloc3r_ros.model.network import EncodedView, GeLoc3r, usual_focal
from geloc3r_ros.model.weights import (
    WeightsInfo,
    load_weights,
    locate_weights,
    read_info,
    save_weights,
)

__all__ = [
    "EncodedView",
    "GeLoc3r",
    "ModelConfig",
    "WeightsInfo",
    "load_weights",
    "locate_weights",
    "read_info",
    "save_weights",
    "usual_focal",
]
