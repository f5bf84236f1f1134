# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An exported network in onnxruntime, on a CPU, on a GPU, or compiled by TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from geloc3r_ros.environment import import_extra
from geloc3r_ros.errors import ConfigError, DeviceError, ImageError
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.backends.providers import MAX_BATCH, Providers
from geloc3r_ros.inference.backends.threads import computes_alone, sets_at_once
from geloc3r_ros.inference.backends.torch import places_by
from geloc3r_ros.inference.exported import (
    FOCAL,
    PIXELS,
    ExportedNetwork,
    Size,
    decoder_name,
    encoder_name,
)
from geloc3r_ros.inference.images import Image

__all__ = ["OnnxBackend"]

Tensors = dict[str, npt.NDArray[Any]]


class _View(NamedTuple):
    """Tensors of one encoded view, each with a first axis of length 1."""

    size: Size
    tensors: Tensors


class OnnxBackend:
    """The graphs that ``geloc3r export`` wrote, all loaded at once: none is compiled later.

    Args:
        weights: the folder of an export.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``tensorrt``,
            ``tensorrt:1``, ...
        precision: ``auto`` or ``fp32``.

    Raises:
        ConfigError: if onnxruntime is missing, or the precision is another.
        DeviceError: if the device does not exist, or not for this onnxruntime.
        WeightsError: if the folder is no export, or damaged.
    """

    precision = "fp32"

    def __init__(self, weights: str, device: str = "auto", precision: str = "auto") -> None:
        if precision not in ("auto", "fp32"):
            raise ConfigError(
                f"precision '{precision}' is not one of auto, fp32: exports are fp32"
            )
        runtime = import_extra("onnxruntime")
        self._network = ExportedNetwork.read(weights)
        self.info = self._network.info
        self.sizes = self._network.sizes
        providers = Providers(runtime, device, self._network)
        self._options = runtime.SessionOptions()
        self.sets_at_once = sets_at_once(providers.device, self.info.config)
        # One knob for both runtimes: OMP_NUM_THREADS and the CPU mask of the process.
        self._options.intra_op_num_threads = torch.get_num_threads()
        if computes_alone(providers.device, self.info.config):
            self._options.intra_op_num_threads = 1
        self._sessions = {
            name: providers.load(name, self._options) for name in self._network.inputs
        }
        self.device = providers.device

    def encode(self, images: Sequence[Image], focals: Sequence[float]) -> list[_View]:
        """Encode network images (h, w, 3), in one batch where their shapes are equal.

        Raises:
            ImageError: if the export has no graph for their size.
            DeviceError: if onnxruntime fails, as where the device is out of memory.
        """
        views: dict[int, _View] = {}
        for (height, width, _), places in places_by([image.shape for image in images]).items():
            size = width, height
            if size not in self.sizes:
                known = ", ".join("{}x{}".format(*known) for known in self.sizes)
                raise ImageError(
                    f"{self._network.folder} has graphs for network images of {known}, and this "
                    f"camera's become {width}x{height}: export again with --camera WIDTHxHEIGHT, "
                    "the size of its images"
                )
            tensors = self._run(
                encoder_name(size), {PIXELS: np.stack([images[i] for i in places])}
            )
            tensors[FOCAL] = np.array([focals[i] for i in places], np.float32)
            for row, place in enumerate(places):
                rows = {name: tensor[row : row + 1] for name, tensor in tensors.items()}
                views[place] = _View(size, rows)
        return [views[place] for place in range(len(images))]

    def decode(self, view1: _View, others: Sequence[_View]) -> tuple[Array, Array]:
        """Return the raw numbers (M, 12 or more) of ``T_2_1`` and of ``T_1_2`` for M pairs.

        Raises:
            DeviceError: if onnxruntime fails.
        """
        rows: dict[int, tuple[Array, Array]] = {}
        for size, places in places_by([view.size for view in others]).items():
            views2 = [others[i].tensors for i in places]
            given = {f"{name}1": x.repeat(len(places), 0) for name, x in view1.tensors.items()}
            given |= {f"{name}2": np.concatenate([v[name] for v in views2]) for name in views2[0]}
            found = self._run(decoder_name(view1.size, size), given)
            rows.update(zip(places, zip(found["raw_2_1"], found["raw_1_2"])))
        raw_2_1, raw_1_2 = zip(*(rows[place] for place in range(len(others))))
        return np.stack(raw_2_1), np.stack(raw_1_2)

    def _run(self, name: str, given: Tensors) -> Tensors:
        """Run a graph, in batches of the length that it was compiled for."""
        session = self._sessions[name]
        length = len(next(iter(given.values())))
        names = [output.name for output in session.get_outputs()]
        parts = []
        for start in range(0, length, MAX_BATCH):
            part = {name: x[start : start + MAX_BATCH] for name, x in given.items()}
            try:
                parts.append(session.run(names, part))
            except Exception as error:  # those of onnxruntime have no common base
                raise DeviceError(
                    f"onnxruntime failed on {self.device} in {name}: {error}; where memory is "
                    "short, end other programs, or take smaller weights or device cpu"
                ) from error
        return {name: np.concatenate(columns) for name, columns in zip(names, zip(*parts))}
