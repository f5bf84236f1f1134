# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from geloc3r_ros import geometry
from geloc3r_training.data.camera_motion import MOTIONS, MotionLimits, draw_cameras
from geloc3r_training.data.places import PLACES, make_scene
from geloc3r_training.data.renderer import pack
from geloc3r_training.data.textures import procedural_atlas
from geloc3r_training.data.visibility import glance, overlap

TANGENT = np.array([0.8, 0.6])


@pytest.fixture(scope="module")
def atlas():
    return procedural_atlas(24, 16)


@pytest.mark.parametrize("place", PLACES)
def test_cameras_stand_free_and_keep_the_limits(atlas, place):
    limits = MotionLimits(overlap=0.3, rotation=0.7)
    found = 0
    for seed in range(4):
        scene = make_scene(seed, atlas, place)
        buffers = pack(scene)
        rng = np.random.default_rng(seed)
        cameras = draw_cameras(scene, buffers, TANGENT, 3, limits, rng)
        if cameras is None:
            continue
        found += 1
        assert scene.clearance(cameras[:, :3, 3]).min() >= limits.clearance
        for camera in cameras:
            assert geometry.is_transform(camera)
            depth = glance(buffers, camera, TANGENT)[..., 0]
            assert depth[depth > 0].min() >= limits.nearest
        for b in (1, 2):
            T_a_b = geometry.inverse(cameras[0]) @ cameras[b]
            assert geometry.rotation_angle(T_a_b[:3, :3]) <= limits.rotation
            assert overlap(buffers, cameras[0], cameras[b], TANGENT) >= limits.overlap
            assert overlap(buffers, cameras[b], cameras[0], TANGENT) >= limits.overlap
    assert found >= 3


def test_the_same_generator_gives_the_same_cameras(atlas):
    scene = make_scene(0, atlas, "room")
    drawn = [
        draw_cameras(scene, pack(scene), TANGENT, 2, MotionLimits(), np.random.default_rng(5))
        for _ in range(2)
    ]
    assert np.array_equal(*drawn)


def of(name, count=200):
    rng = np.random.default_rng(0)
    return np.stack([MOTIONS[name][1](rng, 2.0) for _ in range(count)])


def test_motions_are_what_their_names_say():
    assert np.abs(of("forward")[:, 2, 3]).min() > 1.6
    stereo = of("stereo")
    assert np.abs(stereo[:, 0, 3]).min() > 1.99
    assert np.median([geometry.rotation_angle(T[:3, :3]) for T in stereo]) < 0.03
    turns = [geometry.rotation_angle(T[:3, :3]) for T in of("turn")]
    assert 0.1 < min(turns) < 0.25
    assert 0.9 < max(turns) < 1.15
    assert np.linalg.norm(of("spin")[:, :3, 3], axis=1).max() < 0.021
    assert max(geometry.rotation_angle(T[:3, :3]) for T in of("still")) < 0.03


def test_an_orbit_keeps_looking_at_its_centre():
    for T_1_2 in of("orbit", 20):
        # Both optical axes meet: the shortest distance between the lines is about 0.
        direction, origin = T_1_2[:3, 2], T_1_2[:3, 3]
        normal = np.cross([0, 0, 1], direction)
        if np.linalg.norm(normal) > 0.1:
            assert abs(origin @ normal) / np.linalg.norm(normal) < 0.25 * np.linalg.norm(origin)


def test_shares_add_up():
    assert sum(share for share, _ in MOTIONS.values()) == pytest.approx(1)
