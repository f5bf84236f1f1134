# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trajectories in the TUM format, which evo and most SLAM tools read.

A line is ``timestamp tx ty tz qx qy qz qw``: seconds, metres, the pose ``T_a_b`` of the moving
frame b in the fixed frame a; lines that start with ``#`` are comments. Source: the file formats
page of the TUM RGB-D benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from geloc3r_ros.errors import BagError
from geloc3r_ros.geometry import (
    Array,
    is_transform,
    make_transform,
    quat_xyzw_from_rotation,
    rotation_from_quat_xyzw,
)

__all__ = ["read_tum", "write_tum"]

LAST_STAMP = 2**63 - 1
HEADER = "# timestamp tx ty tz qx qy qz qw"


def write_tum(path: Path, poses: Mapping[int, Array]) -> None:
    """Write poses ``T_a_b`` (4, 4) by their stamps in nanoseconds, in the order of the stamps."""
    lines = [HEADER]
    for stamp, T_a_b in sorted(poses.items()):
        seconds, nanoseconds = divmod(stamp, 10**9)
        numbers = [*T_a_b[:3, 3], *quat_xyzw_from_rotation(T_a_b[:3, :3])]
        lines.append(" ".join([f"{seconds}.{nanoseconds:09d}", *(f"{n:.9f}" for n in numbers)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_tum(path: Path) -> dict[int, Array]:
    """Read poses ``T_a_b`` (4, 4) by their stamps in nanoseconds, exactly.

    Raises:
        BagError: if the file cannot be read, or a line is not eight numbers that make a pose.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f"cannot read the trajectory {path}: {error}") from error
    poses: dict[int, Array] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            stamp, tx, ty, tz, *quat_xyzw = (Decimal(field) for field in fields)
            R_a_b = rotation_from_quat_xyzw([float(q) for q in quat_xyzw])
            T_a_b = make_transform(R_a_b, [float(tx), float(ty), float(tz)])
            if abs(stamp * 10**9) > LAST_STAMP or not is_transform(T_a_b):
                raise ValueError("a number is not finite, or the stamp out of range")
            poses[int(stamp * 10**9)] = T_a_b
        except (ArithmeticError, ValueError) as error:
            raise BagError(
                f"{path}, line {number}: {line!r} is not a pose; "
                "a line of a TUM file is: timestamp tx ty tz qx qy qz qw"
            ) from error
    return poses
