# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a device computes natively."""

from __future__ import annotations

import torch

__all__ = ["computes_bf16"]


def computes_bf16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16; elsewhere it is emulated, and many times slower."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Names of newer releases of PyTorch; where they are missing, so is the knowledge.
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return device.type == "cpu" and any(getattr(torch.cpu, check, bool)() for check in checks)
