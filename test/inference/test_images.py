# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading images as a camera or a phone wrote them, and refusing what is none."""

import cv2
import numpy as np
import PIL.Image
import pytest

from geloc3r_ros.errors import ConfigError, ImageError
from geloc3r_ros.inference.images import as_rgb, read_image, undistort

RED_LEFT = np.zeros((40, 60, 3), np.uint8)
RED_LEFT[:, :30, 0] = 255


def test_channels_are_in_the_order_rgb(tmp_path):
    PIL.Image.fromarray(RED_LEFT).save(tmp_path / "image.png")
    assert np.array_equal(read_image(tmp_path / "image.png"), RED_LEFT)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_that_is_cut_off_is_refused(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    noise = np.random.default_rng(0).integers(256, size=(80, 100, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ImageError, match=r"(JPEG|PNG) of \d+ bytes is cut off: it has no end"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("trailer", [b"\xff\xda", b"IDAT", b"\x00" * 9])
def test_what_follows_an_image_is_no_part_of_it(tmp_path, suffix, trailer):
    path = tmp_path / f"image{suffix}"
    thumbnail = b"\xff\xd8\xff\xd9"  # an end within a segment is not that of the image
    exif = PIL.Image.Exif()
    exif[0x010E] = thumbnail.decode("latin-1")
    PIL.Image.fromarray(RED_LEFT).save(path, exif=exif)
    whole = path.read_bytes()
    path.write_bytes(whole + trailer)  # as of a phone that puts a video behind its picture
    assert read_image(path).shape == RED_LEFT.shape
    path.write_bytes(whole[:-14])
    with pytest.raises(ImageError, match="is cut off"):
        read_image(path)


def test_a_file_that_may_not_be_read_is_an_image_error(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    PIL.Image.fromarray(RED_LEFT).save(tmp_path / "image.png")
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(ImageError, match=r"image\.png: cannot be read: Permission denied"):
        read_image(tmp_path / "image.png")


def test_exif_orientation_is_applied(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees clockwise": what a phone held upright writes
    PIL.Image.fromarray(RED_LEFT).save(tmp_path / "phone.jpg", exif=exif, quality=100)
    upright = read_image(tmp_path / "phone.jpg")
    assert upright.shape == (60, 40, 3)
    assert upright[5, 20, 0] > 200  # the left side is now on top
    assert upright[55, 20, 0] < 50


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.full((40, 60), 77, np.uint8), [77, 77, 77]),
        (np.full((40, 60), 77 * 256 + 200, np.uint16), [77, 77, 77]),
        (np.full((40, 60, 3), (10 * 256, 20 * 256, 30 * 256), np.uint16), [30, 20, 10]),
        (np.full((40, 60, 4), (10, 20, 30, 128), np.uint8), [30, 20, 10]),
    ],
    ids=["grey", "grey of 16 bit", "colour of 16 bit", "alpha"],
)
def test_every_kind_of_png_becomes_rgb_of_8_bit(tmp_path, stored, expected):
    cv2.imwrite(str(tmp_path / "image.png"), stored)
    rgb = read_image(tmp_path / "image.png")
    assert rgb.dtype == np.uint8
    assert rgb.shape == (40, 60, 3)
    assert rgb[20, 30].tolist() == expected


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "notes.jpg").write_text("not an image")
    for name in ("notes.jpg", "missing.jpg", "."):
        with pytest.raises(ImageError, match=str(tmp_path / name)):
            read_image(tmp_path / name)


def test_grey_is_repeated_and_rgb_passes_untouched():
    assert as_rgb(RED_LEFT) is RED_LEFT
    grey = np.arange(40 * 60, dtype=np.uint8).reshape(40, 60)
    for image in (grey, grey[..., None]):
        assert np.array_equal(as_rgb(image), np.stack([grey] * 3, -1))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((40, 60, 3)), "float64.*uint8"),
        (np.zeros((40, 60, 3), np.uint16), "uint16.*uint8"),
        ([[0, 0], [0, 0]], "type list"),
        (np.zeros((40, 60, 4), np.uint8), r"shape \(40, 60, 4\)"),
        (np.zeros((2, 40, 60, 3), np.uint8), r"shape \(2, 40, 60, 3\)"),
        (np.zeros((0, 0, 3), np.uint8), "0x0 pixels"),
        (np.zeros((20, 640, 3), np.uint8), "640x20 pixels.*32"),
    ],
)
def test_an_unusable_image_is_refused(image, message):
    with pytest.raises(ImageError, match=f"left image.*{message}"):
        as_rgb(image, "the left image")


@pytest.mark.parametrize(
    ("model", "D"),
    [
        ("plumb_bob", [-0.3, 0.1, 0.001, -0.002, 0.0]),
        ("rational_polynomial", [-0.3, 0.1, 0.001, -0.002, 0.0, 0.01, 0.0, 0.0]),
        ("equidistant", [-0.02, 0.01, 0.0, 0.0]),
    ],
)
def test_undistortion_moves_points_where_the_lens_model_says(model, D):
    K = np.array([[300.0, 0, 321], [0, 310, 238], [0, 0, 1]])
    lens = cv2.fisheye if model == "equidistant" else cv2
    for ray in ([0.0, 0.0, 1.0], [0.4, -0.3, 1.0], [-0.5, 0.3, 1.0]):
        no_turn, points = np.zeros((2, 3)), np.array([[ray]])
        if model == "equidistant":
            u, v = lens.projectPoints(points, *no_turn, K, np.array(D))[0].ravel()
        else:
            u, v = lens.projectPoints(points, *no_turn, K, np.array(D))[0].ravel()
        image = np.zeros((480, 640, 3), np.uint8)
        cv2.circle(image, (round(u * 16), round(v * 16)), 4 * 16, (255, 255, 255), -1, shift=4)
        weights = undistort(image, K, D, model)[..., 0].astype(float)
        rows, columns = np.mgrid[:480, :640]
        found = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
        assert found == pytest.approx((K @ ray)[:2], abs=0.3)


def test_without_distortion_nothing_is_resampled():
    assert undistort(RED_LEFT, np.eye(3), [0.0] * 5, "plumb_bob") is RED_LEFT


def test_an_unknown_lens_is_refused():
    with pytest.raises(ConfigError, match=r"'thin_prism' is not one of .*plumb_bob"):
        undistort(RED_LEFT, np.eye(3), [0.0] * 5, "thin_prism")
    with pytest.raises(ConfigError, match="3 distortion coefficients"):
        undistort(RED_LEFT, np.eye(3), [0.0] * 3, "plumb_bob")


@pytest.mark.parametrize("model", ["plumb_bob", ""])
def test_an_image_without_coefficients_is_as_it_was(model):
    K = [[50, 0, 30], [0, 50, 20], [0, 0, 1]]
    assert np.array_equal(undistort(RED_LEFT, K, [], model), RED_LEFT)
