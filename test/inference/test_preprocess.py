# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Network images: their sizes, their pixels, and the intrinsics they have."""

import cv2
import numpy as np
import PIL.Image
import pytest

from geloc3r_ros.errors import ImageError
from geloc3r_ros.geometry import angle_between, rotation_about
from geloc3r_ros.inference.preprocess import Framing, frame, frame_alike
from geloc3r_ros.model import ModelConfig

LARGE, SQUARE, TINY = ModelConfig.large(), ModelConfig.large_224(), ModelConfig.tiny()


def intrinsics(f, size, offset=(0, 0)):
    return np.array(
        [[f, 0, (size[0] - 1) / 2 + offset[0]], [0, f, (size[1] - 1) / 2 + offset[1]], [0, 0, 1]]
    )


@pytest.mark.parametrize(
    ("config", "source", "network"),
    [
        (LARGE, (640, 480), (512, 384)),
        (LARGE, (480, 640), (384, 512)),
        (LARGE, (1920, 1080), (512, 288)),
        (LARGE, (1242, 375), (512, 144)),  # 512x154.6
        (LARGE, (700, 700), (512, 384)),  # never square
        (LARGE, (320, 240), (512, 384)),  # enlarged
        (LARGE, (641, 479), (512, 368)),  # 512x382.6
        (SQUARE, (640, 480), (224, 224)),
        (SQUARE, (333, 777), (224, 224)),
        (TINY, (640, 480), (256, 192)),
        (TINY, (1280, 720), (256, 144)),
    ],
)
def test_size_of_the_network_image(config, source, network):
    rgb = np.zeros((source[1], source[0], 3), np.uint8)
    assert frame(*source, config).pixels(rgb).shape == (network[1], network[0], 3)


def test_a_sliver_is_refused():
    with pytest.raises(ImageError, match=r"4000x100 pixels becomes 512x13.*patch of 16"):
        frame(4000, 100, LARGE)


@pytest.mark.parametrize("size", [(0, 0), (640, 0), (0, 480)])
def test_an_image_without_pixels_is_refused(size):
    with pytest.raises(ImageError, match=f"{size[0]}x{size[1]} has no pixels"):
        frame(*size, TINY)


def test_lanczos_resizes_the_whole_image_and_then_crops_its_centre():
    rgb = np.random.default_rng(0).integers(0, 256, (375, 1242, 3), np.uint8)
    whole = PIL.Image.fromarray(rgb).resize((512, 155), PIL.Image.Resampling.LANCZOS)
    expected = np.asarray(whole)[5:149].astype(int)  # 155 - 144 = 11 rows too many
    off = np.abs(frame(1242, 375, LARGE).pixels(rgb, "lanczos") - expected)
    assert off.max() <= 2
    assert off.mean() < 0.02


@pytest.mark.filterwarnings("error")
def test_lanczos_takes_part_of_an_image_that_must_not_be_written_to():
    rgb = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    rgb.flags.writeable = False
    part = Framing((40, 30, 512, 384), (256, 192), (0, 0, 256, 192))
    whole = Framing((0, 0, 512, 384), (256, 192), (0, 0, 256, 192))
    assert np.array_equal(part.pixels(rgb), whole.pixels(rgb[30:414, 40:552].copy()))


def test_lanczos_enlarges_bicubically():
    rgb = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    expected = PIL.Image.fromarray(rgb).resize((512, 384), PIL.Image.Resampling.BICUBIC)
    assert np.array_equal(frame(120, 90, LARGE).pixels(rgb, "lanczos"), np.asarray(expected))


def test_area_is_the_mean_of_the_pixels_it_covers():
    rgb = np.random.default_rng(0).integers(0, 256, (768, 1024, 3), np.uint8)
    means = rgb.reshape(384, 2, 512, 2, 3).mean((1, 3))
    assert np.abs(frame(1024, 768, LARGE).pixels(rgb, "area") - means).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("source", [(1024, 768), (1242, 375), (700, 700), (321, 640)])
def test_intrinsics_follow_the_pixels(source):
    # A disc drawn around the image of a ray must be found around the image of the same ray.
    K = intrinsics(0.8 * source[0], source, (7, -5))
    framing = frame(*source, LARGE)
    for ray in ([0, 0, 1], [0.2, -0.08, 1], [-0.3, 0.05, 1]):
        u, v = (K @ ray)[:2]
        rgb = np.zeros((source[1], source[0], 3), np.uint8)
        cv2.circle(rgb, (round(u * 16), round(v * 16)), 6 * 16, (255, 255, 255), -1, shift=4)
        assert centroid(framing.pixels(rgb)) == pytest.approx(
            (framing.intrinsics(K) @ ray)[:2], abs=0.15
        )


def centroid(rgb):
    weights = rgb[..., 0].astype(float)
    rows, columns = np.mgrid[: rgb.shape[0], : rgb.shape[1]]
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


SETS = {
    "shifted": [((640, 480), (525, (30, -12))), ((640, 480), (525, (-14, 9)))],
    "zoomed": [((640, 480), (450, (0, 0))), ((640, 480), (700, (5, 5)))],
    "other resolution": [((640, 480), (525, (3, 3))), ((1920, 1080), (1500, (-20, 8)))],
    "portrait": [((640, 480), (525, (0, 0))), ((480, 640), (525, (11, 0)))],
    "three": [((640, 480), (f, (0, 0))) for f in (500, 550, 600)],
}


@pytest.mark.parametrize("views", SETS.values(), ids=SETS)
@pytest.mark.parametrize("config", [LARGE, SQUARE, TINY], ids=["large", "square", "tiny"])
def test_alike_means_one_focal_length_and_centred_principal_points(views, config):
    sizes = [size for size, _ in views]
    Ks = [intrinsics(f, size, offset) for size, (f, offset) in views]
    framings = frame_alike(sizes, Ks, config)
    focals = []
    for size, K, framing in zip(sizes, Ks, framings, strict=True):
        left, top, width, height = framing.box
        assert 0 <= left <= left + width <= size[0]
        assert 0 <= top <= top + height <= size[1]
        assert not framing.warning
        K_network = framing.intrinsics(K)
        one_source_pixel = max(np.divide(framing.size, framing.box[2:]))
        centre = (np.array(framing.size) - 1) / 2
        assert np.abs(K_network[:2, 2] - centre).max() <= one_source_pixel
        focals += [K_network[0, 0], K_network[1, 1]]
    assert max(focals) / min(focals) < 1.004


def test_alike_keeps_all_it_can():
    # A centred view alone is shown whole, and the narrowest of a set is.
    size = (640, 480)
    wide, narrow = intrinsics(400, size), intrinsics(500, size)
    assert frame_alike([size], [wide], LARGE)[0].box == (0, 0, 640, 480)
    framings = frame_alike([size, size], [wide, narrow], LARGE)
    assert framings[1].box == (0, 0, 640, 480)
    assert framings[0].box == (64, 48, 512, 384)


def render(K, R_camera_world, size):
    """Draw a far landscape: what is seen depends on the direction of a ray alone."""
    v, u = np.mgrid[: size[1], : size[0]]
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K).T @ R_camera_world
    x, y = rays[..., 0] / rays[..., 2], rays[..., 1] / rays[..., 2]
    waves = [np.sin(14 * x + 3 * y), np.cos(11 * y - 5 * x), np.sin(9 * x) * np.sin(8 * y)]
    return np.uint8(127.5 + 120 * np.stack(waves, -1))


def test_two_lenses_in_one_place_see_the_same_once_alike():
    sizes = [(640, 480), (960, 720)]
    Ks = [intrinsics(520, sizes[0], (25, -10)), intrinsics(820, sizes[1], (-40, 22))]
    views = [render(K, np.eye(3), size) for K, size in zip(Ks, sizes, strict=True)]
    before = [frame(*size, LARGE).pixels(view) for size, view in zip(sizes, views, strict=True)]
    after = [
        framing.pixels(view)
        for framing, view in zip(frame_alike(sizes, Ks, LARGE), views, strict=True)
    ]
    assert difference(*before) > 40
    assert difference(*after) < 3


def difference(a, b):
    return np.abs(a.astype(int) - b).mean()


def test_a_point_of_the_world_is_seen_where_the_common_intrinsics_say():
    sizes = [(640, 480), (960, 720)]
    Ks = [intrinsics(520, sizes[0], (25, -10)), intrinsics(820, sizes[1], (-40, 22))]
    R_2_1, t_2_1 = rotation_about([0, 1, 0], 0.1), np.array([-0.3, 0.02, 0.1])
    X_1 = np.array([[0.2, -0.1, 3.0], [-0.5, 0.3, 4.0], [0.4, 0.4, 2.5]])
    points = [X_1, X_1 @ R_2_1.T + t_2_1]
    framings = frame_alike(sizes, Ks, LARGE)
    common = intrinsics(framings[0].intrinsics(Ks[0])[0, 0], (512, 384))
    for size, K, framing, X in zip(sizes, Ks, framings, points, strict=True):
        for point in X:
            u, v = (K @ point / point[2])[:2]
            rgb = np.zeros((size[1], size[0], 3), np.uint8)
            cv2.circle(rgb, (round(u * 16), round(v * 16)), 7 * 16, (255, 255, 255), -1, shift=4)
            seen = np.linalg.inv(common) @ [*centroid(framing.pixels(rgb)), 1.0]
            assert np.degrees(angle_between(seen, point)) < 0.12


@pytest.mark.parametrize(
    ("other", "share"),
    [(intrinsics(2000, (640, 480)), "25 %"), (intrinsics(500, (640, 480), (240, 0)), "25 %")],
    ids=["far narrower", "far off centre"],
)
def test_a_tight_crop_is_not_silent(other, share):
    framings = frame_alike([(640, 480)] * 2, [intrinsics(500, (640, 480)), other], LARGE)
    assert f"only {share} of the width or height of image 1" in framings[0].warning


def test_intrinsics_of_an_image_of_half_the_size_are_not_silent():
    half = np.array([[267.5, 0, 159.5], [0, 267.5, 119.5], [0, 0, 1]])
    (framing,) = frame_alike([(640, 480)], [half], TINY)
    assert "image 1, (159.5, 119.5), is 25 % of the width or height off" in framing.warning
    assert "its 640x480 pixels" in framing.warning


@pytest.mark.parametrize(
    ("size", "K"),
    [
        ((752, 480), (458.654, 457.296, 367.215, 248.375)),  # EuRoC
        ((1242, 375), (721.538, 721.538, 609.559, 172.854)),  # KITTI
        ((640, 480), (517.3, 516.5, 318.6, 255.3)),  # TUM RGB-D
        ((512, 384), (535.4, 539.2, 320.1, 247.6)),  # TUM RGB-D, cut by a fifth at one side
    ],
)
def test_intrinsics_of_real_cameras_get_no_warning(size, K):
    fx, fy, cx, cy = K
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    assert [f.warning for f in frame_alike([size], [matrix], LARGE)] == [""]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_principal_point_may_be_a_fifth_off_the_centre(axis, sign):
    size, offset = (640, 480), np.zeros(2)
    for share, warns in ((0.199, False), (0.201, True)):
        offset[axis] = sign * share * size[axis]
        (framing,) = frame_alike([size], [intrinsics(535, size, offset)], TINY)
        assert bool(framing.warning) is warns


@pytest.mark.parametrize(
    ("K", "message"),
    [
        (intrinsics(0, (640, 480)), "image 2.*640x480.*focal lengths"),
        (intrinsics(-500, (640, 480)), "focal lengths"),
        (intrinsics(1e308, (640, 480)), r"no number beyond 1e\+09"),
        (intrinsics(1e-308, (640, 480)), "at least 0.001"),
        (intrinsics(500, (640, 480), (400, 0)), "another resolution"),
        (np.full((3, 3), np.nan), "image 2.*finite"),
        (np.eye(4), "finite 3x3"),
    ],
)
def test_intrinsics_that_fit_no_image_are_refused(K, message):
    with pytest.raises(ImageError, match=message):
        frame_alike([(640, 480)] * 2, [intrinsics(500, (640, 480)), K], LARGE)
