# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every dataset on disk is: scenes of posed frames, read one at a time and never trusted.

A dataset is opened where its authors' archives were unpacked. Reading its text files gives
:class:`Frame`s, in this project's conventions whatever the files say: optical camera axes,
T_world_camera, K for integer pixel centres. What is broken becomes a :class:`Problem` in a list.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image

from geloc3r_ros.errors import ConfigError, GeLoc3rError
from geloc3r_ros.geometry import Array, make_transform, nearest_rotation
from geloc3r_training.data.datasets.files import read_depth_png, read_rgb
from geloc3r_training.data.datasets.lenses import Lens
from geloc3r_training.data.sample import DataError, Sample, Scale

__all__ = [
    "UNREADABLE",
    "Entry",
    "Frame",
    "Inspection",
    "Pair",
    "PosedDataset",
    "Problem",
    "View",
    "stack",
]

UNREADABLE = (
    OSError, EOFError, KeyError, IndexError, TypeError, ValueError, zlib.error, GeLoc3rError
)  # fmt: skip
"""What the parsers of damaged files raise."""

MAX_SHEAR = 1e-2
"""How far R R^T may be from the identity before a pose is called broken instead of rounded."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A view before its pixels are read."""

    name: str  # unique in its scene
    image: Path
    K: Array  # (3, 3) pixels, centres at the integers
    T_world_camera: Array  # (4, 4) optical axes
    depth: Path | None = None
    size: tuple[int, int] | None = None  # width and height that K is for, where they are stated
    lens: Lens | None = None  # distortion that read() removes


class View(NamedTuple):
    """A view with its pixels."""

    image: npt.NDArray[np.uint8]  # (H, W, 3) RGB
    depth: npt.NDArray[np.float32] | None  # (H, W) z in the camera, 0 where unknown
    K: Array  # (3, 3)
    T_world_camera: Array  # (4, 4)


class Problem(NamedTuple):
    """Something on disk that cannot be used; ``frame`` is empty where a whole scene is meant."""

    scene: str
    frame: str
    message: str


class Pair(NamedTuple):
    """Two frames of a scene."""

    scene: str
    a: str
    b: str


class Inspection(NamedTuple):
    """The usable frames of a scene, and what is wrong with the others."""

    frames: list[Frame]
    problems: list[Problem]


Entry = tuple[str, Callable[[], Frame]]
"""A frame's name, and what makes the frame or raises one of ``UNREADABLE``."""


class PosedDataset(ABC):
    """A dataset on disk.

    Args:
        root: the folder its docstring describes.
        split: one of ``splits``; the first of them where None.

    Raises:
        ConfigError: if the dataset has no such split.
        DataError: if the folder is not one of this dataset.
    """

    name: ClassVar[str]
    scale: ClassVar[Scale]
    splits: ClassVar[tuple[str, ...]] = ("all",)

    def __init__(self, root: Path, split: str | None = None) -> None:
        if split is not None and split not in self.splits:
            raise ConfigError(f"{self.name} has no split {split!r}; it has {list(self.splits)}")
        if not self.recognises(root):
            raise DataError(f"{root} is not a folder of {self.name}; see docs/datasets.md")
        self.root = root
        self.split = split or self.splits[0]

    @classmethod
    @abstractmethod
    def recognises(cls, root: Path) -> bool:
        """Whether a folder is laid out like this dataset."""

    @abstractmethod
    def scenes(self) -> list[str]:
        """Names of the scenes of the split."""

    @abstractmethod
    def _entries(self, scene: str) -> Iterable[Entry]:
        """What the files of a scene say, in the order of the recording."""

    def pairs(self) -> list[Pair] | None:
        """The pairs of a benchmark; None where pairs are to be selected."""
        return None

    def frames(self, scene: str) -> list[Frame]:
        """Return the frames of a scene whose numbers are sound; files are not opened."""
        return self.inspect(scene, files=False).frames

    def frame(self, scene: str, name: str) -> Frame:
        """Return one frame; of its scene no more is read than that takes.

        Raises:
            DataError: if there is no such frame, or it is broken.
        """
        try:
            return _sound(_entries_by_name(self, scene)[name]())
        except UNREADABLE as error:
            raise DataError(
                f"{self.name}/{scene}: no usable frame {name}: {_words(error)}"
            ) from error

    def inspect(self, scene: str, *, files: bool = True) -> Inspection:
        """Check the numbers of all frames of a scene and, with ``files``, their images."""
        inspection = Inspection([], [])
        try:
            entries = list(self._entries(scene))
        except UNREADABLE as error:
            inspection.problems.append(Problem(scene, "", _words(error)))
            return inspection
        for name, make in entries:
            try:
                frame = _sound(make())
                if files:
                    self._check_files(frame)
                inspection.frames.append(frame)
            except UNREADABLE as error:
                inspection.problems.append(Problem(scene, name, _words(error)))
        return inspection

    def read(self, frame: Frame) -> View:
        """Read the pixels of a frame, without lens distortion.

        Raises:
            DataError: if a file is missing, damaged or of another size than it should be.
        """
        image = self._read_image(frame)
        height, width = image.shape[:2]
        if frame.size is not None and frame.size != (width, height):
            raise DataError(
                f"{frame.image} has {width}x{height} pixels; its intrinsics are for "
                f"{frame.size[0]}x{frame.size[1]}"
            )
        depth = self._read_depth(frame) if frame.depth is not None else None
        if depth is not None and depth.shape != (height, width):
            raise DataError(
                f"{frame.depth} has {depth.shape[1]}x{depth.shape[0]} pixels, "
                f"its image {width}x{height}"
            )
        if frame.lens is not None:
            image, depth = frame.lens.undistort(image, depth, frame.K)
        return View(image, depth, frame.K, frame.T_world_camera)

    def sample(self, scene: str, names: Sequence[str]) -> Sample:
        """Return frames of a scene as a sample at their full size, which must be one.

        Raises:
            DataError: if a frame is missing or broken, or sizes differ.
        """
        views = [self.read(self.frame(scene, name)) for name in names]
        return stack(views, self.scale, f"{self.name}/{scene}/{'+'.join(names)}")

    def _read_image(self, frame: Frame) -> npt.NDArray[np.uint8]:
        return read_rgb(frame.image)

    def _read_depth(self, frame: Frame) -> npt.NDArray[np.float32]:
        """Depth of a frame that has some; by default a 16-bit PNG in millimetres."""
        assert frame.depth is not None
        return read_depth_png(frame.depth, 1000.0)

    def _check_files(self, frame: Frame) -> None:
        """Look at what can be seen without decoding pixels."""
        with PIL.Image.open(frame.image) as image:
            if frame.size is not None and image.size != frame.size:
                raise DataError(
                    f"{frame.image} has {image.size[0]}x{image.size[1]} pixels; its intrinsics "
                    f"are for {frame.size[0]}x{frame.size[1]}"
                )
        if frame.depth is not None and not frame.depth.is_file():
            raise DataError(f"{frame.depth}: there is no such file")


@lru_cache(maxsize=256)
def _entries_by_name(dataset: PosedDataset, scene: str) -> dict[str, Callable[[], Frame]]:
    return dict(dataset._entries(scene))


def stack(views: Sequence[View], scale: Scale, source: str) -> Sample:
    """Return views of one size as a sample; with depth where every view has some.

    Raises:
        DataError: if the sizes differ.
    """
    shapes = {view.image.shape for view in views}
    if len(shapes) != 1:
        raise DataError(f"{source}: views of several sizes, {sorted(shapes)}; crop them to one")
    depths = [view.depth for view in views if view.depth is not None]
    return Sample(
        images=np.stack([view.image for view in views]),
        depths=np.stack(depths) if len(depths) == len(views) else None,
        K=np.stack([view.K for view in views]),
        T_world_camera=np.stack([view.T_world_camera for view in views]),
        scale=scale,
        source=source,
    )


def _sound(frame: Frame) -> Frame:
    """The frame with its rotation made exact.

    Raises:
        DataError: if its pose or its intrinsics are no such thing.
    """
    T, K = frame.T_world_camera, frame.K
    if T.shape != (4, 4) or not np.isfinite(T).all():
        raise DataError("the pose is not finite")
    R = T[:3, :3]
    shear = float(np.abs(R @ R.T - np.eye(3)).max())
    if shear > MAX_SHEAR or np.linalg.det(R) <= 0:
        determinant = float(np.linalg.det(R))
        raise DataError(
            f"the pose is not rigid: R R^T is off by {shear:.3g}, det R = {determinant:.3g}"
        )
    if K.shape != (3, 3) or not np.isfinite(K).all() or min(K[0, 0], K[1, 1]) <= 0:
        raise DataError(f"the intrinsics are no camera's: {K.tolist()}")
    return replace(frame, T_world_camera=make_transform(nearest_rotation(R), T[:3, 3]))


def _words(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"has no entry {error}"
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"{error.filename}: there is no such file"
    return str(error) or type(error).__name__
