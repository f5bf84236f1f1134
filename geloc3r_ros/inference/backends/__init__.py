# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What runs the network: one file a runtime, all with the interface of :class:`Backend`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from geloc3r_ros.errors import ConfigError, WeightsError
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.backends.onnx import OnnxBackend
from geloc3r_ros.inference.backends.torch import TorchBackend
from geloc3r_ros.inference.exported import Size, is_export
from geloc3r_ros.inference.images import Image
from geloc3r_ros.model import WeightsInfo

__all__ = ["BACKENDS", "Backend", "load_backend"]


class Backend(Protocol):
    """A loaded network. ``device`` and ``precision`` are those in use, never ``auto``.

    An encoded view is opaque to the caller: it is got from ``encode`` and handed to ``decode``.
    """

    info: WeightsInfo
    device: str
    precision: str
    sizes: tuple[Size, ...]
    """Sizes of network images that it was made for; empty where it takes any."""
    sets_at_once: int
    """How many threads had best call it at once."""

    def __init__(self, weights: str, device: str, precision: str) -> None: ...

    def encode(self, images: Sequence[Image], focals: Sequence[float]) -> list[Any]:
        """Encode network images (h, w, 3), in one batch where their shapes are equal.

        Args:
            images: What the network sees.
            focals: Their focal lengths in pixels.
        """

    def decode(self, view1: Any, others: Sequence[Any]) -> tuple[Array, Array]:
        """Return the raw numbers (M, 12 or more) of ``T_2_1`` and of ``T_1_2`` for M pairs.

        View 1 is the same in all pairs; pairs whose views 2 are of one shape are one batch.
        """


BACKENDS: dict[str, type[Backend]] = {"torch": TorchBackend, "onnx": OnnxBackend}


def load_backend(name: str, weights: str, device: str, precision: str) -> Backend:
    """Load weights into the backend of this name.

    Raises:
        ConfigError: if there is no such backend.
        WeightsError: if the weights are an export, and the backend is not for one.
    """
    if name not in BACKENDS:
        raise ConfigError(f"backend '{name}' is not one of {', '.join(BACKENDS)}")
    if name != "onnx" and is_export(weights):
        raise WeightsError(f"{weights} is an exported network: take backend onnx, not {name}")
    return BACKENDS[name](weights, device, precision)
