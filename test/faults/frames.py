# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transforms that are missing, impossible, or someone else's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from faults.fault import Answered, Counted, Fault, Observation, Says, Tells
from faults.rig import Rig
from geometry_msgs.msg import TransformStamped
from helpers.robot import stamp_message
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage

__all__ = ["FRAME_FAULTS"]

CHILD = "right_optical_geloc3r_unit"
SCALE = {"scale.source": "tf", "tf.timeout": 0.05}
BASE = {"output_frame": "base", "base.frame": "dock", "tf.timeout": 0.05}


def _transform(
    rig: Rig, parent: str, child: str, *, x: float = 0.0, w: float = 1.0
) -> TransformStamped:
    transform = TransformStamped(child_frame_id=child)
    transform.header.frame_id = parent
    stamp_message(transform.header.stamp, rig.stamp)
    transform.transform.translation.x = x
    transform.transform.rotation.w = w
    return transform


def _static(rig: Rig, *transforms: TransformStamped) -> None:
    """Broadcast as of now, latched; ``forget`` takes the broadcaster away."""
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    rig.other = rig.tester.create_publisher(TFMessage, "/tf_static", qos)
    rig.other.publish(TFMessage(transforms=transforms))


def _claimed(rig: Rig) -> None:
    """Another node that makes our child its own, on /tf."""
    rig.publish("/tf", TFMessage(transforms=[_transform(rig, "elsewhere", CHILD)]))
    rig.send_until(lambda: "elsewhere" in rig.says())


def _reset(rig: Rig) -> None:
    assert rig.call(Trigger, "/geloc3r/reset", Trigger.Request()).success


def _linked(
    words: str, parent: str, child: str, *, x: float, w: float = 1.0
) -> Callable[[Rig], None]:
    """Sets while this transform is static, until the node says these words."""

    def inject(rig: Rig) -> None:
        _static(rig, _transform(rig, parent, child, x=x, w=w))
        time.sleep(0.2)
        rig.send_until(lambda: words in rig.value("last error"))

    return inject


def _forget(rig: Rig) -> None:
    rig.tester.destroy_publisher(rig.other)


def _flood(rig: Rig) -> None:
    """Thousands of transforms of others, while sets come."""
    for k in range(20):
        names = [f"frame_{k}_{i}" for i in range(500)]
        rig.publish("/tf", TFMessage(transforms=[_transform(rig, "map", n) for n in names]))
    rig.recover()


def _unseen(rig: Rig) -> None:
    rig.send_until(lambda: rig.counted("sets refused"))


def _refused(words: str) -> tuple[Observation, ...]:
    return Counted("sets refused"), Tells("last error", words)


def _by_scale(name: str, x: float, words: str) -> Fault:
    return Fault(
        f"scale from TF, {name}",
        _linked(words, "left_optical", "right_optical", x=x),
        _refused(words),
        _forget,
        parameters=SCALE,
    )


MISSING = "transform left_optical <- right_optical"
FRAME_FAULTS = (
    Fault(
        "another node makes the child frame its own",
        _claimed,
        (Says("TF stopped: someone else makes elsewhere the parent"), Answered()),
        _reset,
    ),
    Fault("10 000 transforms of others", _flood, (Answered(),)),
    Fault("scale from TF, no such transform", _unseen, _refused("no transform"), parameters=SCALE),
    _by_scale("cameras in one place", 0.0, "the distance of the cameras is 0 m"),
    _by_scale("translation NaN", math.nan, MISSING),
    _by_scale("translation infinite", math.inf, MISSING),
    _by_scale("translation of 10^300 m", 1e300, "numbers beyond 1e+09"),
    Fault("base frame without transform", _unseen, _refused("no transform"), parameters=BASE),
    Fault(
        "base frame with a quaternion of zeros",
        _linked("transform dock <- left_optical", "dock", "left_optical", x=0.0, w=0.0),
        _refused("transform dock <- left_optical"),
        _forget,
        parameters=BASE,
    ),
)
