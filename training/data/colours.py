# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colour augmentation of photographs: another exposure, white balance and contrast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["jitter"]

GREY = np.array([0.299, 0.587, 0.114], np.float32)


def jitter(
    images: npt.NDArray[np.uint8], strength: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Change the colours of the views of a sample (V, H, W, 3): alike, and each a little more.

    Args:
        images: RGB.
        strength: 0 changes nothing; 1 changes brightness, contrast and saturation by up to about
            40 % and the balance of the channels by up to 10 %.
        rng: source of the choices.
    """
    if strength == 0:
        return images
    common = rng.uniform(-1, 1, 6)
    changed = []
    for image in images:
        draw = strength * (0.85 * common + 0.15 * rng.uniform(-1, 1, 6))
        gain = np.exp(0.4 * draw[0] + 0.1 * draw[1:4]).astype(np.float32)
        light = image * gain
        light = 128 + (light - 128) * np.float32(np.exp(0.35 * draw[4]))
        grey = (light @ GREY)[..., None]
        light = grey + (light - grey) * np.float32(np.exp(0.4 * draw[5]))
        changed.append(np.clip(np.rint(light), 0, 255).astype(np.uint8))
    return np.stack(changed)
