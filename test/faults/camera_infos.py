# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""camera_info that is missing, late, changing or wrong. Poses go on without it, and it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from faults.fault import Answered, Counted, Fault, Observation, Tells
from faults.rig import PAIR, SIZE, K, Rig
from helpers.robot import wait_until
from sensor_msgs.msg import RegionOfInterest

__all__ = ["CAMERA_INFO_FAULTS"]


def _unused(words: str) -> tuple[Observation, ...]:
    return Answered(), Counted("images without intrinsics"), Tells("left camera_info", words)


def _refused(words: str) -> tuple[Observation, ...]:
    return Counted("sets refused"), Tells("last error", words)


def _until_refused(rig: Rig, words: str) -> None:
    """Send sets until one is refused in these words: the images may overtake the camera_info."""
    rig.send_until(lambda: words in rig.value("last error"))


def _info(K_left: Any = K, size: tuple[int, int] = SIZE, **fields: Any) -> Callable[[Rig], None]:
    """A camera_info of the left camera with these values, then a set."""

    def inject(rig: Rig) -> None:
        rig.send_intrinsics()
        rig.send_camera_info("left", np.asarray(K_left, float), size, **fields)
        rig.ledger.intrinsics(None)
        rig.send_until(lambda: rig.value("left camera_info") not in ("", "in use"))

    return inject


def _unfit(K_left: Any, **fields: Any) -> Callable[[Rig], None]:
    """A camera_info of which only the network's frame shows that it is wrong."""

    def inject(rig: Rig) -> None:
        rig.send_intrinsics()
        rig.send_camera_info("left", K_left, SIZE, **fields)
        _until_refused(rig, NO_FIT)

    return inject


def _used(*matrices: Any) -> Callable[[Rig], None]:
    """Calibrations of the left camera one after the other, with a set after each."""

    def inject(rig: Rig) -> None:
        for matrix in matrices:
            rig.send_intrinsics(matrix)
            rig.send_until(lambda: rig.value("left camera_info") == "in use")
            rig.ask()

    return inject


def _again(rig: Rig) -> None:
    """Healthy calibrations, as a driver that was restarted sends them."""
    rig.send_intrinsics()


def _late(rig: Rig) -> None:
    rig.send_until(lambda: rig.value("left camera_info") != "")
    _used(K)(rig)


def _scaled(factor: float) -> Any:
    return np.diag([factor, factor, 1.0]) @ K


def _with(row: int, column: int, value: float) -> Any:
    matrix = K.copy()
    matrix[row, column] = value
    return matrix


def _distorted(model: str, D: tuple[float, ...], words: str) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.send_intrinsics()
        rig.send_camera_info("left", K, SIZE, D, model)
        _until_refused(rig, words)

    return inject


def _swapped(rig: Rig) -> None:
    """The images of a rectified pair, each from the other camera."""
    rig.send_intrinsics(p=[150.0, 0, 79.5, -15, 0, 150, 59.5, 0, 0, 0, 1, 0])
    for _ in range(100):
        rig.send_pair(PAIR[::-1])
        if wait_until(lambda: "swapped" in rig.value("last invalid"), 0.1):
            return


IN_USE = (Answered(), Tells("left camera_info", "in use"))
REQUIRED = {"intrinsics.require": True}
RECTIFY = {"rectify": True}
NO_FIT = "do not fit its 160x120 pixels"

CAMERA_INFO_FAULTS = (
    Fault("camera_info late", _late, IN_USE),
    Fault("camera_info changes between sets", _used(K, _scaled(0.9), _scaled(1.2)), IN_USE),
    Fault("focal length 0", _info(np.zeros((3, 3))), _unused("focal lengths 0, 0"), _again),
    Fault("focal length negative", _info(-K), _unused("focal lengths -150"), _again),
    Fault("focal length NaN", _info(_with(0, 0, np.nan)), _unused("not finite"), _again),
    Fault("focal length infinite", _info(_with(1, 1, np.inf)), _unused("not finite"), _again),
    Fault("focal length 10^300", _info(_with(0, 0, 1e300)), _unused("beyond"), _again),
    Fault("principal point outside the image", _unfit(_with(0, 2, 1e6)), _refused(NO_FIT), _again),
    Fault("camera_info of another size", _info(size=(640, 480)), _unused("for 640x480"), _again),
    Fault("camera_info of size 0x0", _info(size=(0, 0)), _unused("for 0x0"), _again),
    Fault("binning 2^32 - 1", _info(binning_x=2**32 - 1), _unused("for 0x120"), _again),
    Fault(
        "region of interest outside the image",
        _unfit(K, roi=RegionOfInterest(x_offset=9000, y_offset=9000, width=160, height=120)),
        _refused(NO_FIT),
        _again,
    ),
    Fault(
        "camera_info required, none arrives",
        lambda rig: _until_refused(rig, "no camera_info has arrived"),
        _refused("no camera_info has arrived"),
        parameters=REQUIRED,
    ),
    Fault(
        "distortion model unknown",
        _distorted("fisheye9", (0.1,) * 4, "'fisheye9' is not one of"),
        _refused("'fisheye9' is not one of"),
        _again,
        parameters=RECTIFY,
    ),
    Fault(
        "distortion with too few coefficients",
        _distorted("plumb_bob", (0.1, 0.2), "2 distortion coefficients"),
        _refused("2 distortion coefficients"),
        _again,
        parameters=RECTIFY,
    ),
    Fault(
        "scale from a camera_info without baseline",
        lambda rig: (rig.send_intrinsics(), _until_refused(rig, "has no baseline")),
        _refused("has no baseline"),
        parameters={"scale.source": "camera_info"},
    ),
    Fault(
        "cameras of a rectified pair swapped",
        _swapped,
        (Counted("sets invalid"), Tells("last invalid", "are swapped")),
        parameters={"scale.source": "camera_info"},
    ),
)
