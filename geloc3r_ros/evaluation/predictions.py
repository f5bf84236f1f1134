# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions in a file: a line of JSON for each pair, written as it comes, read all at once.

The first line tells what made them. Whoever is interrupted goes on where the file ends: a last
line that was cut off is dropped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.geometry import Array

__all__ = [
    "DIGITS",
    "FILE_NAME",
    "Prediction",
    "PredictionFile",
    "Predictions",
    "images_fingerprint",
    "read_predictions",
]

FILE_NAME = "predictions.jsonl"
FORMAT = "geloc3r predictions 1"
DIGITS = 16
"""Of a SHA-256, from its start; enough to tell files apart, and short enough to read."""
CHANGED = {
    "weights_sha256": "the weights file is another",
    "digest": "names, K or T_a_b of the pairs are others",
    "image_files": "the image files are others, or were changed",
}
"""What it means where digests of a run differ."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What a method said about one pair of images, a and b.

    Attributes:
        name: of the pair, unique in its file.
        T_a_b: estimated pose (4, 4), None where there is none.
        reason: why there is none, or what else to know.
        T_a_b_true: true pose (4, 4), None where it is unknown.
        covariance: (6, 6) of ``T_a_b``, order x y z rotX rotY rotZ, axes of a; None where unknown.
        seconds: how long the estimate took; NaN where unknown.
        trained: False where untrained weights made it, so that it is noise.
        scale_known: whether the translation is in metres, not a direction.
        stamps: of image a and of image b, nanoseconds; 0 where they have none.
        frames: names of the frames a and b; "" where they have none.
        overlap: share of image a that is seen in b, in [0, 1]; NaN where unknown.
    """

    name: str
    T_a_b: Array | None
    reason: str = ""
    T_a_b_true: Array | None = None
    covariance: Array | None = None
    seconds: float = float("nan")
    trained: bool = True
    scale_known: bool = False
    stamps: tuple[int, int] = (0, 0)
    frames: tuple[str, str] = ("", "")
    overlap: float = float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """All predictions of a file as columns, about 600 bytes a pair; NaN where nothing is known.

    Attributes:
        run: what made them, as it was given to :class:`PredictionFile`.
        names: (N,) of the pairs.
        reasons: (N,) texts.
        frames: (N,) names of a and b.
        T_a_b: (N, 4, 4) estimates.
        T_a_b_true: (N, 4, 4) truth.
        covariance: (N, 6, 6).
        seconds: (N,).
        overlap: (N,).
        stamps: (N, 2) nanoseconds.
        trained: (N,) whether trained weights made it.
        scale_known: (N,) whether ``T_a_b`` is in metres.
    """

    run: Mapping[str, Any]
    names: list[str]
    reasons: list[str]
    frames: list[tuple[str, str]]
    T_a_b: Array
    T_a_b_true: Array
    covariance: Array
    seconds: Array
    overlap: Array
    stamps: npt.NDArray[np.int64]
    trained: npt.NDArray[np.bool_]
    scale_known: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, run: Mapping[str, Any], predictions: Iterable[Prediction]) -> Predictions:
        """Turn predictions into columns."""
        rows = [_row(p) for p in predictions]
        columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 11
        shapes: list[tuple[int, ...]] = [(4, 4), (4, 4), (6, 6), (), (), (2,)]
        kinds: list[type] = [float, float, float, float, float, np.int64]
        arrays: list[npt.NDArray[Any]] = [
            np.array(column, kind).reshape(-1, *shape)
            for column, kind, shape in zip(columns[3:9], kinds, shapes, strict=True)
        ]
        return cls(
            run=run,
            names=list(columns[0]),
            reasons=list(columns[1]),
            frames=list(columns[2]),
            T_a_b=arrays[0],
            T_a_b_true=arrays[1],
            covariance=arrays[2],
            seconds=arrays[3],
            overlap=arrays[4],
            stamps=arrays[5],
            trained=np.array(columns[9], bool),
            scale_known=np.array(columns[10], bool),
        )


class PredictionFile:
    """A file of predictions that grows; a context manager.

    Args:
        folder: where it is, and is made.
        run: what makes the predictions; only the same run may go on with a file.

    Attributes:
        done: names of the pairs that it holds already.

    Raises:
        ConfigError: if the folder holds the predictions of another run, or cannot be written to.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.path = folder / FILE_NAME
        self.done: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(json.loads(json.dumps(run)))
        except OSError as error:
            raise ConfigError(
                f"{folder} cannot be written to: {error}; name another folder with --out"
            ) from error

    def __enter__(self) -> PredictionFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, prediction: Prediction) -> None:
        """Append a prediction; it is on its way to the disk when this returns."""
        self._write(_as_json(prediction))
        self.done.add(prediction.name)

    def _open(self, run: Mapping[str, Any]) -> None:
        if self.path.exists() and _drop_torn_line(self.path):
            held = _read_run(self.path)
            if different := sorted(k for k in {*held, *run} if held.get(k) != run.get(k)):
                said = "; ".join(_difference(k, held.get(k), run.get(k)) for k in different)
                raise ConfigError(
                    f"{self.path} is of another run: {said}; name another folder with --out, or "
                    "remove this one"
                )
            self.done = {p.name for p in _read(self.path)}
            self._file = self.path.open("a", encoding="utf-8")
        else:
            self._file = self.path.open("w", encoding="utf-8")
            self._write({"format": FORMAT, "run": run})

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(value, allow_nan=False) + "\n")
        self._file.flush()


def read_predictions(folder: Path) -> Predictions:
    """Read the predictions in a folder.

    Raises:
        ConfigError: if there are none, or the file is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise ConfigError(f"{folder} has no {FILE_NAME}; give the folder of one method of a run")
    run = _read_run(path)
    return Predictions.of(run, _read(path))


def _difference(key: str, held: Any, asked: Any) -> str:
    """What differs between two runs, in words; "unknown" where one does not say."""
    was, now = ("unknown" if value is None else value for value in (held, asked))
    said = f"{key} is {was}, not {now}"
    return f"{CHANGED[key]} ({said})" if key in CHANGED else said


def images_fingerprint(paths: Iterable[Path]) -> str:
    """One digest over paths, sizes and times of change; the images are not opened.

    One that is missing counts as that: whoever reads it says so.
    """
    digest = hashlib.sha256()
    for path in paths:
        whole = path.resolve()
        try:
            found = whole.stat()
            state = found.st_size, found.st_mtime_ns
        except OSError:
            state = None
        digest.update(repr((str(whole), state)).encode())
    return digest.hexdigest()[:DIGITS]


def _drop_torn_line(path: Path) -> bool:
    """Cut off what follows the last line break; False where nothing remains."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        tail = b""
        while size and b"\n" not in tail:
            step = min(size, 4096)
            size -= step
            file.seek(size)
            tail = file.read(step) + tail
        end = size + tail.rfind(b"\n") + 1
        file.truncate(end)
    return end > 0


@contextmanager
def _explained(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}, line {number} is no prediction ({error}); remove the file and run again"
        ) from error


def _read_run(path: Path) -> dict[str, Any]:
    with path.open("rb") as file, _explained(path, 1):
        head = json.loads(file.readline())
        if head["format"] != FORMAT:
            raise ValueError(f"format is {head['format']!r}, not {FORMAT!r}")
        return dict(head["run"])


def _read(path: Path) -> Iterator[Prediction]:
    """Every line but the first; a last line without its end is left out."""
    with path.open("rb") as file:
        file.readline()
        for number, line in enumerate(file, start=2):
            if line.endswith(b"\n"):
                with _explained(path, number):
                    prediction = _from_json(json.loads(line))
                yield prediction


def _as_json(p: Prediction) -> dict[str, Any]:
    def matrix(M: Array | None) -> list[list[float]] | None:
        return None if M is None else M.tolist()

    return {
        "name": p.name,
        "T_a_b": matrix(p.T_a_b),
        "reason": p.reason,
        "T_a_b_true": matrix(p.T_a_b_true),
        "covariance": matrix(p.covariance),
        "seconds": None if np.isnan(p.seconds) else p.seconds,
        "trained": p.trained,
        "scale_known": p.scale_known,
        "stamps": p.stamps,
        "frames": p.frames,
        "overlap": None if np.isnan(p.overlap) else p.overlap,
    }


def _from_json(line: Mapping[str, Any]) -> Prediction:
    def matrix(rows: list[list[float]] | None, size: int) -> Array | None:
        return None if rows is None else np.array(rows, float).reshape(size, size)

    def number(value: float | None) -> float:
        return float("nan") if value is None else float(value)

    stamp_a, stamp_b = map(int, np.array(line["stamps"], np.int64))
    frame_a, frame_b = map(str, line["frames"])
    return Prediction(
        name=str(line["name"]),
        T_a_b=matrix(line["T_a_b"], 4),
        reason=str(line["reason"]),
        T_a_b_true=matrix(line["T_a_b_true"], 4),
        covariance=matrix(line["covariance"], 6),
        seconds=number(line["seconds"]),
        trained=bool(line["trained"]),
        scale_known=bool(line["scale_known"]),
        stamps=(stamp_a, stamp_b),
        frames=(frame_a, frame_b),
        overlap=number(line["overlap"]),
    )


def _row(p: Prediction) -> tuple[Any, ...]:
    def filled(M: Array | None, size: int) -> Array:
        return np.full((size, size), np.nan) if M is None else M

    return (
        p.name, p.reason, p.frames, filled(p.T_a_b, 4), filled(p.T_a_b_true, 4),
        filled(p.covariance, 6), p.seconds, p.overlap, p.stamps, p.trained, p.scale_known,
    )  # fmt: skip
