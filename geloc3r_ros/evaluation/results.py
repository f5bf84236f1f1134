# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The second step of an evaluation: from predictions to metrics.json, errors.csv and TUM files."""

from __future__ import annotations

import csv
import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from geloc3r_ros import __version__
from geloc3r_ros.evaluation.bags import BagWriter
from geloc3r_ros.evaluation.figures import NOTE, errors, figures
from geloc3r_ros.evaluation.messages import pose_stamped
from geloc3r_ros.evaluation.paths import Path3d
from geloc3r_ros.evaluation.predictions import Predictions
from geloc3r_ros.evaluation.trajectories import write_tum
from geloc3r_ros.geometry import rotation_angle

__all__ = [
    "ERRORS",
    "command_line",
    "environment",
    "results_of",
    "write_errors",
    "write_json",
    "write_paths",
]

ERRORS = "errors.csv"
BAG = "poses"

PACKAGES = ("torch", "numpy", "opencv-python-headless", "poselib", "rosbags")
COLUMNS = (
    "pair", "stamp_a_ns", "stamp_b_ns", "error_deg", "rotation_error_deg",
    "direction_error_deg", "true_rotation_deg", "true_baseline", "overlap", "seconds", "reason",
)  # fmt: skip


def command_line() -> str:
    """The command that runs, as it was typed."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def environment() -> dict[str, str]:
    """What the numbers depend on besides the data."""
    found = {
        "geloc3r_ros": __version__,
        "Python": platform.python_version(),
        "system": platform.platform(terse=True),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def results_of(
    title: str,
    runs: Mapping[str, Predictions],
    *,
    configuration: Mapping[str, Any],
    troubles: Sequence[str] = (),
    sync: Mapping[str, Any] | None = None,
    paths: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Everything that metrics.json says.

    Args:
        title: of the report.
        runs: predictions by the name of their method.
        configuration: what was asked for.
        troubles: what went wrong, yet did not stop the evaluation.
        sync: figures about the streams of a bag.
        paths: figures of trajectories by method.
    """
    return {
        "title": title,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(),
        "configuration": dict(configuration),
        "environment": environment(),
        "troubles": list(troubles),
        "note": NOTE,
        "methods": {name: {"run": dict(p.run), **figures(p)} for name, p in runs.items()},
        "sync": sync,
        "paths": paths or {},
    }


def write_json(path: Path, results: Mapping[str, Any]) -> None:
    """Write ``metrics.json``."""
    path.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_errors(folder: Path, predictions: Predictions) -> None:
    """Write ``errors.csv``, a line for each pair with a truth: ``inf`` is a failure."""
    p, e = predictions, errors(predictions)
    degrees = np.degrees([e.pose, e.rotation, e.direction])
    with (folder / ERRORS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i, angles in zip(e.index, degrees.T, strict=True):
            T = p.T_a_b_true[i]
            turn = np.degrees(rotation_angle(T[:3, :3]))
            numbers = [*angles, turn, np.linalg.norm(T[:3, 3]), p.overlap[i], p.seconds[i]]
            cells = ["" if np.isnan(n) else f"{n:.9g}" for n in numbers]
            writer.writerow([p.names[i], *p.stamps[i], *cells, p.reasons[i]])


def write_paths(folder: Path, path: Path3d) -> None:
    """Write ``estimate.tum`` and ``truth.tum``, which evo reads, and both as a bag, ``poses``."""
    shutil.rmtree(folder / BAG, ignore_errors=True)
    with BagWriter(folder / BAG) as bag:
        for name, poses in (("estimate", path.estimated), ("truth", path.true)):
            write_tum(folder / f"{name}.tum", dict(zip(path.stamps.tolist(), poses, strict=True)))
            bag.add_topic(f"/{name}/pose", "geometry_msgs/msg/PoseStamped")
            for stamp, T in zip(path.stamps.tolist(), poses, strict=True):
                bag.write(f"/{name}/pose", stamp, pose_stamped(stamp, path.frame, T))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
