# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
import torch

from geloc3r_ros.geometry import make_transform, rotation_about
from geloc3r_training.data.covisibility import reproject
from geloc3r_training.data.photographs import PLACES, Photographs
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


@pytest.mark.parametrize(("kind", "ahead"), [("relief", 0.1), ("street", 0.5)])
def test_views_show_the_same_places_in_the_same_colours(folder, kind, ahead):
    """Carried through depth and pose, pixels find their like: depth, K and poses fit."""
    photographs = [cv2.imread(str(folder / f"{i % 2}.png")) for i in range(4)]
    place = PLACES[kind].drawn(photographs, 0.6, np.random.default_rng(3))
    K = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
    moved = make_transform(rotation_about([0, 1, 0], -0.2), [0.2, 0.1, ahead])
    views = [place.seen(T, K, SIZE) for T in (place.START, place.START @ moved)]
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


@pytest.mark.parametrize("kind", PLACES)
def test_a_sample_depends_on_its_index_alone(folder, kind):
    photographs = Photographs(folder, 3, FIELD_OF_VIEW)
    together, alone = (photographs.make(kind, indices, SIZE) for indices in ([4, 5], [5]))
    assert together.images.shape == (2, 3, *SIZE, 3)
    assert torch.equal(together.images[1], alone.images[0])
    assert torch.equal(together.depth[1], alone.depth[0])
    assert not torch.equal(together.depth[0], together.depth[1])
    assert (together.depth > 0).float().mean((-1, -2)).min() > 0.4
    assert together.covisibility.diagonal(dim1=-2, dim2=-1).min() > 0.9


def test_a_folder_without_photographs_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} has no photographs"):
        Photographs(tmp_path, 2, FIELD_OF_VIEW)
