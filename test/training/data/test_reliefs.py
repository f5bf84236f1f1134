# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch

from geloc3r_ros.geometry import make_transform, rotation_about
from geloc3r_training.data.covisibility import reproject
from geloc3r_training.data.reliefs import HEIGHTS, REACH, Relief, Reliefs
from geloc3r_training.data.sample import DataError

SIZE = (48, 64)
FIELD_OF_VIEW = (np.radians(50), np.radians(80))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two photographs, smooth so that what is carried over can be compared."""
    folder = tmp_path_factory.mktemp("photographs")
    for seed in (0, 1):
        noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
        image = cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{seed}.png"), image)
    return folder


def flat(photograph, half=1.0):
    relief = Relief(photograph, photograph, half, np.random.default_rng(0))
    relief.heights = np.zeros((HEIGHTS, HEIGHTS), np.float32)
    return relief


def test_a_flat_photograph_by_hand():
    """Red rises to the right, green downwards; the photograph is 2 units high at z = 0."""
    row, column = np.mgrid[:200, :400]
    image = np.stack((column // 2, row, 0 * row), -1).astype(np.uint8)
    K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    ahead = make_transform(np.eye(3), [0.0, 0, -2])
    view = flat(image).seen(ahead, K, (81, 101))
    assert view.depth == pytest.approx(np.full((81, 101), 2.0), abs=1e-4)
    stored = 255 * view.light ** (1 / 2.2)
    # A pixel is 0.02 units, which are 2 of the photograph's pixels; its middle is (199.5, 99.5).
    assert stored[40, 50, :2] == pytest.approx([99.75, 99.5], abs=1.5)
    assert stored[20, 80, :2] == pytest.approx([99.75 + 30, 99.5 - 40], abs=1.5)
    # Turned to the right by 45 degrees, the middle of the image meets z = 0 at a depth of 2 / cos.
    turned = ahead @ make_transform(rotation_about([0, 1, 0], np.pi / 4), [0, 0, 0])
    view = flat(image, half=4.0).seen(turned, K, (81, 101))
    assert view.depth[40, 50] == pytest.approx(2 * 2**0.5, abs=1e-3)


def test_a_slope_is_met_where_it_is_by_hand():
    relief = flat(np.full((200, 200, 3), 90, np.uint8), half=2.0)
    x = (np.arange(HEIGHTS) + 0.5) * 2 * REACH / HEIGHTS - REACH
    relief.heights = np.tile(0.2 * x, (HEIGHTS, 1)).astype(np.float32)
    K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    view = relief.seen(make_transform(np.eye(3), [0.0, 0, -2]), K, (81, 101))
    # A ray to (r, 0, 1) meets z = 0.2 x where -2 + d = 0.2 r d.
    for column in (10, 50, 90):
        expected = 2 / (1 - 0.2 * (column - 50) / 100)
        assert view.depth[40, column] == pytest.approx(expected, abs=1e-3)


def test_beyond_its_edges_there_is_no_depth():
    image = np.full((200, 200, 3), 90, np.uint8)
    K = np.array([[50.0, 0, 50], [0, 50, 50], [0, 0, 1]])
    view = flat(image).seen(make_transform(np.eye(3), [0.0, 0, -2]), K, (101, 101))
    seen = view.depth > 0
    assert seen[50, 30]  # 0.8 units to the left of the middle
    assert not seen[50, 20]  # 1.2 units
    assert np.isfinite(view.light).all()


def test_views_show_the_same_places_in_the_same_colours(folder):
    """Carried through depth and pose, pixels find their like: depth, K and poses fit."""
    relief = Relief(*[cv2.imread(str(folder / "0.png"))] * 2, 1.0, np.random.default_rng(3))
    K = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
    poses = [
        make_transform(np.eye(3), [0.0, 0, -1]),
        make_transform(rotation_about([0, 1, 0], -0.3), [0.35, 0.1, -0.9]),
    ]
    views = [relief.seen(T, K, SIZE) for T in poses]
    depth, light, T = (
        torch.from_numpy(np.stack([getattr(v, name) for v in views]))
        for name in ("depth", "light", "T_world_camera")
    )
    uv, z, known = reproject(depth, torch.from_numpy(np.stack([K, K])), T)
    there = uv[0, 1] / torch.tensor([63.0, 47.0]) * 2 - 1

    def sampled(maps):
        found = torch.nn.functional.grid_sample(
            maps[None].float(), there[None, None].float(), align_corners=True
        )
        return found[0, :, 0]

    near = (sampled(depth[1:2])[0] - z[0, 1]).abs() < 0.01 * z[0, 1]
    seen = known[0] & (there.abs() < 1).all(-1) & near
    assert seen.float().mean() > 0.4
    difference = (sampled(light[1].movedim(-1, 0)) - light[0].flatten(0, 1).T).abs()[:, seen]
    assert difference.median() < 0.02
    assert light[0].flatten(0, 1)[seen].std() > 0.1


def test_a_sample_depends_on_its_index_alone(folder):
    reliefs = Reliefs(folder, 3, FIELD_OF_VIEW)
    together, alone = reliefs.make([4, 5], SIZE), reliefs.make([5], SIZE)
    assert together.images.shape == (2, 3, *SIZE, 3)
    assert torch.equal(together.images[1], alone.images[0])
    assert torch.equal(together.depth[1], alone.depth[0])
    assert not torch.equal(together.depth[0], together.depth[1])
    assert (together.depth > 0).float().mean((-1, -2)).min() > 0.5
    assert together.covisibility.diagonal(dim1=-2, dim2=-1).min() > 0.9


def test_a_folder_without_photographs_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} has no photographs"):
        Reliefs(tmp_path, 2, FIELD_OF_VIEW)
