# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses along the frames of one moving camera."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.inference.estimator import PreparedView, RelativePoseEstimator
from geloc3r_ros.inference.images import Image
from geloc3r_ros.inference.pose import PoseEstimate

__all__ = ["PoseStream"]

MOST_STEPS = 1000
"""Frames that one lies back at most; so many are held in memory."""


class PoseStream:
    """The pose of each frame of a camera in an earlier one; each is prepared and encoded once.

    Frames of another size or other intrinsics than those before begin the stream anew.

    Args:
        estimator: what estimates; its cache must hold ``2 * step`` views to encode each once.
        step: how many frames the earlier one lies back.

    Raises:
        ConfigError: if ``step`` is less than 1 or more than ``MOST_STEPS``.
    """

    def __init__(self, estimator: RelativePoseEstimator, step: int = 1) -> None:
        if not 1 <= step <= MOST_STEPS:
            raise ConfigError(
                f"step is {step}; a frame is compared with one 1 to {MOST_STEPS} before it"
            )
        self._estimator = estimator
        self._views: deque[PreparedView] = deque(maxlen=step)
        self._camera: tuple[Any, ...] = ()

    def add(self, rgb: Image, K: npt.ArrayLike | None = None) -> PoseEstimate | None:
        """Take the next frame (2) and estimate ``T_1_2``, its pose in the earlier one (1).

        Args:
            rgb: RGB or grey, uint8 (H, W, 3) or (H, W).
            K: intrinsics (3, 3), in pixels.

        Returns:
            The estimate; None for the first ``step`` frames.

        Raises:
            ImageError, DeviceError: as :meth:`RelativePoseEstimator.estimate`.
        """
        start = perf_counter()
        (view,) = self._estimator.prepare([rgb], None if K is None else [K])
        camera = (rgb.shape[:2], None if K is None else np.asarray(K, float).tobytes())
        if camera != self._camera:
            self._views.clear()
            self._camera = camera
        estimate = None
        if len(self._views) == self._views.maxlen:
            prepared = perf_counter() - start
            (estimate,) = self._estimator.estimate_prepared([self._views[0], view], prepared)
        self._views.append(view)
        return estimate
