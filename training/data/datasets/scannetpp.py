# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ScanNet++: laser-scanned rooms, filmed with an iPhone."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from geloc3r_training.data.datasets.base import Entry, Frame, PosedDataset
from geloc3r_training.data.datasets.files import intrinsics, world_camera
from geloc3r_training.data.datasets.lenses import BrownLens
from geloc3r_training.data.sample import DataError, Scale

__all__ = ["ScanNetPP"]


class ScanNetPP(PosedDataset):
    """ScanNet++ (Yeshwanth et al., ICCV 2023), the iPhone's video, for training.

    Download: with the token of kaldir.vc.in.tum.de/scannetpp: iPhone video, COLMAP, mesh; extract
    the frames and render the laser scan with github.com/scannetpp/scannetpp, "Extract RGB frames"
    and "Render Depth for DSLR and iPhone".
    Licence: ScanNet++ terms of use, non-commercial, by application.
    Folder: ``data/<scene>/iphone/{rgb/frame_000000.jpg, render_depth/frame_000000.png,
    colmap/{cameras,images}.txt}`` and ``splits/nvs_sem_{train,val}.txt``.
    Poses: COLMAP, T_camera_world as quaternion w x y z and translation; frames that COLMAP did
    not register have none. Intrinsics: COLMAP, OPENCV, pixel centres at 0.5; distortion is
    removed from image and depth. Depth: millimetres, 0 where unknown. Scale: metric.
    Format: kaldir.vc.in.tum.de/scannetpp/documentation; colmap.github.io/format.html.
    """

    name = "scannetpp"
    scale = Scale.METRIC
    splits = ("train", "val")

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """See the base class."""
        return any(root.glob("data/*/iphone/colmap"))

    def scenes(self) -> list[str]:
        """Scenes of the split that are there."""
        path = self.root / "splits" / f"nvs_sem_{self.split}.txt"
        try:
            listed = path.read_text(encoding="ascii").split()
        except OSError as error:
            raise DataError(f"{path}: there is no such list; download the splits") from error
        return sorted(scene for scene in listed if (self.root / "data" / scene).is_dir())

    def _entries(self, scene: str) -> Iterable[Entry]:
        folder = self.root / "data" / scene / "iphone"
        cameras = {
            line[0]: line[1:]
            for line in _lines(folder / "colmap" / "cameras.txt", keep_empty=False)
        }
        # Two lines an image: the second lists its points and may be empty.
        images = _lines(folder / "colmap" / "images.txt", keep_empty=True)[::2]
        for line in sorted((line for line in images if line), key=lambda line: line[-1]):
            name = Path(line[-1]).stem
            yield name, partial(_frame, folder, name, line, cameras)


def _frame(folder: Path, name: str, line: list[str], cameras: dict[str, list[str]]) -> Frame:
    _, *pose, camera, file = line
    model, width, height, *parameters = cameras[camera]
    if model != "OPENCV":
        raise DataError(f"camera model {model}; the iPhone's of ScanNet++ is OPENCV")
    fx, fy, cx, cy, k1, k2, p1, p2 = map(float, parameters)
    numbers = [float(number) for number in pose]
    return Frame(
        name=name,
        image=folder / "rgb" / file,
        K=intrinsics(fx, fy, cx, cy, corner=0.5),
        T_world_camera=world_camera(numbers[:4], numbers[4:7]),
        depth=folder / "render_depth" / f"{name}.png",
        size=(int(width), int(height)),
        lens=BrownLens(k1, k2, p1, p2),
    )


def _lines(path: Path, *, keep_empty: bool) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    fields = [line.split() for line in lines if not line.startswith("#")]
    return [line for line in fields if line or keep_empty]
