# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What image messages are accepted, and how they become RGB arrays.

Each ``fault`` function returns why a message cannot be used, or "" where it can.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from geloc3r_ros.errors import ImageError
from geloc3r_ros.inference.images import is_cut_off

__all__ = [
    "BYTES_PER_PIXEL",
    "decode_compressed",
    "decode_image",
    "decoder_name",
    "image_fault",
    "stamp_fault",
    "stamp_nanoseconds",
]

Image = npt.NDArray[np.uint8]

# The set of image_encodings.hpp that a camera may send, with the bytes of one pixel in a row.
BYTES_PER_PIXEL = {
    **dict.fromkeys(("mono8", "nv21", "nv24"), 1),
    **dict.fromkeys(("mono16", "uyvy", "yuyv", "yuv422", "yuv422_yuy2"), 2),
    **dict.fromkeys(("rgb8", "bgr8"), 3),
    **dict.fromkeys(("rgba8", "bgra8"), 4),
    **{f"bayer_{order}8": 1 for order in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{order}16": 2 for order in ("rggb", "bggr", "gbrg", "grbg")},
}
# Rows of data for each row of pixels: the colour plane follows the grey one.
PLANES = {"nv21": 1.5, "nv24": 3.0}
# Names that not every release of the decoders knows, and their older equivalents.
OLDER_NAMES = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
# Two pixels of a row share their colour.
PACKED_422 = ("uyvy", "yuyv", "yuv422", "yuv422_yuy2")
# ITU-R BT.601, limited range: RGB from (Y, Cb, Cr, 1).
RGB_FROM_YUV = np.array(
    [
        [1.164383, 0.0, 1.596027, -222.921],
        [1.164383, -0.391762, -0.812968, 135.576],
        [1.164383, 2.017232, 0.0, -276.836],
    ]
)
SMALLEST_SIDE = 32
# A few kilobytes can unpack to gigabytes; no camera has more.
MOST_PIXELS = 80_000_000


def stamp_nanoseconds(stamp: Any) -> int:
    """Return a builtin_interfaces/Time as nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def stamp_fault(stamp: Any, now: int, max_future: float) -> str:
    """Check a header's stamp against the node's clock (nanoseconds; 0: not running yet)."""
    if stamp.nanosec >= 1_000_000_000:
        return f"stamp has nanosec {stamp.nanosec}, at most 999999999 is legal; fix the driver"
    nanoseconds = stamp_nanoseconds(stamp)
    if nanoseconds <= 0:
        return f"stamp is {stamp.sec}.{stamp.nanosec:09d}; the driver must stamp its images"
    ahead = (nanoseconds - now) / 1e9
    if max_future and now and ahead > max_future:
        return (
            f"stamp is {ahead:.1f} s ahead of the node's clock, max_future is {max_future:g} s; "
            "synchronise the clocks"
        )
    return ""


def image_fault(message: Any) -> str:
    """Check encoding, sizes and length of a sensor_msgs/Image."""
    pixel = BYTES_PER_PIXEL.get(message.encoding)
    if pixel is None:
        known = ", ".join(BYTES_PER_PIXEL)
        return f"encoding {message.encoding[:40]!r} is not supported; supported are {known}"
    width, height = message.width, message.height
    if min(width, height) < SMALLEST_SIDE:
        return f"image is {width}x{height}; each side needs at least {SMALLEST_SIDE} pixels"
    if message.step < width * pixel:
        return (
            f"step is {message.step}, a row of {width} {message.encoding} pixels has "
            f"{width * pixel} bytes; fix the driver"
        )
    rows = int(height * PLANES.get(message.encoding, 1))
    if len(message.data) != message.step * rows:
        return (
            f"data has {len(message.data)} bytes, {rows} rows of {message.step} make "
            f"{message.step * rows}; fix the driver"
        )
    if message.encoding == "nv21" and (width % 2 or height % 2):
        return f"nv21 image is {width}x{height}; both must be even"
    if message.encoding in PACKED_422 and width % 2:
        return f"{message.encoding} image is {width} pixels wide; the width must be even"
    return ""


def decode_compressed(message: Any) -> Image:
    """Decode a sensor_msgs/CompressedImage (JPEG, PNG, TIFF) to RGB (H, W, 3).

    Raises:
        ImageError: if the data is no image, one that is cut off, or of more than ``MOST_PIXELS``.
    """
    data = bytes(message.data)
    kind, pixels = _declared(data)
    if pixels > MOST_PIXELS:
        raise ImageError(
            f"{len(data)} bytes of format {message.format!r} unpack to more than "
            f"{MOST_PIXELS // 10**6} megapixels; send smaller images"
        )
    if is_cut_off(kind, data):
        raise ImageError(f"{kind} of {len(data)} bytes is cut off: it has no end")
    bgr = None
    if kind:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        with contextlib.suppress(cv2.error):
            bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if bgr is None:
        raise ImageError(
            f"{len(data)} bytes of format {message.format!r} do not decode; JPEG, PNG and TIFF do"
        )
    if min(bgr.shape[:2]) < SMALLEST_SIDE:
        raise ImageError(
            f"image is {bgr.shape[1]}x{bgr.shape[0]}; each side needs at least "
            f"{SMALLEST_SIDE} pixels"
        )
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _declared(data: bytes) -> tuple[str, float]:
    """Format and number of pixels by the header of a JPEG, PNG or TIFF; "" and 0 without one."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "TIFF")) as header:
            return str(header.format), math.prod(header.size)
    except PIL.Image.DecompressionBombError:
        return "", math.inf
    except Exception:  # a damaged header may raise anything
        return "", 0


def decode_image(message: Any) -> Image:
    """Decode a sensor_msgs/Image without fault to RGB (H, W, 3)."""
    if message.encoding in PLANES:
        return _decode_planes(message)
    return _decoder()[1](_plain(message))


def decoder_name() -> str:
    """Name of the package that decodes images on this machine."""
    return _decoder()[0]


def _decode_planes(message: Any) -> Image:
    width, height = message.width, message.height
    rows = np.frombuffer(message.data, np.uint8).reshape(-1, message.step)
    if message.encoding == "nv21":
        yuv, conversion = np.ascontiguousarray(rows[:, :width]), cv2.COLOR_YUV2RGB_NV21
        return np.asarray(cv2.cvtColor(yuv, conversion), np.uint8)
    grey = rows[:height, :width]
    uv = rows[height:].reshape(height, -1)[:, : 2 * width].reshape(height, width, 2)
    return np.asarray(cv2.transform(np.dstack([grey, uv]), RGB_FROM_YUV), np.uint8)


def _plain(message: Any) -> Any:
    """The same image as every decoder takes it: known name, rows without padding, native order."""
    row = message.width * BYTES_PER_PIXEL[message.encoding]
    data = message.data
    if message.step != row:
        padded = np.frombuffer(data, np.uint8).reshape(message.height, message.step)
        data = padded[:, :row].tobytes()
    native_is_big = sys.byteorder == "big"
    if message.encoding.endswith("16") and bool(message.is_bigendian) != native_is_big:
        data = np.frombuffer(data, np.uint16).byteswap().tobytes()
    return SimpleNamespace(
        encoding=OLDER_NAMES.get(message.encoding, message.encoding),
        width=message.width,
        height=message.height,
        step=row,
        is_bigendian=native_is_big,
        data=data,
    )


@functools.cache
def _decoder() -> tuple[str, Callable[[Any], Image]]:
    """Choose cv_bridge where it works, rosbags-image otherwise.

    A cv_bridge built for another NumPy imports but fails on use, so it is tried on an image.
    """
    probe = SimpleNamespace(
        encoding="mono8", width=2, height=2, step=2, is_bigendian=0, data=b"\0" * 4
    )
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        bridge.imgmsg_to_cv2(probe, "rgb8")
    except Exception:
        return "rosbags-image", _decode_with_rosbags
    return "cv_bridge", lambda message: np.asarray(bridge.imgmsg_to_cv2(message, "rgb8"))


def _decode_with_rosbags(message: Any) -> Image:
    from rosbags.image import message_to_cvimage

    return np.asarray(message_to_cvimage(message, "rgb8"), np.uint8)
