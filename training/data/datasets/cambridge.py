# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cambridge Landmarks: streets and facades filmed with a telephone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path, PurePosixPath

from geloc3r_ros.geometry import make_transform, rotation_from_quat_xyzw
from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import image_size, intrinsics
from geloc3r_training.data.datasets.lenses import MeasurementLens
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["Cambridge"]


class Cambridge(PosedDataset):
    """Cambridge Landmarks (Kendall et al., ICCV 2015), for testing; ``train`` is the map.

    Download: the scenes of mi.eng.cam.ac.uk/projects/relocalisation.
    Licence: CC BY-NC-SA 2.0 UK.
    Folder: ``<scene>/{reconstruction.nvm, dataset_train.txt, dataset_test.txt, seq1/*.png}``; the
    lists have three lines of heading, then ``file X Y Z W P Q R``.
    Poses: NVM (VisualSFM): quaternion w x y z from the world to the camera, then the camera's
    centre, optical axes. Intrinsics: NVM focal length in pixels, principal point at the centre
    of the image; radial distortion of measured points, which is removed.
    Depth: none. Scale: metric, about (the models were scaled by hand).
    Format: ccwu.me/vsfm/doc.html, "NVM".
    """

    name = "cambridge"
    scale = Scale.METRIC
    splits = ("test", "train")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(root.glob("*/reconstruction.nvm"))

    def scenes(self) -> list[str]:
        """Names of the scenes."""
        return sorted(path.parent.name for path in self.root.glob("*/reconstruction.nvm"))

    def _entries(self, scene: str) -> Iterable[Entry]:
        cameras = _cameras(self.root / scene / "reconstruction.nvm")
        listed = (self.root / scene / f"dataset_{self.split}.txt").read_text(encoding="utf-8")
        for line in listed.splitlines()[3:]:
            if fields := line.split():
                yield fields[0], partial(_frame, self.root / scene, fields[0], cameras)


def _frame(folder: Path, file: str, cameras: dict[str, list[float]]) -> Frame:
    # The model names .jpg, the archive holds .png.
    f, w, x, y, z, *centre, r = cameras[str(PurePosixPath(file).with_suffix(""))]
    path = folder / file
    width, height = image_size(path)
    R_world_camera = rotation_from_quat_xyzw([x, y, z, w]).T
    return Frame(
        name=file,
        image=path,
        K=intrinsics(f, f, width / 2, height / 2, corner=0.5),
        T_world_camera=make_transform(R_world_camera, centre),
        size=(width, height),
        lens=MeasurementLens(r) if r else None,
    )


@cache
def _cameras(path: Path) -> dict[str, list[float]]:
    """Focal length, quaternion w x y z, centre, distortion by image without its extension."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines or not lines[0].startswith("NVM_V3"):
        raise DataError(f"{path} is no model of VisualSFM: it must begin with NVM_V3")
    cameras = {}
    for line in lines[2 : 2 + int(lines[1])]:
        name, *numbers = line.split()
        cameras[str(PurePosixPath(name).with_suffix(""))] = [float(n) for n in numbers[:9]]
    return cameras
