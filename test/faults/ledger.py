# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was sent to the node, and whether what it publishes follows from that."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from geloc3r_ros.evaluation.messages import stamp_of, transform_of
from geloc3r_ros.geometry import angle_between, rotation_angle
from geloc3r_ros.inference import RelativePoseEstimator

__all__ = ["Ledger"]

# The same network on the same input, in a process with another number of threads.
TOLERANCE = 1e-4
# camera_info and images travel on topics of their own: which of the two comes first is open.
UNDERWAY_SECONDS = 5.0
KEPT = 2000


class Sent(NamedTuple):
    """A set as it left: its place in the order of all, its images, and when that was."""

    order: int
    images: tuple[Any, ...]
    at: float


class Ledger:
    """Checks every RelativePose against a recomputation from the images that were sent.

    A pose counts as wrong if no set of its stamp was sent, if one of a later set came before,
    if a number in it is not finite, or if the estimator says something else of these images.
    Lengths are left out, they are not the network's.

    Args:
        size: (width, height) of the images that camera_info is for.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._shape = size[::-1]
        self._estimator = RelativePoseEstimator.load("tiny", device="cpu", precision="fp32")
        self._lock = threading.Lock()
        self._sent: OrderedDict[int, Sent] = OrderedDict()
        self._known: dict[tuple, Any] = {}
        self._intrinsics: list[tuple[float, Any]] = [(0.0, None)]
        self._orders = 0
        self._newest = -1
        self.checks = True
        self.right = 0
        self.wrong: list[str] = []
        self.answered: set[int] = set()

    def intrinsics(self, Ks: Any) -> None:
        """Note the K of both cameras, (2, 3, 3) or None, that were just sent."""
        with self._lock:
            self._intrinsics.append((time.monotonic(), Ks))
            del self._intrinsics[:-50]

    def expect(self, stamp: int, images: tuple[Any, ...]) -> None:
        """Note the images (RGB) of a set that is about to be sent."""
        with self._lock:
            self._sent.pop(stamp, None)
            self._sent[stamp] = Sent(self._orders, images, time.monotonic())
            self._orders += 1
            self.answered.discard(stamp)
            while len(self._sent) > KEPT:
                self.answered.discard(self._sent.popitem(last=False)[0])

    def take(self, message: Any) -> None:
        """Check a RelativePose, unless ``checks`` is off."""
        if not self.checks:
            return
        stamp = stamp_of(message)
        with self._lock:
            fault = self._fault(stamp, message)
            if fault:
                self.wrong.append(f"pose of stamp {stamp}: {fault}")
            else:
                self.right += 1
                self.answered.add(stamp)

    def _fault(self, stamp: int, message: Any) -> str:
        sent = self._sent.get(stamp)
        if sent is None:
            return "no such set was sent"
        if sent.order <= self._newest:
            return "a later set was answered before"
        self._newest = sent.order
        T = transform_of(message.pose.pose)
        if not (np.isfinite(T).all() and np.isfinite(message.pose.covariance).all()):
            return "a number in it is not finite"
        if not message.valid and "not finite" in message.reason:
            return ""
        if not any(self._agrees(T, self._estimate(sent.images, Ks)) for Ks in self._usable(sent)):
            return f"the estimator says something else than\n{T}"
        return ""

    def _usable(self, sent: Sent) -> list[Any]:
        """The K that the node may use for a set; None is to guess."""
        if any(image.shape[:2] != self._shape for image in sent.images):
            return [None]
        # What was sent after the set may have come before the node got to it.
        arrived = sent.at - UNDERWAY_SECONDS
        settled = [Ks for at, Ks in self._intrinsics if at < arrived]
        counting = settled[-1:] + [Ks for at, Ks in self._intrinsics if at >= arrived]
        known = [Ks for Ks in counting if Ks is not None]
        # The newer of one camera may have come, and that of the other not yet.
        mixed = [np.array([left, right]) for (left, _), (_, right) in product(known, repeat=2)]
        return mixed + [None] * (len(known) < len(counting))

    def _estimate(self, images: tuple[Any, ...], Ks: Any) -> Any:
        key = (*map(id, images), None if Ks is None else np.asarray(Ks).tobytes())
        if key not in self._known:
            if len(self._known) > KEPT:
                self._known.clear()
            T_1_2 = self._estimator.estimate(*images, *((None, None) if Ks is None else Ks)).T_1_2
            # The images are kept, or another could come to have their id.
            self._known[key] = (T_1_2, images)
        return self._known[key][0]

    @staticmethod
    def _agrees(T: Any, expected: Any) -> bool:
        angle = rotation_angle(T[:3, :3].T @ expected[:3, :3])
        if np.linalg.norm(T[:3, 3]) == 0.0:
            return bool(angle < TOLERANCE)
        return bool(max(angle, angle_between(T[:3, 3], expected[:3, 3])) < TOLERANCE)
