# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images in, relative poses out."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.inference.backends import Backend, load_backend
from geloc3r_ros.inference.images import Image, as_rgb
from geloc3r_ros.inference.pose import Calibration, Latency, PoseEstimate, pose_from_heads
from geloc3r_ros.inference.preprocess import RESAMPLINGS, Framing, frame, frame_alike
from geloc3r_ros.model import WeightsInfo, usual_focal

__all__ = ["PreparedView", "RelativePoseEstimator"]

log = logging.getLogger(__name__)


class PreparedView(NamedTuple):
    """A view as the network gets it.

    Attributes:
        pixels: network image, uint8 (h, w, 3).
        focal: its focal length in pixels; the usual one where the intrinsics are not known.
        digest: fingerprint of pixels and focal length.
        warning: what the user should know about its framing, or "".
    """

    pixels: Image
    focal: float
    digest: bytes
    warning: str


class RelativePoseEstimator:
    """Estimate relative camera poses; make one with :meth:`load`.

    Encoded views are remembered by their content, so a reference image, or the frame that was
    the newest a moment ago, is encoded once. Threads may share an estimator.

    Attributes:
        backend: the network, loaded.
        info: what its weights file says about itself.
        resampling: how images are resized, a key of ``RESAMPLINGS``.
    """

    def __init__(self, backend: Backend, resampling: str = "lanczos", cache_size: int = 8) -> None:
        if resampling not in RESAMPLINGS:
            raise ConfigError(f"resampling '{resampling}' is not one of {', '.join(RESAMPLINGS)}")
        self.backend = backend
        self.info: WeightsInfo = backend.info
        self.resampling = resampling
        self._calibration = Calibration.of_weights(self.info.calibration, self.info.trained)
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, Any] = OrderedDict()
        self._lock = Lock()
        if not self.info.trained:
            log.warning("%s: the weights are untrained, every pose is noise", self.info.name)

    @classmethod
    def load(
        cls,
        weights: str = "tiny",
        *,
        device: str = "auto",
        precision: str = "auto",
        backend: str = "torch",
        resampling: str = "lanczos",
        cache_size: int = 8,
    ) -> RelativePoseEstimator:
        """Load weights from the disk; nothing is downloaded.

        Args:
            weights: a variant that ships (``tiny``), a fetched hub name, or a file.
            device: ``auto`` (the GPU where there is one), ``cpu``, ``cuda``, ``cuda:1``, ...
            precision: ``auto`` (fast and safe on the device), ``fp32``, ``bf16``, ``fp16``, or
                ``int8`` (wide networks on a CPU).
            backend: what runs the network, a key of ``BACKENDS``.
            resampling: ``lanczos``, as in training, or ``area``, OpenCV's: as accurate, and
                faster only where torch is older than 2.13.
            cache_size: how many encoded views are kept.

        Raises:
            ConfigError, DeviceError, WeightsError: whatever of these does not exist.
        """
        return cls(load_backend(backend, weights, device, precision), resampling, cache_size)

    @property
    def weights_id(self) -> str:
        """Name of the weights, for logs and messages."""
        return self.info.name

    @property
    def trained(self) -> bool:
        """Whether the weights are trained; if not, every pose is noise."""
        return self.info.trained

    @property
    def device(self) -> str:
        """The device in use."""
        return self.backend.device

    @property
    def precision(self) -> str:
        """The precision in use: ``fp32``, ``bf16``, ``fp16`` or ``int8``."""
        return self.backend.precision

    @property
    def sets_at_once(self) -> int:
        """How many sets are best worked on at once, each in a thread of its own."""
        return self.backend.sets_at_once

    def estimate(
        self,
        rgb1: Image,
        rgb2: Image,
        K1: npt.ArrayLike | None = None,
        K2: npt.ArrayLike | None = None,
    ) -> PoseEstimate:
        """Estimate ``T_1_2``, the pose of camera 2 in camera 1, from two images.

        Args:
            rgb1: view 1, RGB or grey, uint8 (H, W, 3) or (H, W).
            rgb2: view 2, of any other size.
            K1: intrinsics (3, 3) of view 1, in pixels; give both or none.
            K2: intrinsics (3, 3) of view 2.

        Raises:
            ImageError: if an image or its intrinsics cannot be used.
            ConfigError: if only one of the intrinsics is given.
            DeviceError: if the device runs out of memory.
        """
        return self.estimate_set([rgb1, rgb2], [K1, K2])[0]

    def estimate_set(
        self,
        images: Sequence[Image],
        intrinsics: Sequence[npt.ArrayLike | None] | None = None,
    ) -> list[PoseEstimate]:
        """Estimate ``T_a_b`` of every further view b in the first, a; each is encoded once.

        Args:
            images: two or more views, as in :meth:`estimate`.
            intrinsics: (3, 3) for each view, or None for all.

        Returns:
            One estimate for each view but the first, in their order.

        Raises:
            ImageError, ConfigError, DeviceError: as :meth:`estimate`.
        """
        if len(images) < 2:
            raise ConfigError(f"{len(images)} images given; a relative pose needs two")
        start = perf_counter()
        views = self.prepare(images, intrinsics)
        return self.estimate_prepared(views, perf_counter() - start)

    def prepare(
        self,
        images: Sequence[Image],
        intrinsics: Sequence[npt.ArrayLike | None] | None = None,
    ) -> list[PreparedView]:
        """Check, frame and resize the views of a set.

        Views of one size and one K, and views without K, are prepared alike in whatever set.

        Raises:
            ImageError, ConfigError: as :meth:`estimate`.
        """
        Ks = [None] * len(images) if intrinsics is None else list(intrinsics)
        known = [K for K in Ks if K is not None]
        if len(Ks) != len(images) or len(known) not in (0, len(images)):
            raise ConfigError(
                f"{len(known)} intrinsics given for {len(images)} images; give all or none"
            )
        rgbs = [as_rgb(image, f"image {i}") for i, image in enumerate(images, start=1)]
        sizes = [(rgb.shape[1], rgb.shape[0]) for rgb in rgbs]
        config = self.info.config
        if known:
            framings = frame_alike(sizes, known, config)
        else:
            framings = [frame(*size, config) for size in sizes]
        views = [
            framing.pixels(rgb, self.resampling)
            for framing, rgb in zip(framings, rgbs, strict=True)
        ]
        focals = [
            usual_focal((view.shape[0], view.shape[1])) if K is None else _focal(framing, K)
            for view, framing, K in zip(views, framings, Ks, strict=True)
        ]
        return [
            PreparedView(view, focal, _digest(view, focal), framing.warning)
            for view, focal, framing in zip(views, focals, framings, strict=True)
        ]

    def estimate_prepared(
        self, views: Sequence[PreparedView], preparation: float = 0.0
    ) -> list[PoseEstimate]:
        """Estimate the poses of a set that :meth:`prepare` made, in ``preparation`` seconds.

        Raises:
            DeviceError: as :meth:`estimate`.
        """
        start = perf_counter()
        encoded = self._encode(views)
        encoded_at = perf_counter()
        raw_b_a, raw_a_b = self.backend.decode(encoded[0], encoded[1:])
        end = perf_counter()
        latency = Latency(
            preprocess=preparation,
            encode=encoded_at - start,
            decode=end - encoded_at,
            total=preparation + end - start,
        )
        return [
            pose_from_heads(
                raw_b_a[i],
                raw_a_b[i],
                self._calibration,
                trained=self.trained,
                latency=latency,
                identical=views[0].digest == view.digest,
                note=views[0].warning or view.warning,
            )
            for i, view in enumerate(views[1:])
        ]

    def warm_up(self, shapes: Sequence[tuple[int, int]] = ((480, 640), (480, 640))) -> None:
        """Run on dark images, so that the first set is not slow.

        Args:
            shapes: Their (height, width); a backend made for some sizes takes those instead.
        """
        # Both views are encoded at first, then one: a GPU records each apart.
        for shade in (1,) if self.device == "cpu" else (1, 2):
            self.estimate_prepared(self._dark(shapes, shade))
        self.clear_cache()

    def _dark(self, shapes: Sequence[tuple[int, int]], shade: int) -> list[PreparedView]:
        """Views of these shapes, the first black, the others of a shade."""
        sizes = self.backend.sizes
        if not sizes:
            views = [np.full((*shape, 3), shade, np.uint8) for shape in shapes]
            return self.prepare([np.zeros_like(views[0]), *views[1:]])
        # Already as the network gets them, and smaller than images may be.
        pixels = [np.full((height, width, 3), shade, np.uint8) for width, height in sizes * 2]
        pixels[0] = np.zeros_like(pixels[0])
        focals = [usual_focal(view.shape[:2]) for view in pixels]
        return [PreparedView(*one, _digest(*one), "") for one in zip(pixels, focals, strict=True)]

    def clear_cache(self) -> None:
        """Forget all encoded views."""
        with self._lock:
            self._cache.clear()

    def _encode(self, views: Sequence[PreparedView]) -> list[Any]:
        """Encode the views that are not remembered, each content once, and remember them."""
        wanted = {view.digest: view for view in views}
        with self._lock:
            found = {digest: self._cache[digest] for digest in wanted if digest in self._cache}
        new = {digest: view for digest, view in wanted.items() if digest not in found}
        if new:
            images, focals = zip(*((view.pixels, view.focal) for view in new.values()))
            found.update(zip(new, self.backend.encode(images, focals), strict=True))
        with self._lock:
            for digest in wanted:
                self._cache[digest] = found[digest]
                self._cache.move_to_end(digest)
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return [found[view.digest] for view in views]


def _focal(framing: Framing, K: npt.ArrayLike) -> float:
    """Focal length of a network image; that of x and of y differ by rounding alone."""
    fx, fy = np.diag(framing.intrinsics(K))[:2]
    return float((fx + fy) / 2)


def _digest(view: Image, focal: float) -> bytes:
    """Fingerprint of an image (h, w, 3): equal for equal pixels, shape and focal length only."""
    about = b"%dx%d %.3f" % (*view.shape[:2], focal)
    return blake2b(view.data, digest_size=16, key=about).digest()
