# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime runs a graph on: its execution providers, and the engines TensorRT builds.

An engine is built for one GPU by one release of TensorRT, in minutes, so it is kept: under
``~/.cache/geloc3r_ros/tensorrt/KEY`` (or ``$XDG_CACHE_HOME``), where KEY tells apart graphs,
releases and GPUs, and ``key.json`` says which they are.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import json
import logging
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from geloc3r_ros.errors import DeviceError, WeightsError
from geloc3r_ros.inference.exported import BATCH, ExportedNetwork, InputShapes

__all__ = ["MAX_BATCH", "Providers", "engine_folder", "profile"]

CPU, CUDA, TENSORRT = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt"))
DEVICES = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}

MAX_BATCH = 8
"""Views or pairs at once, at most; TensorRT must know."""

log = logging.getLogger(__name__)


class Providers:
    """Load graphs onto a device.

    Attributes:
        device: ``cpu``, ``cuda:N`` or ``tensorrt:N``, as it is in use.
    """

    def __init__(self, runtime: ModuleType, device: str, network: ExportedNetwork) -> None:
        match = re.fullmatch(r"auto|cpu|(?:cuda|tensorrt)(?::(\d+))?", device)
        if match is None:
            raise DeviceError(
                f"device '{device}' is not auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N"
            )
        self._runtime, self._network, self._index = runtime, network, int(match[1] or 0)
        kind = device.partition(":")[0]
        available = runtime.get_available_providers()
        if kind == "auto":
            kind = "cuda" if CUDA in available and _gpu_name(0) else "cpu"
            if kind == "cpu":
                log.info("device auto: no GPU that onnxruntime can use, so it runs on the CPU")
        if DEVICES[kind] not in available:
            raise DeviceError(
                f"device '{device}' needs the {DEVICES[kind]}, and onnxruntime "
                f"{runtime.__version__} of {sys.executable} has {', '.join(available)}: install "
                "an onnxruntime-gpu for this machine in place of onnxruntime, or take device cpu"
            )
        self._provider = DEVICES[kind]
        self.device = kind if kind == "cpu" else f"{kind}:{self._index}"

    def load(self, name: str, options: Any) -> Any:
        """Load one graph.

        Raises:
            DeviceError: if it does not run on the device.
            WeightsError: if this onnxruntime cannot load it.
        """
        try:
            session = self._runtime.InferenceSession(
                self._network.folder / name, options, providers=self._chain(name)
            )
        except Exception as error:  # those of onnxruntime have no common base
            raise WeightsError(
                f"onnxruntime {self._runtime.__version__} cannot load "
                f"{self._network.folder / name} on {self.device}: {error}"
            ) from error
        if self._provider not in session.get_providers():
            raise DeviceError(
                f"onnxruntime fell back to the CPU: a library of {self._provider} does not load, "
                "its log above says which. They must be of the CUDA and TensorRT releases that "
                f"onnxruntime {self._runtime.__version__} was built for"
            )
        return session

    def _chain(self, name: str) -> list[Any]:
        """Providers in order of preference: what one cannot run falls to the next."""
        if self._provider == CPU:
            return [CPU]
        index = {"device_id": str(self._index)}
        if self._provider == CUDA:
            return [(CUDA, index), CPU]
        folder = engine_folder(
            {
                "network": self._network.hash,
                "onnxruntime": self._runtime.__version__,
                "tensorrt": _tensorrt_version(),
                "gpu": _gpu_name(self._index),
            }
        )
        caches = {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(folder),
        }
        shapes = profile(self._network.inputs[name])
        log.info("TensorRT takes minutes for %s the first time; engines in %s", name, folder)
        return [(TENSORRT, index | caches | shapes), (CUDA, index), CPU]


def profile(inputs: InputShapes) -> dict[str, str]:
    """Options that tell TensorRT how long a batch is: 1 to MAX_BATCH, most often 1."""

    def shapes(batch: int) -> str:
        return ",".join(
            f"{name}:{'x'.join(str(batch if side == BATCH else side) for side in shape)}"
            for name, shape in inputs.items()
        )

    return {
        "trt_profile_min_shapes": shapes(1),
        "trt_profile_opt_shapes": shapes(1),
        "trt_profile_max_shapes": shapes(MAX_BATCH),
    }


def engine_folder(key: dict[str, str]) -> Path:
    """Make and return the folder for engines that only fit where all of ``key`` is the same.

    Raises:
        DeviceError: if it cannot be made.
    """
    text = json.dumps(key, sort_keys=True, indent=1)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "geloc3r_ros" / "tensorrt" / hashlib.sha256(text.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise DeviceError(
            f"engines of TensorRT cannot be kept in {folder}: {error}; set XDG_CACHE_HOME to a "
            "folder that can be written"
        ) from error
    return folder


def _gpu_name(index: int) -> str:
    """Name of a GPU and release of its driver; empty where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ""
    device, version, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), index)
        or driver.cuDeviceGetName(name, len(name), device)
        or driver.cuDriverGetVersion(ctypes.byref(version))
    )
    return "" if failed else f"{name.value.decode()}, CUDA {version.value}"


def _tensorrt_version() -> str:
    """Release of TensorRT, as its library tells; empty where the linker does not find it."""
    library = ctypes.util.find_library("nvinfer")
    return str(ctypes.CDLL(library).getInferLibVersion()) if library else ""
