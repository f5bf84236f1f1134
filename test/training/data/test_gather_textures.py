# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np

from geloc3r_training.data import gather_textures

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

    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 4), np.uint8)
    see_through, opaque = noise.copy(), noise.copy()
    opaque[..., 3] = 255
    assert gather_textures._square(png(see_through), 128) is None
    assert gather_textures._square(png(opaque), 128).shape == (128, 128, 3)
    assert gather_textures._square(png(opaque[:100]), 128) is None
    assert gather_textures._square(png(np.full((200, 200, 3), 90, np.uint8)), 128) is None
    assert gather_textures._square(b"no picture", 128) is None


def test_derived_maps_are_left_out(tmp_path):
    folder = tmp_path / "textures" / "tex_nature"
    folder.mkdir(parents=True)
    for name in ("grass.png", "grass_nm.png", "grass.txt"):
        (folder / name).write_bytes(b"x")
    found = gather_textures._textures(tmp_path, gather_textures.SOURCES[0])
    assert [(t.use, t.origin) for t in found] == [("surface", "/textures/tex_nature/grass.png")]
