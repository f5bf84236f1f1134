# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network does on a GPU, recorded once and launched as one.

The network is a thousand small operations or more. Launched one by one they can take the host
longer than the GPU takes to compute them, the more so on a small host such as a Jetson.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from threading import Lock

import torch
from torch import Tensor

__all__ = ["Compute", "Recordings"]

Compute = Callable[..., tuple[Tensor, ...]]

MOST = 8
"""Recordings in all; each keeps what it computes with in the GPU's memory."""

UNLIKE = 0.01
"""How far a replay may lie from what was recorded, as a share of the greatest number in it.

Kernels may be chosen otherwise, and half precision rounds; a recording that reads what is no
longer there is not near.
"""

log = logging.getLogger(__name__)


class Recordings:
    """Runs functions of tensors on one GPU, each recorded when it first runs on such shapes.

    A recording is replayed on what it was recorded with, and counts if that comes out again. If
    not, or if the function cannot be recorded, or there are ``MOST``, it is run as it stands.
    """

    def __init__(self) -> None:
        self._graphs: dict[Hashable, _Graph | None] = {}
        self._lock = Lock()

    def run(self, key: Hashable, compute: Compute, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute; the results are the caller's to keep.

        Args:
            key: What else than the shapes of the inputs decides what ``compute`` does. Their
                values may not, and the host may not wait for any.
            compute: The function. Of equal keys and shapes the first that came is recorded.
            inputs: What it is given.
        """
        key = (key, *(x.shape for x in inputs))
        with self._lock:  # the places that a graph reads from and writes to are its only ones
            if key not in self._graphs and len(self._graphs) < MOST:
                self._graphs[key] = _recorded(compute, inputs)
            graph = self._graphs.get(key)
            if graph is not None:
                return graph.replay(inputs)
        return compute(*inputs)


def _recorded(compute: Compute, inputs: tuple[Tensor, ...]) -> _Graph | None:
    """A recording that was checked; None, with a warning, where there can be none."""
    try:
        graph = _Graph(compute, inputs)
        expected, found = compute(*inputs), graph.replay(inputs)
    except RuntimeError as error:  # lack of memory too: as it stands it takes less
        log.warning("no CUDA graph, which would be faster: %s", str(error).splitlines()[0])
        if isinstance(error, torch.cuda.OutOfMemoryError):
            torch.cuda.empty_cache()
        return None
    if not all(map(_alike, expected, found)):
        log.warning("no CUDA graph, which would be faster: its results were others")
        return None
    return graph


class _Graph:
    """A recording, with the tensors that it reads and those that it writes."""

    def __init__(self, compute: Compute, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(x.clone() for x in inputs)
        # What is chosen, kept or loaded at a first run must be so before one is recorded, and that
        # run must be on another stream than the usual one.
        usual = torch.cuda.current_stream(inputs[0].device)
        stream = torch.cuda.Stream(inputs[0].device)
        stream.wait_stream(usual)
        with torch.cuda.stream(stream):
            for _ in range(2):
                compute(*self._inputs)
        usual.wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        try:
            # Other threads of the process may go on using the GPU meanwhile.
            with torch.cuda.graph(self._graph, stream=stream, capture_error_mode="thread_local"):
                self._outputs = compute(*self._inputs)
        finally:
            torch.cuda.set_stream(usual)  # which a capture that fails leaves undone

    def replay(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Compute from inputs of the shapes recorded."""
        for place, x in zip(self._inputs, inputs, strict=True):
            place.copy_(x)
        self._graph.replay()
        return tuple(x.clone() for x in self._outputs)


def _alike(expected: Tensor, found: Tensor) -> bool:
    """Whether two results are the same but for rounding; False for NaN."""
    expected, found = expected.double(), found.double()
    return bool((found - expected).abs().amax() <= UNLIKE * expected.abs().amax())
