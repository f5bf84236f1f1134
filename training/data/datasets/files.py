# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading the file formats that the datasets share."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from geloc3r_ros.geometry import Array, make_transform, rotation_from_quat_xyzw
from geloc3r_ros.inference.images import is_cut_off, kind_of
from geloc3r_training.data.sample import DataError

__all__ = [
    "image_size",
    "intrinsics",
    "opengl_to_optical",
    "read_depth_png",
    "read_npz_objects",
    "read_pfm",
    "read_rgb",
    "read_uint16",
    "world_camera",
]


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image (H, W, 3) as it is stored: intrinsics know nothing of an EXIF orientation.

    Raises:
        DataError: if there is no such file or it is damaged.
    """
    bgr = _read(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def read_depth_png(path: Path, units_per_metre: float, unknown: int = 0) -> npt.NDArray:
    """Read a 16-bit depth map (H, W) as float32 metres, 0 where it holds ``unknown`` or 0.

    Raises:
        DataError: if there is no such file, it is damaged or not a 16-bit map.
    """
    stored = read_uint16(path)
    return np.where(stored == unknown, 0, stored / np.float32(units_per_metre)).astype(np.float32)


def read_uint16(path: Path) -> npt.NDArray[np.uint16]:
    """Read a 16-bit grey PNG (H, W) as it is stored.

    Raises:
        DataError: if there is no such file, it is damaged or not a 16-bit map.
    """
    stored = _read(path, cv2.IMREAD_UNCHANGED)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise DataError(f"{path} is {stored.dtype} {stored.shape}, not a 16-bit depth map")
    return np.asarray(stored, np.uint16)


def read_pfm(path: Path) -> npt.NDArray[np.float32]:
    """Read a grey float map (H, W); not finite values become 0.

    Raises:
        DataError: if there is no such file or it is damaged.
    """
    stored = _read(path, cv2.IMREAD_UNCHANGED)
    if stored.dtype != np.float32 or stored.ndim != 2:
        raise DataError(f"{path} is {stored.dtype} {stored.shape}, not a grey PFM")
    return np.nan_to_num(stored, nan=0.0, posinf=0.0, neginf=0.0)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image, from its header."""
    with PIL.Image.open(path) as image:
        return image.size


def intrinsics(fx: float, fy: float, cx: float, cy: float, corner: float = 0.0) -> Array:
    """K (3, 3) for integer pixel centres.

    Args:
        fx: focal length in pixels.
        fy: focal length in pixels.
        cx: principal point.
        cy: principal point.
        corner: what the source calls the coordinate of the centre of the first pixel; 0.5 in
            COLMAP and wherever 0 is the corner of the image.
    """
    return np.array([[fx, 0, cx - corner], [0, fy, cy - corner], [0, 0, 1]], float)


def world_camera(quat_wxyz: npt.ArrayLike, t_camera_world: npt.ArrayLike) -> Array:
    """T_world_camera (4, 4) of a rotation and a translation of the world, as in COLMAP."""
    w, x, y, z = np.asarray(quat_wxyz, float)
    R_world_camera = rotation_from_quat_xyzw([x, y, z, w]).T
    return make_transform(R_world_camera, -R_world_camera @ np.asarray(t_camera_world, float))


def opengl_to_optical(T_world_opengl: npt.ArrayLike) -> Array:
    """T_world_camera (4, 4) of the pose of a camera with x right, y up, z backwards."""
    return np.asarray(T_world_opengl, float).reshape(4, 4) @ np.diag([1.0, -1.0, -1.0, 1.0])


def read_npz_objects(path: Path, names: Iterable[str]) -> dict[str, Any]:
    """Read arrays of an ``.npz`` that may hold strings, tuples and None, but never code.

    Published indices keep Python objects in arrays, or are one pickled dictionary under the name
    of an archive; unpickling whatever a file says could run code, so anything but numbers, texts
    and arrays is refused.

    Raises:
        DataError: if the file is no such archive, lacks a name, or holds something else.
    """
    try:
        with path.open("rb") as file:
            if file.read(1) == pickle.PROTO:
                file.seek(0)
                index = _Data(file).load()
                return {name: index[name] for name in names}
            with zipfile.ZipFile(file) as archive:
                return {name: _read_array(archive.read(f"{name}.npy")) for name in names}
    except NO_INDEX as error:
        raise DataError(f"{path} is not an index in .npz ({error})") from error


NO_INDEX = (
    OSError, EOFError, LookupError, TypeError, ValueError, AttributeError,
    zipfile.BadZipFile, pickle.UnpicklingError,
)  # fmt: skip
"""What damaged archives and pickles raise."""

HARMLESS = {
    "_reconstruct": np.array(0).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}
"""What pickled arrays need of numpy, whatever its version calls the modules."""


class _Data(pickle.Unpickler):
    """Builds arrays and plain values alone."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] != "numpy" or name not in HARMLESS:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}, which is not data")
        return HARMLESS[name]


def _read_array(data: bytes) -> npt.NDArray:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    _, _, dtype = read_header(file)
    if not dtype.hasobject:
        return np.load(io.BytesIO(data), allow_pickle=False)
    return np.asarray(_Data(file).load())


def _read(path: Path, how: int) -> npt.NDArray:
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    data = path.read_bytes()
    kind = kind_of(data)
    if is_cut_off(kind, data):  # OpenCV would fill it up with grey
        raise DataError(f"{path}: {kind} of {len(data)} bytes is cut off: it has no end")
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), how) if data else None
    except cv2.error as error:
        raise DataError(f"{path} cannot be decoded ({error.err})") from error
    if stored is None:
        raise DataError(f"{path} is damaged, or not an image")
    return np.asarray(stored)
