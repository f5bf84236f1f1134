# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of a benchmark that never ran."""

import numpy as np

from geloc3r_ros.bench.cases import START_UP, Case, Measurement

SECONDS = {"image": [0.004], "preprocess": [0.002], "encode": [0.02], "decode": [0.01]}


def measurement(backend="torch", precision="bf16", mode="pair", weights="tiny", **values):
    """Make one; ``values`` replace its fields."""
    case = Case(
        weights=weights, backend=backend, precision=precision, device="cpu", size=(640, 480),
        mode=mode, runs=1,
    )  # fmt: skip
    fields = {
        "stages": SECONDS,
        "total": [0.032],
        "poses": [np.eye(4).tolist()],
        "start_up": dict.fromkeys(START_UP, 0.5),
        "memory": dict.fromkeys(START_UP, 10**8),
        "peak": 2 * 10**8,
        "device_peak": 0,
        "arithmetic": 3e9,
        "rate": 2e11,
        "bandwidth": 1e10,
        "weight_bytes": 10**7,
    }
    return Measurement(
        case=case, device="cpu", precision=precision, threads=2, **{**fields, **values}
    )
