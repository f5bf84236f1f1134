# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages are made from a known picture by the formulas of their encodings, and read back."""

import array
import sys
import zlib

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image

from geloc3r_ros.errors import ImageError
from geloc3r_ros.inference import messages

HEIGHT, WIDTH = 48, 64
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
PICTURE = np.dstack([40 + 3 * COLUMNS, 220 - 4 * ROWS, 60 + COLUMNS + 2 * ROWS]).astype(np.uint8)
GREY = PICTURE[..., 0]
GREY_PICTURE = np.dstack([GREY] * 3)


def rows_of(channels):
    """Bytes of an image (H, W) or (H, W, C), one row of bytes for each row of pixels."""
    channels = np.ascontiguousarray(channels)
    return channels.view(np.uint8).reshape(len(channels), -1)


def in_16_bits(values):
    """The same brightness, with another low byte than high byte."""
    return values.astype(np.uint16) * 256 + 255 - values


def yuv():
    """Y, Cb and Cr (H, W, 3) of the picture by ITU-R BT.601, limited range, rounded."""
    matrix = np.array(
        [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
    )
    values = PICTURE / 255.0 @ matrix.T + [16, 128, 128]
    return np.round(values).astype(np.uint8)


def packed_422(chroma_first):
    """Rows of 4:2:2: two pixels share the chroma of the first."""
    y, u, v = np.moveaxis(yuv(), -1, 0)
    chroma = np.stack([u[:, ::2], v[:, ::2]], axis=-1).reshape(HEIGHT, WIDTH)
    pairs = [chroma, y] if chroma_first else [y, chroma]
    return rows_of(np.stack(pairs, axis=-1))


def mosaic(order, picture):
    """Rows of a Bayer image whose top left 2x2 block has the colours of ``order``."""
    values = np.empty(picture.shape[:2], picture.dtype)
    for i, colour in enumerate(order):
        values[i // 2 :: 2, i % 2 :: 2] = picture[i // 2 :: 2, i % 2 :: 2, "rgb".index(colour)]
    return values


def semi_planar(pixels_per_chroma, chroma_order):
    """The grey plane and the plane of interleaved chroma."""
    y, u, v = np.moveaxis(yuv(), -1, 0)
    n = pixels_per_chroma
    planes = {"u": u[::n, ::n], "v": v[::n, ::n]}
    return y, rows_of(np.stack([planes[c] for c in chroma_order], axis=-1))


def message(encoding, rows, *, padding=0, big_endian=0, size=(WIDTH, HEIGHT)):
    """An Image with ``padding`` bytes of rubbish behind each row."""
    rubbish = np.full((len(rows), padding), 0xA5, np.uint8)
    padded = np.hstack([rows, rubbish])
    return Image(
        width=size[0],
        height=size[1],
        encoding=encoding,
        step=padded.shape[1],
        is_bigendian=big_endian,
        data=array.array("B", padded.tobytes()),
    )


def opaque(picture):
    return np.dstack([picture, np.full(GREY.shape, 255, np.uint8)])


EXACT = {
    "rgb8": (PICTURE, PICTURE),
    "bgr8": (PICTURE[..., ::-1], PICTURE),
    "rgba8": (opaque(PICTURE), PICTURE),
    "bgra8": (opaque(PICTURE[..., ::-1]), PICTURE),
    "mono8": (GREY, GREY_PICTURE),
}
BAYER = ["rggb", "bggr", "gbrg", "grbg"]
YUV_422 = {"uyvy": True, "yuv422": True, "yuyv": False, "yuv422_yuy2": False}


def decoded(msg):
    assert messages.image_fault(msg) == ""
    rgb = messages.decode_image(msg)
    assert (rgb.dtype, rgb.shape) == (np.uint8, (HEIGHT, WIDTH, 3))
    return rgb


def difference(rgb, expected):
    return np.abs(rgb.astype(int) - expected).max()


def test_every_encoding_is_tested():
    tested = {*EXACT, *YUV_422, "mono16", "nv21", "nv24"}
    tested |= {f"bayer_{order}{bits}" for order in BAYER for bits in (8, 16)}
    assert set(messages.BYTES_PER_PIXEL) == tested


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize("big_endian", [0, 1])
@pytest.mark.parametrize("encoding", EXACT)
def test_encodings_of_whole_bytes_are_exact(encoding, big_endian, padding):
    channels, expected = EXACT[encoding]
    msg = message(encoding, rows_of(channels), padding=padding, big_endian=big_endian)
    assert np.array_equal(decoded(msg), expected)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("big_endian", "dtype"), [(0, "<u2"), (1, ">u2")])
def test_mono16_keeps_its_high_bits(big_endian, dtype, padding):
    rows = rows_of(in_16_bits(GREY).astype(dtype))
    msg = message("mono16", rows, padding=padding, big_endian=big_endian)
    assert difference(decoded(msg), GREY_PICTURE) <= 1


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", YUV_422)
def test_packed_yuv(encoding, padding):
    msg = message(encoding, packed_422(YUV_422[encoding]), padding=padding)
    assert difference(decoded(msg), PICTURE) <= 10  # a second pixel has its neighbour's chroma


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("order", BAYER)
def test_bayer8(order, padding):
    msg = message(f"bayer_{order}8", mosaic(order, PICTURE), padding=padding)
    inside = (slice(2, -2), slice(2, -2))
    assert difference(decoded(msg)[inside], PICTURE[inside]) <= 2


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize(("big_endian", "dtype"), [(0, "<u2"), (1, ">u2")])
@pytest.mark.parametrize("order", BAYER)
def test_bayer16(order, big_endian, dtype, padding):
    rows = rows_of(mosaic(order, in_16_bits(PICTURE)).astype(dtype))
    msg = message(f"bayer_{order}16", rows, padding=padding, big_endian=big_endian)
    inside = (slice(2, -2), slice(2, -2))
    assert difference(decoded(msg)[inside], PICTURE[inside]) <= 2


@pytest.mark.parametrize("padding", [0, 6])
def test_nv21_has_v_before_u(padding):
    grey, chroma = semi_planar(2, "vu")
    msg = message("nv21", np.vstack([grey, chroma]), padding=padding)
    assert difference(decoded(msg), PICTURE) <= 16  # four pixels share one chroma


@pytest.mark.parametrize("padding", [0, 6])
def test_nv24_has_u_before_v(padding):
    # https://www.kernel.org/doc/html/latest/userspace-api/media/v4l/pixfmt-yuv-planar.html: the
    # chroma plane has two bytes a pixel, and rows twice as long, padding included.
    grey, chroma = semi_planar(1, "uv")
    grey_rows = np.hstack([grey, np.zeros((HEIGHT, padding), np.uint8)])
    chroma_rows = np.hstack([chroma, np.zeros((HEIGHT, 2 * padding), np.uint8)])
    rows = np.concatenate([grey_rows.ravel(), chroma_rows.ravel()]).reshape(3 * HEIGHT, -1)
    assert difference(decoded(message("nv24", rows)), PICTURE) <= 2


@pytest.mark.parametrize("length", [0, 1, 100, 3 * WIDTH * HEIGHT - 1, 3 * WIDTH * HEIGHT + 1])
def test_data_of_a_wrong_length_is_a_fault(length):
    msg = message("rgb8", rows_of(PICTURE))
    msg.data = array.array("B", bytes(length))
    assert messages.image_fault(msg) == (
        f"data has {length} bytes, 48 rows of 192 make 9216; fix the driver"
    )


def test_a_step_shorter_than_a_row_is_a_fault():
    msg = message("rgb8", rows_of(PICTURE))
    msg.step = 191
    assert messages.image_fault(msg) == (
        "step is 191, a row of 64 rgb8 pixels has 192 bytes; fix the driver"
    )


def test_an_unknown_encoding_is_a_fault_that_lists_the_known():
    msg = message("rgb8", rows_of(PICTURE))
    msg.encoding = "32FC1"
    fault = messages.image_fault(msg)
    assert fault.startswith("encoding '32FC1' is not supported; supported are ")
    assert all(encoding in fault for encoding in messages.BYTES_PER_PIXEL)


@pytest.mark.parametrize("size", [(0, 0), (31, 48), (64, 31)])
def test_an_image_too_small_is_a_fault(size):
    width, height = size
    msg = message("mono8", np.zeros((height, width), np.uint8), size=size)
    assert messages.image_fault(msg) == (
        f"image is {width}x{height}; each side needs at least 32 pixels"
    )


def test_nv21_of_odd_size_is_a_fault():
    msg = message("nv21", np.zeros((72, 63), np.uint8), size=(63, 48))
    assert messages.image_fault(msg) == "nv21 image is 63x48; both must be even"


@pytest.mark.parametrize("encoding", YUV_422)
def test_packed_yuv_of_odd_width_is_a_fault(encoding):
    msg = message(encoding, np.zeros((48, 126), np.uint8), size=(63, 48))
    expected = f"{encoding} image is 63 pixels wide; the width must be even"
    assert messages.image_fault(msg) == expected


def compressed(extension, picture, parameters=(), kind=""):
    """Compress an RGB, RGBA or grey picture; OpenCV stores what it is told is BGR."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(
            picture, {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[picture.shape[2]]
        )
    done, data = cv2.imencode(extension, picture, list(parameters))
    assert done
    return CompressedImage(format=kind, data=array.array("B", data.tobytes()))


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_compressed_without_loss_is_exact(extension):
    for picture, expected in (
        (PICTURE, PICTURE),
        (opaque(PICTURE), PICTURE),
        (GREY, GREY_PICTURE),
    ):
        rgb = messages.decode_compressed(compressed(extension, picture))
        assert np.array_equal(rgb, expected)


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_compressed_16_bits_keep_their_high_bits(extension):
    for picture, expected in ((PICTURE, PICTURE), (GREY, GREY_PICTURE)):
        msg = compressed(extension, in_16_bits(picture))
        assert difference(messages.decode_compressed(msg), expected) <= 1


@pytest.mark.parametrize("kind", ["", "jpeg", "rgb8; jpeg compressed bgr8", "odd"])
def test_jpeg_whatever_its_format_says(kind):
    quality = (cv2.IMWRITE_JPEG_QUALITY, 100)
    msg = compressed(".jpg", PICTURE, quality, kind)
    assert difference(messages.decode_compressed(msg), PICTURE) <= 8
    msg = compressed(".jpg", GREY, quality, kind)
    assert difference(messages.decode_compressed(msg), GREY_PICTURE) <= 2


@pytest.mark.parametrize("data", [b"", b"no image at all", b"\xff\xd8\xff\xe0 cut off"])
def test_what_does_not_decode_is_an_error(data):
    msg = CompressedImage(format="jpeg", data=array.array("B", data))
    with pytest.raises(ImageError, match=f"{len(data)} bytes of format 'jpeg' do not decode"):
        messages.decode_compressed(msg)


def test_a_jpeg_with_a_preview_has_two_ends():
    """A preview in the header, an image with an end of its own, is no end of the image."""
    jpeg = bytes(compressed(".jpg", PICTURE).data)
    preview = b"\xff\xe2" + (len(jpeg) + 2).to_bytes(2, "big") + jpeg  # an APP2 segment
    whole = jpeg[:2] + preview + jpeg[2:]
    decoded = messages.decode_compressed(CompressedImage(data=array.array("B", whole)))
    assert np.array_equal(decoded, messages.decode_compressed(compressed(".jpg", PICTURE)))
    cut = CompressedImage(data=array.array("B", whole[:-200]))
    with pytest.raises(ImageError, match="is cut off"):
        messages.decode_compressed(cut)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.7, 0.9, 0.99])
@pytest.mark.parametrize("progressive", [0, 1])
def test_an_image_that_is_cut_off_is_an_error(extension, kept, progressive):
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, progressive) if extension == ".jpg" else ()
    data = compressed(extension, PICTURE, options).data
    msg = CompressedImage(data=data[: int(kept * len(data))])
    with pytest.raises(ImageError, match=r"(JPEG|PNG) of \d+ bytes is cut off: it has no end"):
        messages.decode_compressed(msg)


def test_bytes_behind_the_end_of_an_image_do_no_harm():
    """Some drivers send their whole buffer."""
    msg = compressed(".jpg", PICTURE)
    expected = messages.decode_compressed(msg)
    msg.data.extend(bytes(1000))
    assert np.array_equal(messages.decode_compressed(msg), expected)


@pytest.mark.parametrize("side", [9_500, 30_000])
def test_few_bytes_that_unpack_to_a_huge_image_are_an_error(side):
    data = bytearray(compressed(".png", PICTURE).data)
    data[16:24] = side.to_bytes(4, "big") * 2  # width and height in the header
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(ImageError, match="unpack to more than 80 megapixels"):
        messages.decode_compressed(CompressedImage(format="png", data=array.array("B", data)))


def test_a_small_compressed_image_is_an_error():
    with pytest.raises(ImageError, match=r"image is 64x31; each side needs at least 32 pixels"):
        messages.decode_compressed(compressed(".png", PICTURE[:31]))


NOW = 1_700_000_000 * 10**9


@pytest.mark.parametrize(
    ("sec", "nanosec", "fault"),
    [
        (1_700_000_000, 0, ""),
        (0, 1, ""),
        (1_700_000_060, 0, ""),
        (0, 0, "stamp is 0.000000000; the driver must stamp its images"),
        (-5, 20, "stamp is -5.000000020; the driver must stamp its images"),
        (5, 10**9, "stamp has nanosec 1000000000, at most 999999999 is legal; fix the driver"),
        (
            1_700_000_060,
            1_000_000,
            "stamp is 60.0 s ahead of the node's clock, max_future is 60 s; "
            "synchronise the clocks",
        ),
    ],
)
def test_stamps(sec, nanosec, fault):
    stamp = Time(sec=sec)
    # The setter of the message refuses what a driver in C++ can send.
    stamp._nanosec = nanosec
    assert messages.stamp_fault(stamp, NOW, 60.0) == fault


def test_a_future_stamp_is_fine_before_simulated_time_runs_or_without_a_limit():
    stamp = Time(sec=1_800_000_000)
    assert "ahead" in messages.stamp_fault(stamp, NOW, 60.0)
    assert messages.stamp_fault(stamp, 0, 60.0) == ""
    assert messages.stamp_fault(stamp, NOW, 0.0) == ""


def test_stamp_in_nanoseconds_is_exact():
    assert messages.stamp_nanoseconds(Time(sec=1_700_000_000, nanosec=7)) == NOW + 7


@pytest.fixture
def cv_bridge(tmp_path, monkeypatch):
    """Install a cv_bridge whose imgmsg_to_cv2 has the given body."""

    def install(body):
        (tmp_path / "cv_bridge.py").write_text(
            "import numpy as np\nclass CvBridge:\n"
            f"    def imgmsg_to_cv2(self, message, encoding):\n        {body}\n"
        )

    monkeypatch.syspath_prepend(tmp_path)
    messages._decoder.cache_clear()
    yield install
    messages._decoder.cache_clear()
    sys.modules.pop("cv_bridge", None)


def test_a_cv_bridge_that_fails_on_use_is_not_used(cv_bridge):
    cv_bridge("return np.zeros((2, 2, 3)).newbyteorder()")  # gone in NumPy 2
    assert messages.decoder_name() == "rosbags-image"
    assert np.array_equal(decoded(message("rgb8", rows_of(PICTURE))), PICTURE)


def test_a_cv_bridge_that_works_is_used_with_plain_images(cv_bridge):
    cv_bridge(
        "assert message.step == message.width and not message.is_bigendian; "
        "grey = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width); "
        "return np.dstack([grey] * 3)"
    )
    assert messages.decoder_name() == "cv_bridge"
    msg = message("mono8", rows_of(GREY), padding=5, big_endian=1)
    assert np.array_equal(decoded(msg), GREY_PICTURE)
