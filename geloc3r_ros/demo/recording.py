# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's stereo recording as a bag, made from the pictures in ``stereo/``.

``/ground_truth/right/pose`` carries the true pose T_left_right, in metres, at every pair.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from geloc3r_ros.demo.calibration import Camera, StereoCalibration, calibrate, read_grey
from geloc3r_ros.errors import BagError
from geloc3r_ros.evaluation import messages
from geloc3r_ros.evaluation.bags import BagReader, BagWriter
from geloc3r_ros.geometry import Array

__all__ = ["TRUTH_TOPIC", "ensure_recording", "stereo_pairs", "truth", "write_recording"]

TRUTH_TOPIC = "/ground_truth/right/pose"
START = 1_700_000_000 * 10**9
PERIOD = 5 * 10**8  # nanoseconds between two pairs


def stereo_pairs() -> list[tuple[Path, Path]]:
    """Paths of the thirteen pairs (left, right) that ship with the package."""
    folder = Path(__file__).parent / "stereo"
    return [
        (p, folder / p.name.replace("left", "right")) for p in sorted(folder.glob("left*.jpg"))
    ]


def ensure_recording(path: Path) -> Path:
    """Return the bag at ``path``; make it first where it is missing or damaged."""
    try:
        truth(path)
    except BagError:
        shutil.rmtree(path, ignore_errors=True)
        write_recording(path)
    return path


def write_recording(path: Path, storage: str = "mcap") -> StereoCalibration:
    """Calibrate, then write the bag and ``calibration.json`` beside its data.

    Raises:
        BagError: if ``path`` exists already.
    """
    pairs = stereo_pairs()
    calibration = calibrate(pairs)
    cameras = {"left": calibration.left, "right": calibration.right}
    with BagWriter(path, storage) as bag:
        for name in cameras:
            bag.add_topic(f"/{name}/image", "sensor_msgs/msg/Image")
            bag.add_topic(f"/{name}/camera_info", "sensor_msgs/msg/CameraInfo")
        bag.add_topic(TRUTH_TOPIC, "geometry_msgs/msg/PoseStamped")
        for index, pair in enumerate(pairs):
            stamp = START + index * PERIOD
            pose = messages.pose_stamped(stamp, "left_optical", calibration.T_left_right)
            bag.write(TRUTH_TOPIC, stamp, pose)
            for (name, c), picture in zip(cameras.items(), pair, strict=True):
                frame = f"{name}_optical"
                info = messages.camera_info(stamp, frame, c.size, c.K, c.D, c.R, c.P)
                bag.write(f"/{name}/camera_info", stamp, info)
                image = messages.grey_image(stamp, frame, read_grey(picture))
                bag.write(f"/{name}/image", stamp, image)
    (path / "calibration.json").write_text(json.dumps(_as_json(calibration), indent=2) + "\n")
    return calibration


def truth(path: Path) -> dict[int, Array]:
    """True poses T_left_right (4, 4) of a demo's bag by stamp (ns)."""
    poses = {}
    with BagReader(path) as bag:
        for message in bag.messages([TRUTH_TOPIC]):
            stamped = bag.deserialize(message)
            poses[messages.stamp_of(stamped)] = messages.transform_of(stamped.pose)
    return poses


def _as_json(calibration: StereoCalibration) -> dict[str, Any]:
    def camera(c: Camera) -> dict[str, Any]:
        return {name: getattr(c, name).tolist() for name in "KDRP"}

    return {
        "T_left_right": calibration.T_left_right.tolist(),
        "unit": "metres",
        "reprojection_error_px": calibration.reprojection_error,
        "left": camera(calibration.left),
        "right": camera(calibration.right),
    }
