# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r stream``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geloc3r_ros.commands.console import (
    PRECISION_HELP,
    UNTRAINED,
    WEIGHTS_HELP,
    out,
    read_intrinsics,
)
from geloc3r_ros.commands.eval import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geloc3r_ros.inference import PoseEstimate
    from geloc3r_ros.stream.poses import StreamPose

__all__ = ["stream"]

STAGES = ("preprocess", "encode", "decode", "total")


def stream(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Video, folder of images, or rosbag2.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--out", help="File to write: .csv has everything, .tum the poses with a direction."
        ),
    ] = Path("poses.csv"),
    step: Annotated[int, typer.Option(help="Compare with the frame this many before.")] = 1,
    images: Annotated[str, typer.Option(help="Image topic of a bag; its only one if left.")] = "",
    rate: Annotated[
        float, typer.Option(help="Images a second of a folder whose file names are no times.")
    ] = 30.0,
    intrinsics: Annotated[
        str | None,
        typer.Option(
            "--intrinsics",
            "-K",
            metavar="fx,fy,cx,cy",
            help="In pixels; a bag has its own in camera_info.",
        ),
    ] = None,
    rectify: Annotated[
        bool, typer.Option("--rectify", help="Undistort the images of a bag.")
    ] = False,
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "tiny",
    device: Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda`, `cuda:1`, ...")] = "auto",
    precision: Annotated[str, typer.Option(help=PRECISION_HELP)] = "auto",
    backend: Annotated[str, typer.Option(help="`torch`, or `onnx` for an export.")] = "torch",
) -> None:
    """Estimate the pose of each frame of a moving camera in the frame before.

    Every frame is encoded once, and decoded while the one before is in the network. The lengths
    of the translations are unknown: they are directions. Ctrl-C and errors keep the poses so far.

    Examples:

        geloc3r stream drive.mp4 --out drive.csv

        geloc3r stream frames/ --rate 20 -K 535,535,336,241 --out frames.tum

        geloc3r stream drive.mcap --images /camera/image_raw --rectify --step 5
    """
    from rich.progress import track

    from geloc3r_ros.errors import ImageError
    from geloc3r_ros.inference import RelativePoseEstimator
    from geloc3r_ros.stream.poses import estimate_stream, writer_for
    from geloc3r_ros.stream.sources import open_frames, read_ahead

    K, write = read_intrinsics(intrinsics) if intrinsics else None, writer_for(output)
    poses: list[StreamPose] = []
    read, complete, interrupted = 0, False, False
    estimator = RelativePoseEstimator.load(
        weights,
        device=device,
        precision=precision,
        backend=backend,
        cache_size=max(8, 2 * step),  # so many to encode every frame once
    )
    with open_frames(source, topic=images, rate=rate, K=K, rectify=rectify) as opened:
        total, frames, note = opened
        if note:
            out.print(note, style="yellow", soft_wrap=True)
        found = estimate_stream(estimator, read_ahead(frames), step)
        try:
            watched = track(found, description=source.name, total=total or None, console=out)
            for pose in watched:
                read += 1
                if pose is not None:
                    poses.append(pose)
            if not read:
                raise ImageError(f"{source}: no frame could be decoded; is it a video or a bag?")
            complete = True
        except KeyboardInterrupt:
            interrupted = True
            out.print("Interrupted.")
        finally:
            if poses or complete:  # otherwise a file that was there before stays as it is
                write(output, poses)
                _report(output, [pose.estimate for pose in poses], estimator.trained)
    if read < total:
        out.print(f"{source}: {read} of {total} frames read", style="yellow", soft_wrap=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)


def _report(output: Path, estimates: Sequence[PoseEstimate], trained: bool) -> None:
    if not trained:
        out.print(UNTRAINED)
    out.print(f"{output}: {_summary(estimates)}", soft_wrap=True)


def _summary(estimates: Sequence[PoseEstimate]) -> str:
    """How many poses, and how long each took."""
    import numpy as np

    if not estimates:
        return "no poses; two frames of one size make the first"
    times = [
        f"{stage} {1e3 * np.median([getattr(e.latency, stage) for e in estimates]):.1f}"
        for stage in STAGES
    ]
    valid = sum(estimate.valid for estimate in estimates)
    directed = sum(estimate.valid and estimate.translation_valid for estimate in estimates)
    return (
        f"{len(estimates)} poses, {valid} valid, {directed} of them with a direction; "
        f"median ms: {', '.join(times)}"
    )
