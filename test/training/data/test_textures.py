# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from geloc3r_ros.errors import ImageError
from geloc3r_training.data.procedural_textures import PICTURES, SURFACES, procedural_texture
from geloc3r_training.data.textures import (
    TextureAtlas,
    is_held_out,
    load_atlas,
    procedural_atlas,
)


def test_mip_levels_keep_the_mean_of_linear_light():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 2, (32, 32, 3), np.uint8) * 255
    atlas = TextureAtlas.from_images([image], ["noise"], 32)
    assert atlas.level_start.tolist() == [0, 1024, 1280, 1344, 1360, 1364, 1365]
    smallest = (atlas.texels[0, -1] / 255.0) ** 2
    assert smallest == pytest.approx((image / 255.0).mean(axis=(0, 1)), abs=0.005)
    assert atlas.texels[0, :1024].reshape(32, 32, 3) == pytest.approx(image)


@pytest.mark.parametrize("kind", [*SURFACES, *PICTURES])
def test_procedural_textures_have_detail_and_obey_their_seed(kind):
    image = procedural_texture(kind, 1, 64)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    assert image.std() > 2
    assert np.array_equal(image, procedural_texture(kind, 1, 64))
    assert not np.array_equal(image, procedural_texture(kind, 2, 64))


def test_atlas_is_searched_by_name():
    atlas = procedural_atlas(24, 16)
    bricks = [i for i, name in enumerate(atlas.names) if "bricks" in name]
    assert atlas.named("bricks").tolist() == bricks
    assert len(atlas.named("^surface/", without="bricks|wood")) == 14
    assert len(atlas.named("no such thing")) == len(atlas) == 24


def test_held_out_procedural_textures_are_others():
    names = set(procedural_atlas(24, 16).names)
    assert names.isdisjoint(procedural_atlas(24, 16, held_out=True).names)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "surface").mkdir()
    for i in range(60):
        image = rng.integers(0, 255, (20, 30, 3), np.uint8)
        cv2.imwrite(str(tmp_path / ("surface" if i % 2 else "") / f"{i}.png"), image)
    return tmp_path


def test_a_folder_is_split_by_content(folder):
    train, test = load_atlas(folder, 90, 16), load_atlas(folder, 90, 16, held_out=True)
    from_files = [
        {name for name in atlas.names if name.endswith(".png")} for atlas in (train, test)
    ]
    assert from_files[0].isdisjoint(from_files[1])
    assert len(from_files[0] | from_files[1]) == 60
    assert 1 <= len(from_files[1]) <= 15
    assert {name.split("/")[0] for name in from_files[0]} == {"surface", "any"}
    renamed = folder / "0.png"
    before = is_held_out(renamed.read_bytes())
    assert is_held_out(renamed.rename(folder / "other.png").read_bytes()) == before


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ImageError, match="no image for training"):
        load_atlas(tmp_path)


def test_an_unreadable_image_is_named(tmp_path):
    broken = tmp_path / "broken.jpg"
    for text in range(20):
        broken.write_text(str(text))
        if not is_held_out(broken.read_bytes()):
            break
    with pytest.raises(ImageError, match=r"broken\.jpg cannot be read"):
        load_atlas(tmp_path)
