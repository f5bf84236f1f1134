# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node with a backend that fails as the file $GELOC3R_BACKEND_FAULT says, while it says so.

python test/helpers/faulty_node.py --ros-args -p autostart:=true
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from geloc3r_ros.inference.backends import BACKENDS
from geloc3r_ros.inference.backends.torch import TorchBackend
from geloc3r_ros.nodes.main import main

CONTROL = Path(os.environ["GELOC3R_BACKEND_FAULT"])


RAISED = {
    "gpu memory": lambda: torch.cuda.OutOfMemoryError("CUDA out of memory"),
    "host memory": lambda: MemoryError(),
    "allocator": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    "defect": lambda: ZeroDivisionError("division by zero"),
    "device lost": lambda: RuntimeError("CUDA error: unspecified launch failure"),
}


class FaultyBackend(TorchBackend):
    """Fails in decode, which every set goes through."""

    def decode(self, view1, others, *arguments):
        fault = CONTROL.read_text()
        if fault == "slow":
            time.sleep(1.0)
        answer = super().decode(view1, others, *arguments)
        if fault in RAISED:
            with self._memory_errors_explained():
                raise RAISED[fault]()
        if fault == "nan":
            return tuple(np.full_like(raw, np.nan) for raw in answer)
        if fault == "zeros":
            return tuple(np.zeros_like(raw) for raw in answer)
        if fault == "shape":
            return tuple(raw[:, :5] for raw in answer)
        return answer


BACKENDS["torch"] = FaultyBackend

if __name__ == "__main__":
    sys.exit(main())
