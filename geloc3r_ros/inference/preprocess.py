# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Source images -> the pixels the network sees, and the intrinsics these have.

Without intrinsics an image is resized and centre-cropped as the network was trained. With the
intrinsics of all views, each is cropped around its principal point and resized so that all have
one focal length: the network then never has to guess what zoom and lens shift did to a view.

Pixel coordinates are (u, v) with integer pixel centres, so an image spans [-0.5, width - 0.5].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch.nn.functional import interpolate

from geloc3r_ros.errors import ImageError
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.images import Image
from geloc3r_ros.inference.intrinsics import LARGEST, SHORTEST_FOCAL
from geloc3r_ros.model import ModelConfig

__all__ = ["RESAMPLINGS", "Framing", "frame", "frame_alike"]

MIN_KEPT = 0.5
"""A view whose width or height is cut below this share to match the others gets a warning."""

TIGHT_CROP = (
    "only {kept:.0f} % of the width or height of image {view} is used: its principal point is far "
    "off the centre, or another view is much narrower: check the intrinsics, and estimate a much "
    "narrower camera apart from the others"
)

MAX_OFF_CENTRE = 0.2
"""A principal point further from the centre, as a share of width or height, gets a warning: that
of an image of half the size lies a quarter off."""

OFF_CENTRE = (
    "the principal point of image {view}, ({x:.1f}, {y:.1f}), is {off:.0f} % of the width or "
    "height off the centre of its {width}x{height} pixels; check that the intrinsics are of this "
    "resolution"
)


@dataclass(frozen=True)
class Framing:
    """How a source image becomes a network image: cut ``box``, resize to ``size``, cut ``crop``.

    Attributes:
        box: left, top, width, height of the part of the source that is used, in pixels.
        size: width, height that this part is resized to.
        crop: left, top, width, height of the network image inside the resized part.
        warning: what the user should know about it; empty when all is well.
    """

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    crop: tuple[int, int, int, int]
    warning: str = ""

    def pixels(self, rgb: Image, resampling: str = "lanczos") -> Image:
        """Return the network image (h, w, 3) of a source image (H, W, 3), never a view of it."""
        left, top, width, height = self.box
        part = rgb[top : top + height, left : left + width]
        resized = part
        if self.size != (width, height):
            resized = RESAMPLINGS[resampling](part, self.size)
        left, top, width, height = self.crop
        return np.array(resized[top : top + height, left : left + width], order="C")

    def intrinsics(self, K: npt.ArrayLike) -> Array:
        """Return the intrinsics (3, 3) of the network image, given those of the source image."""
        scale = np.divide(self.size, self.box[2:])
        shift = (0.5 - np.array(self.box[:2])) * scale - 0.5 - self.crop[:2]
        source_to_network = np.array(
            [[scale[0], 0, shift[0]], [0, scale[1], shift[1]], [0, 0, 1]], float
        )
        return source_to_network @ np.asarray(K, float)


def frame(width: int, height: int, config: ModelConfig) -> Framing:
    """Frame an image of unknown intrinsics as the network was trained: resize, then centre-crop.

    Raises:
        ImageError: if the image has no pixels, or is so long that its short side is less than
            one patch.
    """
    if min(width, height) < 1:
        raise ImageError(f"an image of {width}x{height} has no pixels; take sides of at least 1")
    patch, target = config.patch_size, config.image_size
    fitted = max(width, height) if config.crop == "grid" else min(width, height)
    resized_width, resized_height = round(width * target / fitted), round(height * target / fitted)
    if config.crop == "grid":
        crop_width, crop_height = resized_width // patch * patch, resized_height // patch * patch
        if crop_width == crop_height:  # the network was trained without square images
            crop_height = crop_width * 3 // 4 // patch * patch
    else:
        crop_width = crop_height = target
    if min(crop_width, crop_height) < patch:
        raise ImageError(
            f"an image of {width}x{height} pixels becomes {resized_width}x{resized_height}, "
            f"thinner than one patch of {patch}; crop it to a less extreme aspect ratio"
        )
    left, top = (resized_width - crop_width) // 2, (resized_height - crop_height) // 2
    return Framing(
        (0, 0, width, height),
        (resized_width, resized_height),
        (left, top, crop_width, crop_height),
    )


def frame_alike(
    sizes: Sequence[tuple[int, int]], Ks: Sequence[npt.ArrayLike], config: ModelConfig
) -> list[Framing]:
    """Frame views to one focal length and centred principal points, to the nearest source pixel.

    The network images keep the sizes that :func:`frame` gives. The focal length is the smallest
    at which every view fills its network image, so nothing is padded.

    Args:
        sizes: width and height of each view, in pixels.
        Ks: intrinsics (3, 3) of each view, without skew.
        config: the network's.

    Raises:
        ImageError: if intrinsics do not fit their image.
    """
    plain = [frame(width, height, config) for width, height in sizes]
    lenses = [
        _lens(size, K, i) for i, (size, K) in enumerate(zip(sizes, Ks, strict=True), start=1)
    ]
    f = max(
        np.max(np.multiply(framing.crop[2:], focal) / (2 * reach))
        for framing, (focal, _, reach) in zip(plain, lenses, strict=True)
    )
    framings = []
    for i, size in enumerate(sizes):
        out, (focal, centre, _) = plain[i].crop[2:], lenses[i]
        extent = np.clip(np.rint(np.multiply(out, focal) / f), 1, size)
        corner = np.clip(np.rint(centre + 0.5 - extent / 2), 0, np.subtract(size, extent))
        left, top, width, height = (int(x) for x in (*corner, *extent))
        kept = np.min(extent * plain[i].size / np.multiply(out, size))
        warning = _off_centre(size, centre, i + 1)
        if not warning and kept < MIN_KEPT:
            warning = TIGHT_CROP.format(view=i + 1, kept=100 * kept)
        framings.append(Framing((left, top, width, height), out, (0, 0, *out), warning))
    return framings


def _off_centre(size: tuple[int, int], centre: Array, view: int) -> str:
    """What to say where a principal point is far from the centre; empty where it is not."""
    off = np.max(np.abs((centre + 0.5) / size - 0.5))
    if off <= MAX_OFF_CENTRE:
        return ""
    (x, y), (width, height) = centre, size
    return OFF_CENTRE.format(view=view, x=x, y=y, off=100 * off, width=width, height=height)


def _lens(size: tuple[int, int], K: npt.ArrayLike, view: int) -> tuple[Array, Array, Array]:
    """Focal lengths, principal point, and pixels from it to the nearer edges: (x, y) each."""
    K = np.asarray(K, float)
    if K.shape != (3, 3) or not np.isfinite(K).all():
        raise ImageError(f"intrinsics of image {view} must be a finite 3x3 matrix: {K.tolist()}")
    if np.abs(K).max() > LARGEST or min(np.diag(K)[:2]) < SHORTEST_FOCAL:
        raise ImageError(
            f"intrinsics of image {view} do not fit its {size[0]}x{size[1]} pixels: focal lengths "
            f"must be at least {SHORTEST_FOCAL:g} and no number beyond {LARGEST:g}, and they are "
            f"{K.tolist()}"
        )
    focal, centre = np.diag(K)[:2], K[:2, 2]
    reach = np.minimum(centre + 0.5, np.subtract(size, centre + 0.5))
    if min(reach) <= 0:
        raise ImageError(
            f"intrinsics of image {view} do not fit its {size[0]}x{size[1]} pixels: focal lengths "
            f"{focal.tolist()}, principal point {centre.tolist()}; are they of another resolution?"
        )
    return focal, centre, reach


def _area(rgb: Image, size: tuple[int, int]) -> Image:
    """Resize with OpenCV: exact averages when shrinking, cubic when growing."""
    shrinks = size[0] < rgb.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


def _lanczos(rgb: Image, size: tuple[int, int]) -> Image:
    """Resize as in training: Lanczos when shrinking, bicubic when growing.

    Pillow defines it. From 2.13 on torch shrinks to the same within 2 grey values, seven times as
    fast.
    """
    shrinks = size[0] < rgb.shape[1]
    rgb = np.require(rgb, requirements=("C", "W"))
    if shrinks and torch.__version__ >= "2.13":
        batch = torch.from_numpy(rgb).permute(2, 0, 1)[None]
        small = interpolate(batch, size=size[::-1], mode="lanczos", antialias=True)
        return small[0].permute(1, 2, 0).numpy()
    how = PIL.Image.Resampling.LANCZOS if shrinks else PIL.Image.Resampling.BICUBIC
    return np.asarray(PIL.Image.fromarray(rgb).resize(size, how))


RESAMPLINGS: dict[str, Callable[[Image, tuple[int, int]], Image]] = {
    "area": _area,
    "lanczos": _lanczos,
}
"""Ways to resize by name: fast, and the one of the training."""
