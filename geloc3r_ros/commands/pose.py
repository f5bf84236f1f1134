# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r pose``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from geloc3r_ros.commands.console import (
    PRECISION_HELP,
    UNTRAINED,
    WEIGHTS_HELP,
    out,
    read_intrinsics,
)

if TYPE_CHECKING:
    from geloc3r_ros.geometry import Array
    from geloc3r_ros.inference import PoseEstimate, RelativePoseEstimator

__all__ = ["pose"]


def pose(
    image_a: Annotated[Path, typer.Argument(metavar="A", help="Image of camera A.")],
    image_b: Annotated[Path, typer.Argument(metavar="B", help="Image of camera B.")],
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "tiny",
    intrinsics: Annotated[
        list[str] | None,
        typer.Option(
            "--intrinsics",
            "-K",
            metavar="fx,fy,cx,cy",
            help="In pixels; once for both images, or once for each.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda`, `cuda:1`, ...")] = "auto",
    precision: Annotated[str, typer.Option(help=PRECISION_HELP)] = "auto",
    backend: Annotated[str, typer.Option(help="`torch`, or `onnx` for an export.")] = "torch",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: radians, T_1_2.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture: images and cameras (png, pdf, svg).")
    ] = None,
) -> None:
    """Estimate where camera B stood and looked, seen from camera A.

    The length of the translation is unknown: it is a direction.

    Examples:

        geloc3r pose left.jpg right.jpg --plot pose.png

        geloc3r pose left.jpg right.jpg -K 535,535,336,241 -K 535,535,335,242

        geloc3r pose a.jpg b.jpg --weights siyan824/reloc3r-512 --json
    """
    from geloc3r_ros.inference import RelativePoseEstimator, read_image

    Ks = [read_intrinsics(text) for text in intrinsics or []]
    if len(Ks) > 2:
        raise typer.BadParameter(f"--intrinsics is given {len(Ks)} times for two images")
    K_a, K_b = (Ks[0], Ks[-1]) if Ks else (None, None)
    rgb_a, rgb_b = read_image(image_a), read_image(image_b)
    estimator = RelativePoseEstimator.load(
        weights, device=device, precision=precision, backend=backend
    )
    estimate = estimator.estimate(rgb_a, rgb_b, K_a, K_b)
    if as_json:
        print(json.dumps(_pose_as_json(estimate, estimator), indent=2))
    else:
        _print_pose(estimate, estimator)
    if plot is not None:
        from geloc3r_ros.inference.plot import plot_pair
        from geloc3r_ros.inference.words import title

        plot_pair(
            plot, rgb_a, rgb_b, estimate.T_1_2, K1=K_a, K2=K_b,
            title=title(estimate, estimator.weights_id), trained=estimate.trained,
        )  # fmt: skip
    if not estimate.valid:
        raise typer.Exit(1)


def _pose_as_json(estimate: PoseEstimate, estimator: RelativePoseEstimator) -> dict[str, Any]:
    """The fields of the estimate under their own names, and what made it."""
    from geloc3r_ros.geometry import quat_xyzw_from_rotation

    values = dataclasses.asdict(estimate)
    for name in ("T_1_2", "covariance", "left_open"):
        values[name] = None if values[name] is None else values[name].tolist()
    values["quat_xyzw"] = quat_xyzw_from_rotation(estimate.T_1_2[:3, :3]).tolist()
    values["weights"] = estimator.weights_id
    values["device"], values["precision"] = estimator.device, estimator.precision
    return values


def _print_pose(estimate: PoseEstimate, estimator: RelativePoseEstimator) -> None:
    """Print the estimate in words and in numbers, degrees, optical frame of A."""
    import numpy as np
    from transforms3d.axangles import mat2axangle

    from geloc3r_ros.inference.words import claimed, in_words, yaw_pitch_roll

    if not estimate.trained:
        out.print(UNTRAINED)
    if not estimate.valid:
        out.print(f"No pose: {estimate.reason}.")
        return
    out.print(in_words(claimed(estimate)), style="bold")
    axis, angle = mat2axangle(estimate.T_1_2[:3, :3])
    yaw, pitch, roll = np.degrees(yaw_pitch_roll(estimate.T_1_2[:3, :3]))
    cycles = np.degrees([estimate.cycle_rotation_error, estimate.cycle_translation_error])
    latency = estimate.latency
    stages = {"preprocess": latency.preprocess, "encode": latency.encode, "decode": latency.decode}
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "rotation", f"{np.degrees(abs(angle)):.2f}° about {_vector(axis * np.sign(angle))}"
    )
    table.add_row("", f"yaw {yaw:+.2f}°, pitch {pitch:+.2f}°, roll {roll:+.2f}°")
    table.add_row("", Text("right, up and clockwise are positive", "dim"))
    if estimate.translation_valid:
        table.add_row("direction", _vector(estimate.T_1_2[:3, 3]))
        table.add_row("", Text("of B in the optical frame of A: x right, y down, z ahead", "dim"))
    else:
        table.add_row("direction", "unknown")
    table.add_row("cycle errors", f"rotation {cycles[0]:.2f}°, direction {cycles[1]:.2f}°")
    table.add_row("", Text("how far A to B and B to A contradict each other", "dim"))
    table.add_row(
        "latency",
        f"{1e3 * latency.total:.0f} ms, not warmed up: "
        + ", ".join(f"{name} {1e3 * seconds:.0f}" for name, seconds in stages.items()),
    )
    table.add_row("network", f"{estimator.weights_id}, {estimator.device}, {estimator.precision}")
    out.print(table)
    if estimate.reason:
        out.print(f"note: {estimate.reason}", style="yellow")


def _vector(xyz: Array) -> str:
    return "({:+.3f}, {:+.3f}, {:+.3f})".format(*xyz)
