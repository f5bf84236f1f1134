# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Named tensors in a file: ``.safetensors``, or a checkpoint of torch (``.pth``, ``.pt``)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from geloc3r_ros.errors import WeightsError

__all__ = ["SUFFIXES", "TensorFile", "read_header", "read_tensors"]

SUFFIXES = (".safetensors", ".pth", ".pt")
SAFETENSORS_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


class TensorFile(NamedTuple):
    """What a file holds."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_header(path: Path) -> TensorFile:
    """Read names, shapes and types of the tensors, which lie on the meta device.

    Raises:
        WeightsError: if the file is missing, damaged or of another kind.
    """
    return _read(path, "meta")


def read_tensors(path: Path, device: torch.device | str = "cpu") -> TensorFile:
    """Read the tensors. Code in a checkpoint is never run.

    Raises:
        WeightsError: if the file is missing, damaged, of another kind, or holds more than
            tensors and plain values.
    """
    return _read(path, str(device))


def _read(path: Path, device: str) -> TensorFile:
    if not path.is_file():
        raise WeightsError(f"weights {path} do not exist or are no file: check the path")
    if path.suffix == ".safetensors":
        return _read_safetensors(path, device)
    if path.suffix in SUFFIXES:
        return TensorFile(_read_checkpoint(path, device), {})
    raise WeightsError(
        f"weights {path} end in {path.suffix!r}; "
        f"files that can be read end in {', '.join(SUFFIXES)}"
    )


def _read_safetensors(path: Path, device: str) -> TensorFile:
    try:
        with safe_open(path, "pt", "cpu" if device == "meta" else device) as file:
            names = file.keys()
            if device == "meta":
                tensors = {name: _outline(file.get_slice(name)) for name in names}
            else:
                tensors = {name: file.get_tensor(name) for name in names}
            return TensorFile(tensors, file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _outline(part: Any) -> Tensor:
    dtype = SAFETENSORS_TYPES.get(part.get_dtype(), torch.uint8)
    return torch.empty(part.get_shape(), dtype=dtype, device="meta")


def _read_checkpoint(path: Path, device: str) -> dict[str, Tensor]:
    # Checkpoints of the DUSt3R family keep their command line beside the weights, as a Namespace.
    with torch.serialization.safe_globals([argparse.Namespace]):
        try:
            content: Any = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # a damaged pickle may raise anything
            if "Weights only load failed" in str(error):
                raise WeightsError(
                    f"weights {path} hold more than tensors, and loading them could run code of "
                    "its author: save the tensors alone, as safetensors, where you trust the file"
                ) from error
            raise _damaged(path, error) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(x, Tensor) for name, x in content.items()
    ):
        raise WeightsError(
            f"weights {path} hold no dictionary of tensors, at the top or under `model`: "
            "save `model.state_dict()`"
        )
    return content


def _damaged(path: Path, error: Exception) -> WeightsError:
    reason = str(error).partition("\n")[0]
    return WeightsError(
        f"weights {path} ({path.stat().st_size} bytes) are damaged: {reason}; "
        "copy or fetch the file again"
    )
