# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in PyTorch, on a CPU or a GPU."""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geloc3r_ros.errors import ConfigError, DeviceError
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.backends.graphs import Compute, Recordings
from geloc3r_ros.inference.backends.int8 import use_int8
from geloc3r_ros.inference.backends.threads import computes_alone, sets_at_once
from geloc3r_ros.inference.images import Image
from geloc3r_ros.model import EncodedView, ModelConfig, load_weights, read_info
from geloc3r_ros.model.precision import computes_bf16

__all__ = ["TorchBackend", "places_by"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
INT8 = "int8"

log = logging.getLogger(__name__)


class TorchBackend:
    """A network of :mod:`geloc3r_ros.model` with its weights in the precision it computes in.

    Args:
        weights: a name or path that :func:`geloc3r_ros.model.load_weights` takes.
        device: ``auto`` (the GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ...
        precision: ``auto``, ``fp32``, ``bf16``, ``fp16``, or ``int8``: the products of wide layers
            in int8 and the rest as in ``auto``, on a CPU alone.

    Raises:
        DeviceError: if the device does not exist.
        ConfigError: if the precision is unknown, or int8 where it cannot be.
        WeightsError: if the weights cannot be loaded.
    """

    sizes: tuple[tuple[int, int], ...] = ()

    def __init__(self, weights: str, device: str = "auto", precision: str = "auto") -> None:
        self._device = _select_device(device)
        precisions = (*DTYPES, INT8)
        if precision not in ("auto", *precisions):
            raise ConfigError(
                f"precision '{precision}' is not one of auto, {', '.join(precisions)}"
            )
        if precision == INT8 and self._device.type != "cpu":
            raise ConfigError(f"precision int8 is for a CPU; on {self._device} take auto")
        best = _best_precision(self._device, read_info(weights).config)
        self.device = str(self._device)
        self.precision = best if precision == "auto" else precision
        dtype = DTYPES[best if precision == INT8 else self.precision]
        with self._memory_errors_explained():
            self.network, self.info = load_weights(
                weights, dtype=torch.float32 if precision == INT8 else dtype, device=self._device
            )
        if precision == INT8:
            use_int8(self.network)
            self.network.to(dtype)
        self.network.eval().requires_grad_(False)
        self._alone = computes_alone(self.device, self.info.config)
        self._usual_threads = torch.get_num_threads()
        self._recordings = Recordings() if self._device.type == "cuda" else None
        self.sets_at_once = sets_at_once(self.device, self.info.config)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image], focals: Sequence[float]) -> list[EncodedView]:
        """Encode network images (h, w, 3), in one batch where their shapes are equal."""
        views: dict[int, EncodedView] = {}
        with self._threads(), self._memory_errors_explained():
            for places in places_by([image.shape for image in images]).values():
                batch = self._upload(np.stack([images[i] for i in places]))
                focal = self._upload(np.array([focals[i] for i in places], np.float32))
                height, width = batch.shape[1:3]
                patch = self.info.config.patch_size
                encoded = EncodedView.of_tensors(
                    self._run("encode", self._encode, batch, focal),
                    (height // patch, width // patch),
                )
                for row, place in enumerate(places):
                    views[place] = encoded.of(slice(row, row + 1))
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)  # or the time would be booked on decode
        return [views[place] for place in range(len(images))]

    @torch.inference_mode()
    def decode(self, view1: EncodedView, others: Sequence[EncodedView]) -> tuple[Array, Array]:
        """Return the raw numbers (M, 12 or more) of ``T_2_1`` and of ``T_1_2`` for M pairs."""
        found: dict[int, tuple[Array, Array]] = {}
        with self._threads(), self._memory_errors_explained():
            for grid, places in places_by([view.grid for view in others]).items():
                views1 = EncodedView.cat([view1] * len(places))
                views2 = EncodedView.cat([others[i] for i in places])
                grids = (view1.grid, grid)
                decode = partial(self.network.decode_tensors, grids)
                sides = self._run(grids, decode, *views1.tensors, *views2.tensors)
                rows = (side.double().cpu().numpy() for side in sides)
                found.update(zip(places, zip(*rows)))
        raw_2_1, raw_1_2 = zip(*(found[place] for place in range(len(others))))
        return np.stack(raw_2_1), np.stack(raw_1_2)

    def _encode(self, batch: Tensor, focal: Tensor) -> tuple[Tensor, ...]:
        """Encode a batch of network images (B, h, w, 3), uint8."""
        return self.network.encode_pixels(batch, focal).tensors

    def _run(self, key: Hashable, compute: Compute, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute, on a GPU by a recording of it."""
        if self._recordings is None:
            return compute(*inputs)
        return self._recordings.run(key, compute, *inputs)

    def _upload(self, array: npt.NDArray[Any]) -> Tensor:
        """Bring an array to the device; to a GPU from memory that it can fetch from by itself."""
        tensor = torch.from_numpy(array)
        if self._device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Compute in the caller's thread alone, where that is best."""
        if not self._alone:
            yield
            return
        # A thread that is new begins with the number that another one set, so that what it was
        # before must not be asked here.
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(self._usual_threads)

    @contextmanager
    def _memory_errors_explained(self) -> Iterator[None]:
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not _is_lack_of_memory(error):
                raise
            torch.cuda.empty_cache()
            raise DeviceError(
                f"{self.device} ran out of memory in precision {self.precision}: end other "
                "programs on it, take precision fp16, smaller weights (tiny), or device cpu"
            ) from error


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether an error means that; PyTorch has no type of its own for the host's memory."""
    known = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    return known or "can't allocate memory" in str(error)


def _select_device(name: str) -> torch.device:
    """Return the device of a name, or say why there is none."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        log.info("device auto: no GPU that PyTorch can use, so the network runs on the CPU")
        return torch.device("cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise DeviceError(f"device '{name}' is not auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        built = "" if torch.version.cuda else "; this PyTorch was built without CUDA"
        raise DeviceError(
            f"device '{name}' does not exist, {torch.cuda.device_count()} CUDA devices were "
            f"found{built}: take auto or cpu"
        )
    return device


def _best_precision(device: torch.device, config: ModelConfig) -> str:
    """Return the fastest precision that the device computes natively and the network bears.

    bf16 rather than fp16 where there is both: its range is that of fp32, nothing overflows. Design
    ``matching`` stays in fp32: in bf16 it picks other matches, and many small operations gain
    nothing.
    """
    if config.design == "matching":
        return "fp32"
    if computes_bf16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "fp32"


Key = TypeVar("Key", bound=Hashable)


def places_by(keys: Sequence[Key]) -> dict[Key, list[int]]:
    """Group the positions of equal keys, in order of first appearance."""
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return places
