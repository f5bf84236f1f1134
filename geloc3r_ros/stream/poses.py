# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Relative poses along a stream, and files of them: CSV with all there is to know, or TUM."""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.trajectories import write_tum
from geloc3r_ros.geometry import quat_xyzw_from_rotation
from geloc3r_ros.inference import PoseEstimate, PoseStream, RelativePoseEstimator
from geloc3r_ros.stream.sources import Frame

__all__ = ["StreamPose", "estimate_stream", "writer_for"]

Writer = Callable[[Path, Sequence["StreamPose"]], None]

COLUMNS = (
    *("stamp_a", "stamp_b", "valid", "translation_valid"),
    *("tx", "ty", "tz", "qx", "qy", "qz", "qw"),
    *("cycle_rotation_error", "cycle_translation_error", "trained", "reason"),
)


class StreamPose(NamedTuple):
    """The pose ``T_1_2`` of the frame stamped b (nanoseconds) in the frame stamped a."""

    stamp_a: int
    stamp_b: int
    estimate: PoseEstimate


def estimate_stream(
    estimator: RelativePoseEstimator, frames: Iterable[Frame], step: int = 1
) -> Iterator[StreamPose | None]:
    """Estimate the pose of each frame in the one ``step`` before; None where there is none yet.

    Raises:
        ConfigError, ImageError, DeviceError: as :class:`PoseStream`; the first at once.
    """
    return _estimates(PoseStream(estimator, step), frames, step)


def _estimates(
    stream: PoseStream, frames: Iterable[Frame], step: int
) -> Iterator[StreamPose | None]:
    stamps: deque[int] = deque(maxlen=step + 1)
    for stamp, rgb, K in frames:
        stamps.append(stamp)
        estimate = stream.add(rgb, K)
        yield None if estimate is None else StreamPose(stamps[0], stamp, estimate)


def _write_csv(path: Path, poses: Sequence[StreamPose]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for stamp_a, stamp_b, estimate in poses:
            T_a_b = estimate.T_1_2
            numbers = [
                *T_a_b[:3, 3],
                *quat_xyzw_from_rotation(T_a_b[:3, :3]),
                estimate.cycle_rotation_error,
                estimate.cycle_translation_error,
            ]
            rows.writerow(
                [
                    *(stamp_a, stamp_b, int(estimate.valid), int(estimate.translation_valid)),
                    *(f"{number:.9f}" for number in numbers),
                    *(int(estimate.trained), estimate.reason),
                ]
            )


def _write_tum(path: Path, poses: Sequence[StreamPose]) -> None:
    found = {p.stamp_b: p.estimate for p in poses}
    usable = {b: e.T_1_2 for b, e in found.items() if e.valid and e.translation_valid}
    write_tum(path, usable)


WRITERS: dict[str, Writer] = {
    ".csv": _write_csv,
    ".tum": _write_tum,
    ".txt": _write_tum,
}


def writer_for(path: Path) -> Writer:
    """Return what writes a file of this suffix, whole or not at all.

    Where a folder takes no new file, one that is there and takes it is written over in place.
    TUM has no flags: it has the poses alone whose rotation and direction are valid, stamped b.

    Raises:
        ConfigError: if there is none, or the file cannot be written.
    """
    if path.suffix not in WRITERS:
        raise ConfigError(f"{path}: the suffix must be one of {', '.join(WRITERS)}")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file to write")
    target = path.resolve()  # a link stays one
    unfinished = target.with_name(f".{target.name}.partial")
    try:
        unfinished.touch()
        unfinished.unlink()
    except OSError as error:
        if not os.access(target, os.W_OK):
            raise ConfigError(
                f"{path} cannot be written: {error.strerror}; name another file with --out"
            ) from error
        return partial(_write, WRITERS[path.suffix])
    return partial(_write_whole, WRITERS[path.suffix], unfinished)


def _write_whole(write: Writer, unfinished: Path, path: Path, poses: Sequence[StreamPose]) -> None:
    """Write beside the file, then put it in its place."""
    try:
        _write(write, unfinished, poses)
        unfinished.replace(path.resolve())
    finally:
        unfinished.unlink(missing_ok=True)


def _write(write: Writer, path: Path, poses: Sequence[StreamPose]) -> None:
    try:
        write(path, poses)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
