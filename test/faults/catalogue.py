# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All faults, by what they befall. Those that share a process stand together."""

from dataclasses import replace

from faults.camera_infos import CAMERA_INFO_FAULTS
from faults.fault import Fault
from faults.frames import FRAME_FAULTS
from faults.images import COMPRESSED_FAULTS, IMAGE_FAULTS
from faults.processes import PROCESS_FAULTS
from faults.settings import SETTING_FAULTS
from faults.streams import STREAM_FAULTS

__all__ = ["CATALOGUE", "FAULTS"]


def _again(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Faults of single messages, which may get lost on their way."""
    return tuple(replace(fault, again=True) for fault in faults)


CATALOGUE = {
    "Images": _again(IMAGE_FAULTS + COMPRESSED_FAULTS),
    "camera_info": _again(CAMERA_INFO_FAULTS),
    "Streams and clocks": STREAM_FAULTS,
    "Transforms": FRAME_FAULTS,
    "Parameters, transitions, weights": SETTING_FAULTS,
    "Process and backend": PROCESS_FAULTS,
}
FAULTS = tuple(fault for faults in CATALOGUE.values() for fault in faults)
