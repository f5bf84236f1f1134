# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images as the estimator takes them: RGB uint8 (H, W, 3), upright, without lens distortion."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError, ImageError

__all__ = ["Image", "as_rgb", "is_cut_off", "kind_of", "read_image", "undistort"]

Image = npt.NDArray[np.uint8]

MIN_SIDE = 32
"""The least width and height of an image, in pixels."""

SIGNATURES = {"JPEG": b"\xff\xd8", "PNG": b"\x89PNG"}
JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")
"""Any but those that have no length and may stand in the midst of pixels."""
JPEG_END = 0xD9

# The names of sensor_msgs/CameraInfo, and how many coefficients each may have.
DISTORTION_MODELS = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}


def read_image(path: str | Path) -> Image:
    """Read an image file as RGB (H, W, 3): EXIF orientation applied, 8 bit, alpha dropped.

    Raises:
        ImageError: if there is no such file or it is not an image.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageError(f"{path}: there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    kind = kind_of(data)
    if is_cut_off(kind, data):
        raise ImageError(f"{path}: {kind} of {len(data)} bytes is cut off: it has no end")
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{path}: cannot be decoded ({error.err})") from error
    if bgr is None:
        raise ImageError(f"{path}: is no image that OpenCV can read, or it is damaged")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def kind_of(data: bytes) -> str:
    """``JPEG``, ``PNG``, or "" for any other."""
    return next((kind for kind, start in SIGNATURES.items() if data.startswith(start)), "")


def is_cut_off(kind: str, data: bytes) -> bool:
    """Whether a file ends before its image does; known of ``JPEG`` and ``PNG``.

    OpenCV fills up with grey what is missing, of PNG up to its version 4.10. What follows the end
    of an image is no part of it: a phone may put a video there.
    """
    ends = {"JPEG": _jpeg_ends, "PNG": _png_ends}
    return kind in ends and not ends[kind](data)


def _jpeg_ends(data: bytes) -> bool:
    """Walk along the segments (ITU-T T.81, annex B), each as long as it says, and over pixels."""
    at = len(SIGNATURES["JPEG"])
    while found := JPEG_MARKER.search(data, at):
        if data[found.start() + 1] == JPEG_END:
            return True
        at = found.end() + max(2, int.from_bytes(data[found.end() : found.end() + 2], "big"))
    return False


def _png_ends(data: bytes) -> bool:
    """Walk along the chunks (ISO/IEC 15948): length, name, content, checksum."""
    at = 8
    while at + 8 <= len(data):
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return False


def as_rgb(image: npt.NDArray[np.generic], name: str = "the image") -> Image:
    """Check an image and return it as RGB (H, W, 3); a grey one, (H, W) or (H, W, 1), is repeated.

    Args:
        image: RGB or grey, uint8.
        name: what the message calls it.

    Raises:
        ImageError: if the type, the number of channels or the size does not fit.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"{name} is of type {kind}; give uint8, values 0 to 255")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ImageError(f"{name} has shape {image.shape}; give RGB (H, W, 3) or grey (H, W)")
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(f"{name} has {width}x{height} pixels; each side needs {MIN_SIDE}")
    return np.asarray(image if image.shape[2] == 3 else np.repeat(image, 3, axis=2), np.uint8)


def undistort(rgb: Image, K: npt.ArrayLike, D: npt.ArrayLike, model: str) -> Image:
    """Remove lens distortion; the result (H, W, 3) has the same ``K``, and is black at the rim.

    Args:
        rgb: image (H, W, 3).
        K: intrinsics (3, 3), in pixels.
        D: distortion coefficients, in the order of sensor_msgs/CameraInfo; none where the
            images have no distortion, but of a fisheye lens.
        model: ``plumb_bob``, ``rational_polynomial`` or ``equidistant`` (a fisheye lens).

    Raises:
        ConfigError: if the model is unknown or has another number of coefficients.
    """
    K, D = np.asarray(K, float).reshape(3, 3), np.asarray(D, float).ravel()
    if not D.size and model != "equidistant":
        return rgb
    if model not in DISTORTION_MODELS:
        raise ConfigError(f"distortion model '{model}' is not one of {list(DISTORTION_MODELS)}")
    if D.size not in DISTORTION_MODELS[model]:
        raise ConfigError(
            f"{D.size} distortion coefficients; {model} has {DISTORTION_MODELS[model]}"
        )
    if not D.any() and model != "equidistant":
        return rgb
    map1, map2 = _undistortion_maps(K.tobytes(), D.tobytes(), model, rgb.shape[1], rgb.shape[0])
    return np.asarray(cv2.remap(rgb, map1, map2, cv2.INTER_LINEAR), np.uint8)


@lru_cache(maxsize=16)
def _undistortion_maps(K: bytes, D: bytes, model: str, width: int, height: int):
    """Fixed-point maps of ``cv2.remap``, kept because they cost more than the remapping."""
    K_array, D_array = np.frombuffer(K).reshape(3, 3), np.frombuffer(D)
    lens = cv2.fisheye if model == "equidistant" else cv2
    return lens.initUndistortRectifyMap(
        K_array, D_array, np.eye(3), K_array, (width, height), cv2.CV_16SC2
    )
