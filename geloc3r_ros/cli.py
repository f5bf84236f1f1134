# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``geloc3r`` command.

Commands import what they need when they run, so that ``--help`` does not wait for torch.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from geloc3r_ros import __version__
from geloc3r_ros.errors import GeLoc3rError

if TYPE_CHECKING:
    from geloc3r_ros.geometry import Array
    from geloc3r_ros.inference import PoseEstimate, RelativePoseEstimator

__all__ = ["app", "main"]

app = typer.Typer(
    help="Relative camera pose from two images, for ROS 2.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(highlight=False)

UNTRAINED = "[bold white on red] UNTRAINED WEIGHTS: this pose is noise. [/]"
WEIGHTS_HELP = "`tiny`, a fetched hub name, or a .safetensors or .pth file."


def main() -> None:
    """Run the command; errors the user can mend end it with a message and exit code 1."""
    # What a command has to say about its weights and device stands in its output.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    try:
        app()
    except GeLoc3rError as error:
        Console(stderr=True, soft_wrap=True).print("[bold red]error:[/]", end=" ")
        print(error, file=sys.stderr)
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"geloc3r_ros {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None: ...


def _intrinsics(text: str) -> Array:
    """Read ``fx,fy,cx,cy`` as K (3, 3)."""
    import numpy as np

    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"'{text}' is not fx,fy,cx,cy: four numbers, in pixels of the image"
        ) from error
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


@app.command()
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
    precision: Annotated[str, typer.Option(help="`auto`, `fp32`, `bf16`, `fp16`.")] = "auto",
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

    Ks = [_intrinsics(text) for text in intrinsics or []]
    if len(Ks) > 2:
        raise typer.BadParameter(f"--intrinsics is given {len(Ks)} times for two images")
    K_a, K_b = (Ks[0], Ks[-1]) if Ks else (None, None)
    rgb_a, rgb_b = read_image(image_a), read_image(image_b)
    estimator = RelativePoseEstimator.load(weights, device=device, precision=precision)
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
    values["T_1_2"], values["covariance"] = estimate.T_1_2.tolist(), estimate.covariance.tolist()
    values["quat_xyzw"] = quat_xyzw_from_rotation(estimate.T_1_2[:3, :3]).tolist()
    values["weights"] = estimator.weights_id
    values["device"], values["precision"] = estimator.device, estimator.precision
    return values


def _print_pose(estimate: PoseEstimate, estimator: RelativePoseEstimator) -> None:
    """Print the estimate in words and in numbers, degrees, optical frame of A."""
    import numpy as np
    from transforms3d.axangles import mat2axangle

    from geloc3r_ros.inference.words import in_words, yaw_pitch_roll

    if not estimate.trained:
        out.print(UNTRAINED)
    if not estimate.valid:
        out.print(f"No pose: {estimate.reason}.")
        return
    out.print(in_words(estimate.T_1_2), style="bold")
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
    table.add_row("", "[dim]right, up and clockwise are positive")
    table.add_row("direction", f"{_vector(estimate.T_1_2[:3, 3])}")
    table.add_row("", "[dim]of B in the optical frame of A: x right, y down, z ahead")
    table.add_row("cycle errors", f"rotation {cycles[0]:.2f}°, direction {cycles[1]:.2f}°")
    table.add_row("", "[dim]how far A to B and B to A contradict each other")
    table.add_row(
        "latency",
        f"{1e3 * latency.total:.0f} ms, not warmed up: "
        + ", ".join(f"{name} {1e3 * seconds:.0f}" for name, seconds in stages.items()),
    )
    table.add_row("network", f"{estimator.weights_id}, {estimator.device}, {estimator.precision}")
    out.print(table)
    if estimate.reason:
        out.print(f"[yellow]note:[/] {estimate.reason}")


def _vector(xyz: Array) -> str:
    return "({:+.3f}, {:+.3f}, {:+.3f})".format(*xyz)


@app.command()
def info(weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help=WEIGHTS_HELP)]) -> None:
    """Tell what weights are: their network, their training, their licence.

    Examples:

        geloc3r info tiny

        geloc3r info runs/mine/best.safetensors
    """
    import torch

    from geloc3r_ros.model import GeLoc3r, locate_weights, read_info

    about, path = read_info(weights), locate_weights(weights)
    with torch.device("meta"):
        parameters = sum(tensor.numel() for tensor in GeLoc3r(about.config).parameters())
    if not about.trained:
        out.print(UNTRAINED)
    shape = "long side" if about.config.crop == "grid" else "square of"
    table = Table.grid(padding=(0, 2))
    table.add_row("name", about.name)
    table.add_row("variant", about.variant)
    table.add_row("parameters", f"{parameters / 1e6:.1f} million")
    table.add_row(
        "input", f"{shape} {about.image_size} pixels, patches of {about.config.patch_size}"
    )
    table.add_row("trained", "yes" if about.trained else "no")
    table.add_row("licence", about.licence)
    table.add_row("precision", about.dtype)
    table.add_row("file", "none: made at random" if path is None else str(path))
    if path is not None:
        table.add_row("size", f"{path.stat().st_size / 1e6:.1f} MB")
    table.add_row("calibration", _plain(about.calibration) or "none: cautious defaults")
    table.add_row("recipe", _plain(about.recipe) or "not stated")
    out.print(table)


def _plain(values: dict[str, Any] | None) -> str:
    return "" if values is None else json.dumps(values, indent=2)


class Precision(str, Enum):
    """Precision of tensors in a file."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


@app.command()
def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help=WEIGHTS_HELP)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write, .safetensors.")],
    dtype: Annotated[
        Precision | None, typer.Option(help="Of the tensors; without: as they are.")
    ] = None,
) -> None:
    """Write weights as safetensors, with all that is known about them.

    Examples:

        geloc3r convert Reloc3r-512.pth reloc3r-512.safetensors --dtype float16
    """
    import torch

    from geloc3r_ros.model import load_weights, save_weights

    network, about = load_weights(source)
    name = dtype.value if dtype else about.dtype
    save_weights(target, network, about, getattr(torch, name))
    out.print(f"{target}: {about.variant}, {name}, {target.stat().st_size / 1e6:.1f} MB")
    out.print(f"Licence of these weights: {about.licence}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="owner/repository on the hub.")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit.")] = "main",
) -> None:
    """Download public weights once; nothing else in this package ever downloads.

    Examples:

        geloc3r fetch siyan824/reloc3r-512
    """
    from geloc3r_ros.model import hub

    known = hub.PUBLIC_WEIGHTS.get(name)
    licence = known.licence if known else "unknown to this program; read it on the page of the hub"
    out.print(f"Licence of {name}: [bold]{licence}[/]")
    path = hub.fetch(name, revision)
    out.print(f"{path}\nUse it as: geloc3r pose A.jpg B.jpg --weights {name}")


@app.command()
def replay(
    bag: Annotated[Path, typer.Argument(metavar="BAG", help="rosbag2 folder, .mcap or .db3.")],
    rate: Annotated[float, typer.Option(help="Speed; 2 is twice as fast.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    start: Annotated[float, typer.Option(help="Seconds to leave out at the beginning.")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="Seconds to play.")] = None,
    topics: Annotated[
        list[str] | None, typer.Option(help="Repeat for each topic to play.")
    ] = None,
    clock: Annotated[bool, typer.Option("--clock", help="Publish the time on /clock.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for subscribers.")] = 5.0,
) -> None:
    """Publish a rosbag2 with its own timing, on a machine without rosbag2.

    Examples:

        geloc3r replay drive.mcap --rate 0.5 --clock

        geloc3r replay bag/ --loop --topics /left/image --topics /right/image
    """
    try:
        from geloc3r_ros.nodes.replay import replay as play
    except ModuleNotFoundError as error:
        raise GeLoc3rError(
            f"replay needs ROS 2, and Python found no module '{error.name}': source a ROS 2 "
            "installation (source /opt/ros/<distribution>/setup.bash), or run `make setup` in the "
            f"checkout and use .venv/bin/geloc3r; this Python is {sys.executable}"
        ) from error
    play(
        bag, rate=rate, loop=loop, start=start, duration=duration,
        topics=topics or (), clock=clock, wait=wait,
    )  # fmt: skip


if __name__ == "__main__":
    main()
