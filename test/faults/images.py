# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images as no driver should send them, and as some do."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from faults.fault import Answered, Counted, Fault, Lost, Observation, Tells
from faults.rig import PAIR, SIZE, Rig
from helpers.robot import compressed_message, stamp_message, wait_until
from rclpy.serialization import serialize_message

from geloc3r_ros.inference.messages import BYTES_PER_PIXEL, PLANES, decode_image

__all__ = ["COMPRESSED_FAULTS", "IMAGE_FAULTS"]

WIDTH, HEIGHT = SIZE
LARGEST = 2**32 - 1


def _refused(words: str) -> tuple[Observation, ...]:
    return Counted("left refused"), Tells("left last refusal", words)


def _set_refused(words: str) -> tuple[Observation, ...]:
    return Counted("sets refused"), Tells("last error", words)


def _bad_image(**fields: Any) -> Callable[[Rig], None]:
    """A set whose left image has these values."""

    def inject(rig: Rig) -> None:
        rig.next_stamp()
        rig.publish("/left/image", rig.message("left", **fields))
        rig.publish("/right/image", rig.message("right"))

    return inject


def _bad_stamp(sec: int, nanosec: int) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        message = rig.message("left")
        message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
        rig.publish("/left/image", message)

    return inject


def _ahead(rig: Rig) -> None:
    message = rig.message("left")
    ahead = rig.tester.get_clock().now().nanoseconds + 3600 * 10**9
    stamp_message(message.header.stamp, ahead)
    rig.publish("/left/image", message)


def _frames(left: str, right: str) -> Callable[[Rig], None]:
    def inject(rig: Rig) -> None:
        rig.next_stamp()
        rig.ledger.expect(rig.stamp, PAIR)
        for camera, frame_id in (("left", left), ("right", right)):
            message = rig.message(camera)
            message.header.frame_id = frame_id
            rig.publish(f"/{camera}/image", message)

    return inject


def encoded(encoding: str, seed: int, padding: int = 0, big: bool = False) -> dict[str, Any]:
    """Fields of an image of random bytes in an encoding, with padded rows."""
    rng = np.random.default_rng(seed)
    step = WIDTH * BYTES_PER_PIXEL[encoding] + padding
    rows = int(HEIGHT * PLANES.get(encoding, 1))
    data = rng.integers(0, 256, step * rows, np.uint8).tobytes()
    return {"encoding": encoding, "step": step, "is_bigendian": int(big), "data": data}


def _every_encoding(rig: Rig) -> None:
    """Each legal encoding in one camera; a pose for each, of the image as decoded here."""
    for seed, encoding in enumerate(BYTES_PER_PIXEL):
        messages = [
            rig.message("left", **encoded(encoding, seed, 6 * (seed % 3), bool(seed % 2))),
            rig.message("right"),
        ]
        for _ in range(10):  # a message may get lost
            stamp = rig.next_stamp()
            rig.ledger.expect(stamp, tuple(map(decode_image, messages)))
            for camera, message in zip(("left", "right"), messages, strict=True):
                stamp_message(message.header.stamp, stamp)
                rig.publish(f"/{camera}/image", message)
            if wait_until(lambda: stamp in rig.ledger.answered, 2.0):  # noqa: B023
                break


def _sizes(left: tuple[int, int], right: tuple[int, int]) -> Callable[[Rig], None]:
    """A set of images of these (width, height), to be answered."""

    def inject(rig: Rig) -> None:
        # Of noise, matches differ with the number of threads.
        rig.send_pair([cv2.resize(rgb, size) for rgb, size in zip(PAIR, (left, right))])

    return inject


def _shows(*images: Any) -> Callable[[Rig], None]:
    """Sets of these images, ten a second, until one is found wanting."""

    def inject(rig: Rig) -> None:
        for _ in range(100):
            rig.send_pair(images)
            if wait_until(lambda: rig.counted("sets invalid"), 0.1):
                return

    return inject


def _identical(rig: Rig) -> None:
    rig.send_pair((PAIR[0], PAIR[0]))


def _blurred(image: Any) -> Any:
    return cv2.GaussianBlur(image, (0, 0), WIDTH / 4)


def _raw(change: Callable[[bytes], bytes]) -> Callable[[Rig], None]:
    """Sets whose left image is changed on the wire, until the right one has arrived."""

    def inject(rig: Rig) -> None:
        for _ in range(100):
            rig.ledger.expect(rig.next_stamp(), PAIR)
            rig.publish_bytes("/left/image", change(serialize_message(rig.message("left"))))
            rig.publish("/right/image", rig.message("right"))
            if wait_until(lambda: rig.counted("right received"), 0.3):
                return

    return inject


def _twice(rig: Rig) -> None:
    rig.send(PAIR, rig.ask())


NOTHING = Counted("sets invalid"), Tells("last invalid", "the images do not match")
ELSEWHERE = np.random.default_rng(9).integers(0, 256, PAIR[0].shape, np.uint8)
BLANK = b"\0" * (3 * WIDTH * HEIGHT)

IMAGE_FAULTS = (
    Fault("encoding unknown", _bad_image(encoding="rgb9"), _refused("'rgb9' is not supported")),
    Fault("encoding empty", _bad_image(encoding=""), _refused("encoding '' is not supported")),
    Fault(
        "encoding of a kind without colour (32FC1)",
        _bad_image(encoding="32FC1"),
        _refused("'32FC1' is not supported"),
    ),
    Fault("encoding of 100 kB", _bad_image(encoding="x" * 100_000), _refused("is not supported")),
    Fault("step 0", _bad_image(step=0), _refused("step is 0")),
    Fault("step shorter than a row", _bad_image(step=3 * WIDTH - 1), _refused("step is 479")),
    Fault("step 2^32 - 1", _bad_image(step=LARGEST), _refused("data has 57600 bytes")),
    Fault("data short", _bad_image(data=BLANK[:-10]), _refused("data has 57590 bytes")),
    Fault("data long", _bad_image(data=BLANK + b"\0"), _refused("data has 57601 bytes")),
    Fault("data empty", _bad_image(data=b""), _refused("data has 0 bytes")),
    Fault("width 0", _bad_image(width=0), _refused("image is 0x120")),
    Fault("height 0", _bad_image(height=0), _refused("image is 160x0")),
    Fault(
        "size 0x0 without data",
        _bad_image(width=0, height=0, step=0, data=b""),
        _refused("image is 0x0"),
    ),
    Fault(
        "size (2^32 - 1) x (2^32 - 1)",
        _bad_image(width=LARGEST, height=LARGEST),
        _refused("fix the driver"),
    ),
    Fault(
        "size and step that overflow 32 bits to the length of the data",
        _bad_image(width=2**31 + WIDTH, step=3 * WIDTH),
        _refused("fix the driver"),
    ),
    Fault(
        "size below the least",
        _bad_image(width=31, height=31, step=93, data=BLANK[: 93 * 31]),
        _refused("at least 32 pixels"),
    ),
    Fault(
        "nv21 of odd width",
        _bad_image(encoding="nv21", width=159, height=120, step=159, data=BLANK[: 159 * 180]),
        _refused("both must be even"),
    ),
    Fault("stamp 0", _bad_stamp(0, 0), _refused("must stamp its images")),
    Fault("stamp negative", _bad_stamp(-5, 0), _refused("must stamp its images")),
    Fault("stamp least possible", _bad_stamp(-(2**31), 5), _refused("must stamp its images")),
    Fault("stamp with nanosec 10^9", _bad_stamp(1_700_000_000, 10**9), _refused("nanosec")),
    Fault("stamp with nanosec 2^32 - 1", _bad_stamp(1, LARGEST), _refused("nanosec 4294967295")),
    Fault("stamp an hour ahead", _ahead, _refused("ahead of the node's clock")),
    Fault("stamp greatest possible", _bad_stamp(2**31 - 1, 0), _refused("ahead of the node's")),
    Fault("frame_id empty", _frames("", "right_optical"), _set_refused("have no frame_id")),
    Fault("frame_id of slashes alone", _frames("//", "b"), _set_refused("have no frame_id")),
    Fault("frame_id with a leading slash", _frames("/a", "/b"), (Answered(),)),
    Fault("frame_id of 100 kB", _frames("a" * 100_000, "b"), (Answered(),)),
    Fault("one frame_id for both cameras", _frames("camera", "camera"), (Answered(),)),
    Fault("every legal encoding, rows padded, both byte orders", _every_encoding, (Answered(17),)),
    Fault("is_bigendian 255", _bad_image(is_bigendian=255, encoding="rgb9"), _refused("rgb9")),
    Fault("images of two sizes", _sizes((160, 120), (96, 200)), (Answered(),)),
    Fault("a strip of 32x4000 pixels", _sizes((32, 4000), SIZE), _set_refused("less extreme")),
    Fault("an image of 1920x1080 pixels", _sizes((1920, 1080), SIZE), (Answered(),)),
    Fault("both images the same", _identical, (Answered(),)),
    Fault("black images", _shows(0 * PAIR[0], 0 * PAIR[1]), NOTHING),
    Fault("one camera covered", _shows(PAIR[0], 0 * PAIR[1]), NOTHING),
    Fault("heavy blur", _shows(*map(_blurred, PAIR)), NOTHING),
    Fault("cameras that see two different places", _shows(PAIR[0], ELSEWHERE), NOTHING),
    Fault("every message twice", _twice, _refused("that of the image before")),
    Fault(
        "frame_id that is no UTF-8",
        _raw(lambda data: data.replace(b"left_optical", b"left_\xff\xfe\x80ical")),
        (Answered(),),
    ),
    Fault(
        "message cut short on the wire",
        _raw(lambda data: data[:40]),
        (Lost("left received"), Counted("right received")),
    ),
    Fault(
        "message whose string is longer than itself",
        _raw(lambda data: data[:12] + b"\xff\xff\xff\x7f" + data[16:]),
        (Lost("left received"), Counted("right received")),
    ),
)


def _compressed(
    change: Callable[[bytes], bytes], extension: str = ".jpg"
) -> Callable[[Rig], None]:
    """Sets of compressed images, the left one changed, until one is refused."""

    def inject(rig: Rig) -> None:
        for _ in range(100):
            stamp = rig.next_stamp()
            messages = [
                compressed_message(rgb, camera, stamp, extension)
                for camera, rgb in zip(("left", "right"), PAIR, strict=True)
            ]
            messages[0].data = change(bytes(messages[0].data))
            for camera, message in zip(("left", "right"), messages, strict=True):
                rig.publish(f"/{camera}/image/compressed", message)
            if wait_until(lambda: rig.counted("sets refused"), 0.2):
                return

    return inject


@functools.cache
def _png_of_size(width: int, height: int) -> bytes:
    """A PNG of few bytes and many pixels."""
    row = zlib.compressobj(9)
    data = b"".join(row.compress(bytes(1 + width)) for _ in range(height)) + row.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _compressed_fault(name: str, change: Callable[[bytes], bytes], words: str) -> Fault:
    parameters = {"image_transport": "compressed"}
    return Fault(name, _compressed(change), _set_refused(words), parameters=parameters)


COMPRESSED_FAULTS = (
    _compressed_fault("compressed image empty", lambda data: b"", "0 bytes of format"),
    _compressed_fault("compressed image of noise", lambda data: bytes(1000), "do not decode"),
    _compressed_fault("JPEG cut in its header", lambda data: data[:100], "do not decode"),
    _compressed_fault(
        "PNG of 90 kB with 90 megapixels",
        lambda data: _png_of_size(9_500, 9_500),
        "80 megapixels",
    ),
    _compressed_fault(
        "compressed image below the least size",
        lambda data: _png_of_size(31, 31),
        "at least 32 pixels",
    ),
)
