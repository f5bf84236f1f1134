# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The renderer against depths, pixels and colours that were worked out by hand."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from geloc3r_ros import geometry
from geloc3r_training.data.covisibility import reproject
from geloc3r_training.data.places import make_scene
from geloc3r_training.data.renderer import Renderer, develop
from geloc3r_training.data.scene import Light, Material, SceneBuilder
from geloc3r_training.data.textures import TextureAtlas, procedural_atlas

WHITE, CHESS = 0, 1
ALBEDO = 0.5  # linear, of the plain texture
LOOKING_ALONG_X = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
K = np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]])
SIZE = 49, 65


@pytest.fixture(scope="module")
def renderer():
    plain = np.full((64, 64, 3), 188, np.uint8)  # sRGB 188 is linear 0.503
    chess = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    images = [plain, np.repeat(chess[..., None], 3, axis=2)]
    return Renderer(TextureAtlas.from_images(images, ["plain", "chess"], 64))


def built(builder, lights=(), ambient=1.0):
    grey = (ambient,) * 3
    sky = (0.2, 0.4, 0.8)
    none = Light((0, 0, 1), (0, 0, 0), False)
    standing = (-1, -1, 0), (1, 1, 2)
    rng = np.random.default_rng(0)
    return builder.build(rng, lights or (none,), (sky, sky), (grey, grey), standing)


def seen(renderer, scene, T_world_camera, K=K, size=SIZE):
    out = renderer.render([scene], [0], T_world_camera[None], K[None], size)
    return out.radiance[0].numpy(), out.depth[0].numpy()


def camera(x=0.0, y=0.0, z=1.5):
    return geometry.make_transform(LOOKING_ALONG_X, [x, y, z])


def test_depth_of_a_wall_is_z_and_not_range(renderer):
    builder = SceneBuilder()
    builder.box((4.5, 0, 0), (1, 50, 50), Material(WHITE))
    _, depth = seen(renderer, built(builder), camera())
    assert depth == pytest.approx(4.0, abs=1e-5)
    _, depth = seen(renderer, built(builder), camera(x=1.25))
    assert depth == pytest.approx(2.75, abs=1e-5)


def test_depth_of_the_floor_by_row(renderer):
    builder = SceneBuilder()
    builder.box((0, 0, -0.5), (500, 500, 1), Material(WHITE))
    _, depth = seen(renderer, built(builder), camera(z=1.5))
    rows = np.arange(27, 49)  # z * (v - cy) / fy = 1.5
    assert depth[rows] == pytest.approx(np.tile(150 / (rows - 24), (65, 1)).T, rel=1e-5)
    assert not depth[:24].any(), "the sky has no depth"


def test_depth_of_round_shapes(renderer):
    builder = SceneBuilder()
    builder.ellipsoid((5, 0, 1.5), (2, 1, 1), Material(WHITE))
    _, depth = seen(renderer, built(builder), camera())
    assert depth[24, 32] == pytest.approx(4.0, abs=1e-5)
    builder = SceneBuilder()
    builder.cylinder((5, 0, 1.5), 0.5, 9.0, Material(WHITE))
    _, depth = seen(renderer, built(builder), camera())
    assert depth[:, 32] == pytest.approx(4.5, abs=1e-5)
    # At u the ray (1, -s, 0), s = (u - cx) / fx, meets the circle of radius 0.5 about (5, 0).
    s = 6 / 100
    root = (10 - np.sqrt(100 - 4 * (1 + s * s) * 24.75)) / (2 * (1 + s * s))
    assert depth[24, 38] == pytest.approx(root, abs=1e-5)


def test_pixel_centres_stand_at_the_integers(renderer):
    # The left edge of the wall is y = -0.2 at x = 4: u = 32 + 100 * 0.2 / 4 = 37.
    builder = SceneBuilder()
    builder.box((4.0001, -5.2, 1.5), (0.0002, 10, 10), Material(WHITE))
    _, depth = seen(renderer, built(builder), camera(y=0.001))
    assert depth[24, 37] == 0
    _, depth = seen(renderer, built(builder), camera(y=-0.001))
    assert depth[24, 37] == pytest.approx(4, abs=1e-5)
    assert depth[24, 36] == 0


def test_what_stands_to_the_left_appears_on_the_left(renderer):
    builder = SceneBuilder()
    builder.box((4, 1, 2.0), (0.4, 0.4, 0.4), Material(WHITE))  # +y is left of a look along +x
    _, depth = seen(renderer, built(builder), camera())
    v, u = np.nonzero(depth)
    assert u.max() < 32
    assert v.max() < 24


def test_colour_is_texture_times_tint_times_light(renderer):
    builder = SceneBuilder()
    builder.box((4.5, 0, 0), (1, 50, 50), Material(WHITE, tint=(1.0, 0.5, 0.25)))
    radiance, _ = seen(renderer, built(builder, ambient=0.8), camera())
    expected = np.array([1.0, 0.5, 0.25]) * 0.8 * ALBEDO
    assert radiance[24, 32] == pytest.approx(expected, rel=0.02)


def test_a_sun_lights_by_the_cosine_and_casts_a_shadow(renderer):
    sun = Light((0.0, 0.6, 0.8), (1.0, 1.0, 1.0), False)
    floor = SceneBuilder()
    floor.box((0, 0, -0.5), (500, 500, 1), Material(WHITE))
    lit, _ = seen(renderer, built(floor, (sun,), 0.25), camera())
    assert lit[40, 32, 0] == pytest.approx(ALBEDO * (0.25 + 0.8), rel=0.02)
    # Row 40 sees the floor at x = 9.375, y = 0; towards the sun at height 2 that is y = 1.5.
    floor.box((9.375, 1.5, 2.0), (1.0, 0.5, 0.2), Material(WHITE))
    shaded, _ = seen(renderer, built(floor, (sun,), 0.25), camera())
    assert shaded[40, 32, 0] == pytest.approx(ALBEDO * 0.25, rel=0.02)
    assert shaded[40, 2, 0] == pytest.approx(lit[40, 2, 0])


def test_a_lamp_weakens_with_distance(renderer):
    builder = SceneBuilder()
    builder.box((4.5, 0, 0), (1, 50, 50), Material(WHITE))
    lamp = Light((1.0, 0.0, 1.5), (10.0, 10.0, 10.0), True)
    radiance, _ = seen(renderer, built(builder, (lamp,), 0.0), camera())
    assert radiance[24, 32, 0] == pytest.approx(ALBEDO * 10 / (1 + 3**2), rel=0.02)


def test_far_texture_fades_to_its_mean_instead_of_flickering(renderer):
    builder = SceneBuilder()
    builder.box((40.5, 0, 0), (1, 500, 500), Material(CHESS, metres=0.5))
    radiance, _ = seen(renderer, built(builder), camera())
    assert radiance.mean() == pytest.approx(0.5, abs=0.02)
    assert radiance.std() < 0.02
    near = SceneBuilder()
    near.box((1.0, 0, 0), (1, 50, 50), Material(CHESS, metres=8.0))
    radiance, _ = seen(renderer, built(near), camera())
    assert radiance.std() > 0.15


def test_an_edge_is_smooth(renderer):
    builder = SceneBuilder()
    builder.box((4.5, -5.2, 1.5), (1, 10, 10), Material(WHITE), 0.0, 0.0, 0.3)
    radiance, depth = seen(renderer, built(builder, ambient=4.0), camera())
    red = radiance[..., 0]
    between = (red > 0.3) & (red < 1.8)  # sky 0.2, wall 2
    assert between.sum() > 20
    assert set(np.unique(np.round(depth, 4))) == {0.0, 4.0}, "depth is never blended"


def test_reprojection_through_depth_closes(renderer):
    scene = make_scene(3, procedural_atlas(24, 64), "room")
    views = Renderer(procedural_atlas(24, 64))
    T_world_camera = np.stack([camera(-0.5, 0.1, 1.2), camera(-0.6, 0.3, 1.3)])
    T_world_camera[1, :3, :3] = LOOKING_ALONG_X @ geometry.rotation_about([0.3, 1, 0.2], 0.2)
    wide = np.array([[90.0, 0, 80], [0, 90, 60], [0, 0, 1]])
    cameras = np.stack([wide, wide])
    _, depth = views.render([scene], [0, 0], T_world_camera, cameras, (121, 161))
    poses, K_both = torch.from_numpy(T_world_camera), torch.from_numpy(cameras)
    uv, z, _ = reproject(depth.double(), K_both, poses)
    target, (u, v) = depth[1].double().numpy(), uv[0, 1].numpy().T
    column, row = np.floor(u).astype(int), np.floor(v).astype(int)
    inside = (column >= 1) & (column < 159) & (row >= 1) & (row < 119)
    u, v, column, row = u[inside], v[inside], column[inside], row[inside]
    # On a plane 1/z is linear in the image, so there bilinear interpolation of it is exact.
    inverse = 1 / target
    corners = [inverse[row + i, column + j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1))]
    flat = np.abs(corners[0] + corners[3] - corners[1] - corners[2]) < 1e-6
    fu, fv = u - column, v - row
    there = 1 / (
        (1 - fv) * ((1 - fu) * corners[0] + fu * corners[1])
        + fv * ((1 - fu) * corners[2] + fu * corners[3])
    )
    same = flat & (np.abs(there / z[0, 1].numpy()[inside] - 1) < 0.02)
    assert same.sum() > 3000
    # Back into the first view with the depth that the second one has.
    points = np.linalg.inv(wide) @ np.stack([u, v, np.ones_like(u)]) * there
    T_a_b = geometry.inverse(T_world_camera[0]) @ T_world_camera[1]
    back = wide @ (T_a_b[:3, :3] @ points + T_a_b[:3, 3:])
    grid_v, grid_u = np.divmod(np.nonzero(inside)[0], 161)
    error = np.hypot(back[0] / back[2] - grid_u, back[1] / back[2] - grid_v)[same]
    assert np.median(error) < 1e-3
    assert np.quantile(error, 0.99) < 0.05


def test_the_batch_layout_changes_nothing():
    atlas = procedural_atlas(24, 64)
    renderer = Renderer(atlas)
    scenes = [make_scene(seed, atlas) for seed in (1, 2)]
    poses, cameras = np.stack([camera(), camera(0.3)]), np.stack([K, K])
    together = renderer.render(scenes, [1, 0], poses, cameras, SIZE)
    alone = renderer.render(scenes[:1], [0], poses[1:], cameras[1:], SIZE)
    assert torch.equal(together.radiance[1], alone.radiance[0])
    assert torch.equal(together.depth[1], alone.depth[0])


def test_develop_is_srgb():
    light = torch.tensor([[0.0, 0.002, 0.5, 2.0]])
    assert develop(light, exposure=1.0).tolist() == [[0, 7, 188, 255]]


SIMULATION = """
import numpy as np
from geloc3r_ros.geometry import make_transform
from geloc3r_training.data.places import make_scene
from geloc3r_training.data.renderer import Renderer, _cameras, join, pack
from geloc3r_training.data.renderer_cuda import _first_pass, _second_pass
from geloc3r_training.data.textures import procedural_atlas

atlas = procedural_atlas(12, 32)
scenes = [make_scene(seed, atlas, "room") for seed in (1, 2)]
forward = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
poses = np.stack([make_transform(forward, [x, 0, 1.5]) for x in (0, 0.3)])
K = np.tile([[6.0, 0, 3.5], [0, 6, 2.5], [0, 0, 1]], (2, 1, 1))
cpu = Renderer(atlas).render(scenes, [1, 0], poses, K, (6, 8))
buffers = join([pack(scene) for scene in scenes], atlas)
radiance, depth = np.zeros((2, 6, 8, 3), np.float32), np.zeros((2, 6, 8), np.float32)
keys, scene_of_view = np.zeros((2, 6, 8), np.int32), np.array([1, 0], np.int32)
_first_pass[1, 128](buffers, scene_of_view, _cameras(poses, K), radiance, depth, keys)
_second_pass[1, 128](buffers, scene_of_view, _cameras(poses, K), radiance, keys)
assert depth.min() > 0
assert np.array_equal(depth, cpu.depth)
assert np.array_equal(radiance, cpu.radiance)
"""


def test_the_kernels_in_the_simulator():
    # Numba's simulator runs the kernels as plain Python; it must be chosen before numba is loaded.
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SIMULATION], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_sees_what_the_cpu_sees():
    atlas = procedural_atlas(24, 64)
    scenes = [make_scene(seed, atlas) for seed in (1, 2)]
    poses, cameras = np.stack([camera(), camera(0.3)]), np.stack([K, K])
    cpu = Renderer(atlas).render(scenes, [1, 0], poses, cameras, SIZE)
    gpu = Renderer(atlas, "cuda").render(scenes, [1, 0], poses, cameras, SIZE)
    apart = (gpu.depth.cpu() - cpu.depth).abs() > 1e-3
    assert apart.float().mean() < 0.002, "but for rays that graze an edge, depth is the same"
    assert (gpu.radiance.cpu() - cpu.radiance).abs().median() < 1e-4
