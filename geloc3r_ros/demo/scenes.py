# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The scenes the demo plays: a real stereo recording, and a rendered one that moves.

The recording is made from OpenCV's pictures in ``stereo/``. The bag in ``moving/`` shows a hall of
procedural textures from a dock, and from a robot that turns and drives; it is written by
``geloc3r_training.data.moving_scene``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rosbags.image import message_to_cvimage

from geloc3r_ros.demo.recording import ensure_recording, truth
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.geometry import Array

__all__ = ["Scene", "View", "scenes"]

Image = npt.NDArray[np.uint8]
SIDES = ("left", "right")


@dataclass(frozen=True)
class View:
    """The pictures (H, W, 3) RGB of a set, and their intrinsics K (3, 3)."""

    left: Image
    right: Image
    K_left: Array
    K_right: Array


@dataclass(frozen=True)
class Scene:
    """A bag of sets from two cameras, ``left`` and ``right``, with the truth in it.

    Attributes:
        name: one word, the name of its output folder.
        bag: the rosbag2.
        image_transport: ``raw`` or ``compressed``, as the node's parameter.
    """

    name: str
    bag: Path
    image_transport: str

    def truth(self) -> dict[int, Array]:
        """True poses T_left_right (4, 4) by stamp (ns)."""
        return truth(self.bag)

    def view(self, stamp: int) -> View:
        """The set with this stamp (ns)."""
        suffix = "/compressed" if self.image_transport == "compressed" else ""
        names = [f"/{side}/{what}" for what in (f"image{suffix}", "camera_info") for side in SIDES]
        with BagReader(self.bag) as bag:
            found = {m.topic: bag.deserialize(m) for m in bag.messages(names, stamp, stamp + 1)}
        left, right = (
            np.asarray(message_to_cvimage(found[name], "rgb8"), np.uint8) for name in names[:2]
        )
        K_left, K_right = (found[name].k.reshape(3, 3) for name in names[2:])
        return View(left, right, K_left, K_right)


def scenes(folder: Path) -> list[Scene]:
    """The scenes in the order in which they are played; bags are made in ``folder``."""
    recording = ensure_recording(folder / "recording" / "bag")
    moving = Path(__file__).parent / "moving"
    return [
        Scene("recording", recording, "raw"),
        Scene("moving", moving, "compressed"),
    ]
