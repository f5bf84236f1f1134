# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured, and what a measurement says: plain data that goes to JSON and back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from geloc3r_ros.errors import ConfigError

__all__ = [
    "MODES",
    "PLAIN",
    "RANDOM",
    "STAGES",
    "START_UP",
    "Case",
    "Measurement",
    "cases_of",
    "without_baseline",
]

PLAIN = "plain"
"""Backend of the baseline: the network as its equations stand, one view after the other."""

RANDOM = ("large", "large-224")
"""Variants without weights of their own: random ones are made, for their speed is the same."""

MODES = ("pair", "stream")
STAGES = ("image", "preprocess", "upload", "encode", "decode", "head")
START_UP = ("interpreter", "torch", "package", "model", "first pose")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One setting; it is measured in a process of its own.

    Attributes:
        weights: name or file.
        backend: a backend of the estimator, or ``PLAIN``.
        precision: as the backend knows it, ``auto`` too.
        device: as the backend knows it.
        size: width and height of the images, in pixels.
        mode: ``pair``: both views are new; ``stream``: the first one was the last one's second.
        runs: how often it is measured.
    """

    weights: str
    backend: str
    precision: str
    device: str
    size: tuple[int, int]
    mode: str
    runs: int

    @property
    def label(self) -> str:
        """Weights, size, mode, backend and precision in a line."""
        width, height = self.size
        return f"{self.weights} {width}x{height} {self.mode} {self.backend} {self.precision}"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was found; times in seconds, one a run, memory in bytes.

    Attributes:
        case: the setting.
        device: device in use.
        precision: precision in use.
        threads: threads of torch.
        stages: times by names of ``STAGES``; those that cannot be told apart are missing.
        total: from RGB arrays to poses; the decoding of the image is not in it.
        poses: ``T_1_2`` (4, 4), of the first runs.
        start_up: times by names of ``START_UP``; their sum is from the start of the process.
        memory: resident after each of them.
        peak: the most that was resident.
        device_peak: the most that was allocated on a GPU, 0 on a CPU.
        arithmetic: operations of the network in one run.
        rate: operations a second of a large matrix product in the same precision and process.
        bandwidth: bytes a second that a copy reads and writes.
        weight_bytes: size of the weights in memory.
    """

    case: Case
    device: str
    precision: str
    threads: int
    stages: dict[str, list[float]]
    total: list[float]
    poses: list[list[list[float]]]
    start_up: dict[str, float]
    memory: dict[str, int]
    peak: int
    device_peak: int
    arithmetic: float
    rate: float
    bandwidth: float
    weight_bytes: int

    @property
    def network(self) -> list[float]:
        """Times of upload, encoder, decoder and head together."""
        parts = [self.stages[name] for name in STAGES[2:] if name in self.stages]
        return [sum(times) for times in zip(*parts, strict=True)]

    @property
    def floor(self) -> float:
        """Least time of the network: its arithmetic at the rate, or its weights read once."""
        return max(self.arithmetic / self.rate, self.weight_bytes / self.bandwidth)


def cases_of(
    *,
    weights: Sequence[str],
    backends: Sequence[str],
    precisions: Sequence[str],
    sizes: Sequence[str],
    modes: Sequence[str],
    device: str,
    runs: int,
) -> list[Case]:
    """All combinations, the baseline of each weights and size first; an export has none.

    Raises:
        ConfigError: if a size is not WIDTHxHEIGHT or there are no runs.
    """
    if runs < 1:
        raise ConfigError(f"{runs} runs; at least 1 is needed")
    cases = []
    for name, size in itertools.product(weights, map(_size, sizes)):
        baseline = [] if without_baseline(name) else [(PLAIN, "fp32", "pair")]
        settings = [*baseline, *itertools.product(backends, precisions, modes)]
        cases += [
            Case(
                weights=name, backend=backend, precision=precision, device=device,
                size=size, mode=mode, runs=runs,
            )
            for backend, precision, mode in settings
        ]  # fmt: skip
    return cases


def without_baseline(weights: str) -> bool:
    """Whether these are a folder of graphs: only weights have a baseline."""
    from geloc3r_ros.inference.exported import is_export

    return weights not in RANDOM and is_export(weights)


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.split("x"))
    except ValueError as error:
        raise ConfigError(f"size '{text}' is not WIDTHxHEIGHT, such as 640x480") from error
    if min(width, height) < 1:
        raise ConfigError(f"size '{text}' has no pixels; both sides must be at least 1")
    return width, height
