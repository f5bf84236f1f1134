# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Timed runs of the estimator, and of the network as its equations stand."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

import geloc3r_ros
from geloc3r_ros.bench import plain
from geloc3r_ros.bench.cases import Case
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference import PoseEstimate, PoseStream, RelativePoseEstimator, read_image
from geloc3r_ros.inference.backends.torch import TorchBackend
from geloc3r_ros.inference.images import Image
from geloc3r_ros.inference.messages import decode_compressed
from geloc3r_ros.inference.preprocess import frame
from geloc3r_ros.model import GeLoc3r
from geloc3r_ros.model.pose_head import pose_from_raw_on_host

__all__ = ["EstimatorRuns", "PlainRuns", "Run", "read_pictures"]

PICTURES = Path(geloc3r_ros.__file__).parent / "demo" / "stereo"


class Run(NamedTuple):
    """Seconds by stage, seconds from RGB to the pose, and the pose (4, 4)."""

    stages: dict[str, float]
    total: float
    T_1_2: Array


def read_pictures(size: tuple[int, int], most: int) -> list[tuple[bytes, bytes]]:
    """The first stereo pairs of the demo's recording as JPEG files of this width and height."""
    pairs = zip(
        sorted(PICTURES.glob("left*.jpg")), sorted(PICTURES.glob("right*.jpg")), strict=True
    )
    return [(_jpeg(left, size), _jpeg(right, size)) for left, right in list(pairs)[:most]]


def _jpeg(path: Path, size: tuple[int, int]) -> bytes:
    image = cv2.resize(read_image(path), size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", image)[1])


def _decoded(jpeg: bytes) -> Image:
    """As the node decodes a compressed image."""
    return decode_compressed(SimpleNamespace(data=jpeg, format="jpeg"))


class EstimatorRuns:
    """Runs of the estimator; on a CPU upload and head are told apart where there is a module.

    On a GPU they are parts of what it does at once, and a watch between them would change it.
    """

    def __init__(self, case: Case) -> None:
        self._estimator = RelativePoseEstimator.load(
            case.weights, device=case.device, precision=case.precision, backend=case.backend
        )
        self._stream = PoseStream(self._estimator) if case.mode == "stream" else None
        self.config = self._estimator.info.config
        self.device, self.precision = self._estimator.device, self._estimator.precision
        self.new_views = 2 if self._stream is None else 1
        network = getattr(self._estimator.backend, "network", None)
        watched = network if self.device == "cpu" else None
        self._stopwatch = None if watched is None else _Stopwatch(watched)
        self.weight_bytes = 0 if network is None else _weight_bytes(network)

    def run(self, jpegs: tuple[bytes, bytes]) -> Run:
        """Time a pair, or the first of the images as the next frame of the stream."""
        start = perf_counter()
        rgbs = [_decoded(jpeg) for jpeg in jpegs[: self.new_views]]
        decoded = perf_counter()
        estimate = self._estimate(rgbs)
        latency = estimate.latency
        stages = {
            "image": decoded - start,
            "preprocess": latency.preprocess,
            "encode": latency.encode,
            "decode": latency.decode,
        }
        if self._stopwatch is not None:
            upload, head = self._stopwatch.read(decoded + latency.preprocess)
            stages |= {
                "upload": upload,
                "encode": latency.encode - upload,
                "decode": latency.decode - head,
                "head": head,
            }
        return Run(stages, latency.total, estimate.T_1_2)

    def _estimate(self, rgbs: list[Image]) -> PoseEstimate:
        if self._stream is None:
            self._estimator.clear_cache()
            return self._estimator.estimate(*rgbs)
        estimate = None
        while estimate is None:  # the first frame has none before it
            estimate = self._stream.add(rgbs[0])
        return estimate


class _Stopwatch:
    """Tells when the network images are uploaded and how long the head takes."""

    def __init__(self, network: GeLoc3r) -> None:
        self._uploaded = self._head_started = self._head = 0.0
        network.patch_embed.register_forward_pre_hook(self._note_upload)
        network.pose_head.register_forward_pre_hook(self._note_head)
        network.pose_head.register_forward_hook(self._add_head)

    def read(self, encode_started: float) -> tuple[float, float]:
        """Seconds of upload and head since the last call."""
        head, self._head = self._head, 0.0
        return self._uploaded - encode_started, head

    def _note_upload(self, *_: Any) -> None:
        self._uploaded = perf_counter()

    def _note_head(self, *_: Any) -> None:
        self._head_started = perf_counter()

    def _add_head(self, *_: Any) -> None:
        self._head += perf_counter() - self._head_started


class PlainRuns:
    """Runs of the baseline: eager, one view after the other, fp32 on a CPU and fp16 on a GPU.

    For the design of ReLoc3R its equations are those of :mod:`geloc3r_ros.bench.plain`.
    """

    new_views = 2

    def __init__(self, case: Case) -> None:
        on_gpu = case.device != "cpu" and torch.cuda.is_available()
        backend = TorchBackend(case.weights, case.device, "fp16" if on_gpu else "fp32")
        self._network = backend.network
        self._weights = self._network.state_dict()
        self.config = backend.info.config
        self.device, self.precision = backend.device, backend.precision
        self.weight_bytes = _weight_bytes(self._network)

    @torch.inference_mode()
    def run(self, jpegs: tuple[bytes, bytes]) -> Run:
        """Time a pair."""
        times = [perf_counter()]
        rgbs = [_decoded(jpeg) for jpeg in jpegs]
        times.append(perf_counter())
        pixels = [frame(rgb.shape[1], rgb.shape[0], self.config).pixels(rgb) for rgb in rgbs]
        times.append(perf_counter())
        images = [torch.tensor(p, device=self.device).permute(2, 0, 1)[None] for p in pixels]
        if self.config.design == "reloc3r":
            T_1_2 = self._by_the_equations(*images)
        else:
            T_1_2 = self._by_the_network(*images)
        times.append(perf_counter())
        stages = dict(zip(("image", "preprocess", "encode"), np.diff(times).tolist()))
        return Run(stages, times[-1] - times[1], T_1_2)

    def _by_the_equations(self, image1: Tensor, image2: Tensor) -> Array:
        image1, image2 = (x / 127.5 - 1 for x in (image1, image2))
        if self.precision == "fp16":
            image1, image2 = image1.half(), image2.half()
        _, T_1_2 = plain.poses(self.config, self._weights, image1, image2)
        return T_1_2[0].double().cpu().numpy()

    def _by_the_network(self, image1: Tensor, image2: Tensor) -> Array:
        view1, view2 = (self._network.encode(x / 127.5 - 1) for x in (image1, image2))
        _, raw_1_2 = self._network.decode(view1, view2)
        return pose_from_raw_on_host(raw_1_2[0].cpu().numpy())


def _weight_bytes(network: GeLoc3r) -> int:
    return sum(tensor.nbytes for tensor in network.state_dict().values())
