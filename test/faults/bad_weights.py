# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that must not be loaded, and must not harm whoever tries."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from geloc3r_ros.model import load_weights, save_weights

__all__ = ["bad_weights"]


class _Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self._mark),)


def bad_weights(folder: Path) -> dict[str, Path]:
    """Write one file a kind; return the paths by kind, and ``mark``, which no load may make."""
    paths = {
        kind: folder / f"{kind}.safetensors"
        for kind in ("missing", "empty", "truncated", "not_finite", "other", "folder")
    }
    paths |= {"malicious": folder / "malicious.pth", "mark": folder / "mark"}
    network, info = load_weights("tiny")
    whole = folder / "whole.safetensors"
    save_weights(whole, network, info)
    with safe_open(whole, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    name = next(iter(tensors))
    save_file({**tensors, name: tensors[name] * torch.nan}, paths["not_finite"], metadata)
    save_file({n: t for n, t in tensors.items() if n != name}, paths["other"], metadata)
    data = whole.read_bytes()
    paths["empty"].write_bytes(b"")
    paths["truncated"].write_bytes(data[: len(data) // 2])
    paths["folder"].mkdir()
    torch.save({"model": _Bomb(paths["mark"])}, paths["malicious"])
    return paths
