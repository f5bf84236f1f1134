# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from geloc3r_training.data.furniture import Palette
from geloc3r_training.data.places import PLACES, make_scene
from geloc3r_training.data.textures import procedural_atlas


@pytest.fixture(scope="module")
def atlas():
    return procedural_atlas(24, 16)


@pytest.mark.parametrize("place", PLACES)
def test_a_seed_is_a_scene(atlas, place):
    scene, again, other = (make_scene(seed, atlas, place) for seed in (3, 3, 4))
    assert np.array_equal(scene.T_world_local, again.T_world_local)
    assert scene.kind.shape != other.kind.shape or not np.array_equal(
        scene.half_size, other.half_size
    )
    assert scene.name == f"{place}-3"
    assert len(scene.kind) > 15
    assert (scene.half_size > 0).all()
    assert 0 <= scene.texture.min() <= scene.texture.max() < len(atlas)


@pytest.mark.parametrize("place", PLACES)
def test_there_is_room_to_stand(atlas, place):
    scene = make_scene(5, atlas, place)
    low, high = scene.standing
    points = np.random.default_rng(0).uniform(low, high, (300, 3))
    assert (scene.clearance(points) > 0.2).mean() > 0.2


def test_rooms_are_closed_and_streets_open(atlas):
    room, street = make_scene(1, atlas, "room"), make_scene(1, atlas, "street")
    above = np.array([[0.0, 0, 100]])
    assert room.backdrop == -1
    assert all(light.lamp for light in room.lights)
    assert room.T_world_local[:, 2, 3].max() < 4, "nothing above the ceiling"
    assert not street.lights[0].lamp
    assert street.clearance(above)[0] > 20


def test_plants_grow_on_no_wall(atlas):
    palette = Palette.of(atlas, np.random.default_rng(0))
    drawn = {atlas.names[palette.surface().texture] for _ in range(200)}
    assert not any("foliage" in name for name in drawn)
    assert "foliage" in atlas.names[palette.plant().texture]
    assert "landscape" in atlas.names[int(palette.landscapes[0])]
