# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What came out of the demo: errors against the truth, as lines, tables and files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from geloc3r_ros.evaluation.trajectories import write_tum
from geloc3r_ros.geometry import Array, pose_errors, rotation_angle

__all__ = ["LINE_HEADER", "Estimate", "Report", "Result", "summary_table"]

LINE_HEADER = (
    "      true         error             cycle error     latency\n"
    " set  turn  rotation direction  rotation direction     ms    (degrees)"
)


@dataclass(frozen=True)
class Estimate:
    """What the node said about one set: T_a_b (4, 4), angles in radians, latency in seconds."""

    T_a_b: Array
    valid: bool
    reason: str
    trained: bool
    cycle_rotation_error: float
    cycle_translation_error: float
    latency: float


@dataclass(frozen=True)
class Result:
    """An estimate beside the truth of its stamp (ns)."""

    stamp: int
    T_true: Array
    estimate: Estimate

    @property
    def errors(self) -> tuple[float, float]:
        """Rotation and translation-direction error, radians; the sign is not folded."""
        return pose_errors(self.estimate.T_a_b, self.T_true)

    def line(self, number: int) -> str:
        """One line of text, in degrees and milliseconds, under ``LINE_HEADER``."""
        e = self.estimate
        rotation, direction = np.degrees(self.errors)
        turn = np.degrees(rotation_angle(self.T_true[:3, :3]))
        cycle_r, cycle_t = np.degrees([e.cycle_rotation_error, e.cycle_translation_error])
        notes = [] if e.valid else [f"not valid: {e.reason}"]
        if e.valid and np.isnan(direction):
            notes.append(e.reason)
        if not e.trained and "untrained" not in e.reason:
            notes.append("untrained weights")
        return (
            f"{number:4d} {turn:5.1f} {rotation:9.1f} {direction:9.1f} {cycle_r:9.1f} "
            f"{cycle_t:9.1f} {1e3 * e.latency:8.1f}  {'; '.join(notes)}"
        ).rstrip()


class Report:
    """The results of one scene, collected while it is played.

    Args:
        name: of the scene.
        truth: true poses T_a_b (4, 4) by the stamps (ns) of the sets.
    """

    def __init__(self, name: str, truth: dict[int, Array]) -> None:
        self.name = name
        self.truth = truth
        self.results: dict[int, Result] = {}

    def add(self, stamp: int, estimate: Estimate) -> Result | None:
        """Take in the estimate of the set with this stamp; None if it is no set of the scene."""
        if stamp not in self.truth or stamp in self.results:
            return None
        self.results[stamp] = Result(stamp, self.truth[stamp], estimate)
        return self.results[stamp]

    @property
    def dropped(self) -> int:
        """Number of sets without an estimate."""
        return len(self.truth) - len(self.results)

    @property
    def trained(self) -> bool:
        """Whether all estimates come from trained weights."""
        return all(r.estimate.trained for r in self.results.values())

    def figures(self) -> dict[str, float]:
        """The scene in numbers: counts, degrees and milliseconds; NaN where nothing came."""
        results = list(self.results.values())
        rotation, direction = np.degrees([r.errors for r in results]).reshape(-1, 2).T
        estimates = [r.estimate for r in results]
        cycle_r, cycle_t = (
            np.degrees([(e.cycle_rotation_error, e.cycle_translation_error) for e in estimates])
            .reshape(-1, 2)
            .T
        )
        latency = [1e3 * e.latency for e in estimates]
        return {
            "sets": len(self.truth),
            "dropped": self.dropped,
            "valid": sum(e.valid for e in estimates),
            "rotation_error_median_deg": _percentile(rotation, 50),
            "rotation_error_max_deg": _percentile(rotation, 100),
            "direction_error_median_deg": _percentile(direction, 50),
            "direction_error_max_deg": _percentile(direction, 100),
            "cycle_rotation_median_deg": _percentile(cycle_r, 50),
            "cycle_direction_median_deg": _percentile(cycle_t, 50),
            "latency_p50_ms": _percentile(latency, 50),
            "latency_p95_ms": _percentile(latency, 95),
        }

    def write(self, folder: Path) -> None:
        """Write ``estimate.tum``, ``truth.tum`` (T_a_b over time) and ``result.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        write_tum(folder / "truth.tum", self.truth)
        write_tum(folder / "estimate.tum", {s: r.estimate.T_a_b for s, r in self.results.items()})
        result = {
            "scene": self.name,
            "trained": self.trained,
            "figures": {name: _or_null(value) for name, value in self.figures().items()},
            "sets": [_as_json(r) for r in self.results.values()],
        }
        text = json.dumps(result, indent=2, allow_nan=False)
        (folder / "result.json").write_text(text + "\n", encoding="utf-8")


def _percentile(values: Iterable[float], share: float) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.percentile(finite, share)) if finite else float("nan")


def _or_null(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _as_json(result: Result) -> dict[str, Any]:
    e = result.estimate
    rotation, direction = np.degrees(result.errors)
    return {
        "stamp_ns": result.stamp,
        "T_a_b": e.T_a_b.tolist(),
        "T_a_b_true": result.T_true.tolist(),
        "rotation_error_deg": float(rotation),
        "direction_error_deg": _or_null(direction),
        "cycle_rotation_deg": float(np.degrees(e.cycle_rotation_error)),
        "cycle_direction_deg": float(np.degrees(e.cycle_translation_error)),
        "latency_ms": 1e3 * e.latency,
        "valid": e.valid,
        "reason": e.reason,
        "trained": e.trained,
    }


def summary_table(reports: Iterable[Report]) -> Table:
    """The figures of the scenes beside each other."""
    reports = list(reports)
    table = Table("", *(report.name for report in reports), title="Sum")
    rows = [report.figures() for report in reports]
    for key in rows[0]:
        name, unit = key.removesuffix("_deg").removesuffix("_ms").replace("_", " "), ""
        if key.endswith("_deg"):
            unit = " deg"
        elif key.endswith("_ms"):
            unit = " ms"
        digits = 1 if unit else 0
        table.add_row(name, *(f"{row[key]:.{digits}f}{unit}" for row in rows))
    table.add_row("weights", *("trained" if r.trained else "UNTRAINED" for r in reports))
    return table
