# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r eval pairs``, ``bag`` and ``compare``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from geloc3r_ros.commands.console import (
    PRECISION_HELP,
    UNTRAINED,
    WEIGHTS_HELP,
    check_folder,
    out,
    watched,
)
from geloc3r_ros.errors import ConfigError

if TYPE_CHECKING:
    from geloc3r_ros.evaluation.methods import Method

__all__ = ["evaluation"]

DAMAGED, INTERRUPTED = 3, 130

evaluation = typer.Typer(
    help="How good are the poses? Evaluate image pairs and bags, and compare runs.",
    no_args_is_help=True,
)


class MethodName(str, Enum):
    """The keys of ``METHODS``, here for the help to list them."""

    geloc3r = "geloc3r"
    sift = "sift"
    orb = "orb"
    sift_poselib = "sift+poselib"
    orb_poselib = "orb+poselib"
    constant = "constant"


MethodOption = Annotated[
    list[MethodName] | None, typer.Option(help="Repeat for more; `geloc3r` by default.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder for all that it writes.")]
WeightsOption = Annotated[str, typer.Option(help=WEIGHTS_HELP)]
DeviceOption = Annotated[str, typer.Option(help="`auto`, `cpu`, `cuda`, `cuda:1`, ...")]
PrecisionOption = Annotated[str, typer.Option(help=PRECISION_HELP)]


class Align(str, Enum):
    """How a trajectory is laid onto the truth."""

    none = "none"
    se3 = "se3"
    sim3 = "sim3"


@evaluation.command()
def pairs(
    file: Annotated[Path, typer.Argument(metavar="PAIRS.json", help="Images, K, T_a_b.")],
    output: OutOption = Path("evaluation"),
    method: MethodOption = None,
    weights: WeightsOption = "tiny",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Evaluate a list of image pairs with known poses.

    Predictions go to a file as they come; the same command goes on after an interruption.

    Examples:

        geloc3r eval pairs benchmark/pairs.json --out results/tiny

        geloc3r eval pairs pairs.json --method geloc3r --method sift --out results/both
    """
    from geloc3r_ros.evaluation.pair_evaluation import evaluate_pairs

    check_folder(output)
    methods = _load_methods(method, weights=weights, device=device, precision=precision)
    with _interruptible(output):
        results = evaluate_pairs(file, methods, output, watched)
    _print_results(results, output)
    _refuse_hopeless(results)


@evaluation.command()
def bag(
    path: Annotated[Path, typer.Argument(metavar="BAG", help="rosbag2 folder, .mcap or .db3.")],
    truth: Annotated[
        str, typer.Option(help="A topic with poses, `tf`, or a file in the TUM format.")
    ],
    output: OutOption = Path("evaluation"),
    method: MethodOption = None,
    images: Annotated[
        list[str] | None,
        typer.Option(help="Image topic; once: each image against the one before; twice: a, b."),
    ] = None,
    poses: Annotated[
        str | None, typer.Option(help="Topic with poses that a node published.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="How far the truth may be from an image, seconds.")
    ] = 0.02,
    gap: Annotated[
        float, typer.Option(min=0, help="How far poses that are interpolated may be apart, s.")
    ] = 0.1,
    slop: Annotated[
        float, typer.Option(min=0, help="How far the images of a pair may be apart, seconds.")
    ] = 0.02,
    step: Annotated[int, typer.Option(help="One camera: image b is this many after a.")] = 1,
    rectify: Annotated[bool, typer.Option("--rectify", help="Undistort the images.")] = False,
    align: Annotated[Align, typer.Option(help="Alignment before APE and RPE.")] = Align.se3,
    moving_frame: Annotated[str, typer.Option(help="Frame whose pose the truth tells.")] = "",
    fixed_frame: Annotated[str, typer.Option(help="Frame that the truth is relative to.")] = "",
    child_frame: Annotated[
        str, typer.Option(help="Frame b, where poses do not name it, or images name another.")
    ] = "",
    weights: WeightsOption = "tiny",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Evaluate a rosbag2, without ROS: its images, or the poses that a node published into it.

    Exit code 3: the bag is damaged, and what could be read was evaluated.

    Examples:

        geloc3r eval bag drive/ --truth /ground_truth/right/pose --out results/drive

        geloc3r eval bag drive.mcap --images /camera/image --truth /odom --align sim3

        geloc3r eval bag node/ --poses /geloc3r/right/relative_pose --truth truth.tum
    """
    from geloc3r_ros.evaluation.bag_evaluation import BagOptions, evaluate_bag
    from geloc3r_ros.evaluation.truth import TruthOptions

    check_folder(output)
    options = BagOptions(
        truth=TruthOptions(
            source=truth, tolerance=tolerance, gap=gap, moving_frame=moving_frame,
            fixed_frame=fixed_frame,
        ),
        images=images or (), poses=poses, child_frame=child_frame, step=step, slop=slop,
        rectify=rectify, alignment=align.value, methods_named=bool(method),
    )  # fmt: skip
    methods = _load_methods(method, weights=weights, device=device, precision=precision)
    with _interruptible(output):
        results = evaluate_bag(path, methods, output, options, watched)
    _print_results(results, output)
    for trouble in results["troubles"]:
        out.print(f"damaged: {trouble}", style="bold red")
    _refuse_hopeless(results)
    if results["troubles"]:
        raise typer.Exit(DAMAGED)


@evaluation.command()
def calibrate(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help=WEIGHTS_HELP)],
    file: Annotated[Path, typer.Argument(metavar="PAIRS.json", help="Pairs that moved.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write, .safetensors.")],
    plot: Annotated[Path | None, typer.Option(help="Calibration curve to draw, .svg.")] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Fit how sure weights are to pairs with known poses; write a calibrated copy.

    Sigmas come from the pairs, and the limits of what is refused from bad inputs made of them:
    dark, blurred, of other places, at rest. Half of the places (names up to a `/`) are for
    fitting, the others tell the coverage.

    Examples:

        geloc3r eval calibrate tiny.safetensors calibration/pairs.json calibrated.safetensors
    """
    import dataclasses

    import torch

    from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
    from geloc3r_ros.evaluation.calibration import BAD_INPUTS, check_pairs, observe, observe_bad
    from geloc3r_ros.evaluation.calibration import calibrate as fit
    from geloc3r_ros.evaluation.charts import plot_calibration
    from geloc3r_ros.evaluation.pair_list import read_pairs
    from geloc3r_ros.inference import RelativePoseEstimator
    from geloc3r_ros.model import load_weights, save_weights

    _check_output(target, ".safetensors")
    if plot is not None:
        _check_output(plot, ".svg")
    pairs = read_pairs(file).pairs
    check_pairs(pairs)
    estimator = RelativePoseEstimator.load(weights, device=device, precision=precision)
    observed = list(watched(observe(estimator, pairs), "good pairs", len(pairs)))
    total = BAD_INPUTS * (len(NO_POSE) + len(NO_DIRECTION))
    bad = list(watched(observe_bad(estimator, pairs), "bad inputs", total))
    calibration, levels = fit(pairs, observed, [b for b in bad if b is not None])
    network, about = load_weights(weights)
    about = dataclasses.replace(about, calibration=calibration)
    save_weights(target, network, about, getattr(torch, about.dtype))
    if plot is not None:
        drawing = plot_calibration(levels, calibration["coverage"])
        plot.write_text(drawing, encoding="utf-8")
    table = Table(title="share of errors inside the region", box=SIMPLE_HEAD)
    for name in ("", "bias (°)", "slope", "gain", *calibration["coverage"]["rotation"]):
        table.add_column(name, justify="right" if name else "left")
    for kind, title in (("coverage", "radii"), ("coverage_of_covariance", "covariance")):
        for part, shares in calibration[kind].items():
            bias, slope, gain = (calibration[part][key] for key in ("bias", "slope", "gain"))
            numbers = [f"{math.degrees(bias):.2f}", f"{slope:.2f}", f"{gain:.2f}"]
            cells = [*numbers, *(f"{share:.3f}" for share in shares.values())]
            table.add_row(f"{part}, {title}", *cells)
    out.print(table)
    if "limits" in calibration:
        gates, kept = calibration["limits"], calibration["checked_with"]
        out.print(
            f"certainty from {gates['certainty']:.3f}: {kept['rotation']:.1%} of the checked "
            f"pairs; ambiguity up to {gates['ambiguity']:.3f}: {kept['translation']:.1%} of them"
        )
    out.print(f"{target}: fitted to {calibration['pairs_fitted']} pairs, checked on others")


@evaluation.command()
def trust(
    file: Annotated[Path, typer.Argument(metavar="PAIRS.json", help="Pairs that moved.")],
    weights: WeightsOption = "tiny",
    bad: Annotated[int, typer.Option(min=1, help="Bad inputs of each kind.")] = 200,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
) -> None:
    """Is what these weights are sure of also right, and is what cannot be right refused?

    Bad inputs are made of the pairs: dark, blurred, of other places, at rest, ...

    Examples:

        geloc3r eval trust test/pairs.json
    """
    from geloc3r_ros.evaluation.bad_inputs import NO_DIRECTION, NO_POSE
    from geloc3r_ros.evaluation.pair_list import read_pairs
    from geloc3r_ros.evaluation.trust import SWAPPED, examine, others, spread_out, summarise
    from geloc3r_ros.inference import RelativePoseEstimator

    pairs = read_pairs(file).pairs
    chosen = spread_out(pairs, bad)
    others(chosen, pairs)  # refuses pairs of one place, before the network is loaded
    estimator = RelativePoseEstimator.load(weights, device=device, precision=precision)
    total = len(pairs) + len(chosen) * (len(NO_POSE) + len(NO_DIRECTION))
    judged = list(watched(examine(estimator, pairs, bad), "asking", total))
    table = Table(title="what is sure and what is refused", box=SIMPLE_HEAD)
    for name in ("", "pairs", "refused", "direction", "off by > 3 sigma", "sigma (°)"):
        table.add_column(name, justify="right" if name else "left")
    for kind in ("", *NO_POSE, *NO_DIRECTION, SWAPPED):
        of_kind = [j for j in judged if j.kind == kind]
        if not of_kind:
            continue
        t = summarise(of_kind)
        sigmas = [
            "-" if math.isnan(s) else f"{math.degrees(s):.1f}"
            for s in (t.sigma_rotation, t.sigma_direction)
        ]
        wrong = "-" if math.isnan(t.wrong) else f"{t.wrong:.1%}"
        shares = (f"{t.refused:.1%}", f"{t.directed:.1%}", wrong)
        table.add_row(kind or "good pairs", str(t.pairs), *shares, " / ".join(sigmas))
    out.print(table)


@evaluation.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a run.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another over the same pairs.")],
) -> None:
    """Set two runs side by side, with the interval of their difference.

    The interval is a paired bootstrap's, 95%: without 0 in it the difference is no chance.

    Examples:

        geloc3r eval compare results/tiny results/large

        geloc3r eval compare results/both/geloc3r results/both/sift
    """
    from geloc3r_ros.evaluation.compare import compare as differences
    from geloc3r_ros.evaluation.compare import paired_errors, read_errors

    errors_a, errors_b = paired_errors(read_errors(a), read_errors(b))
    table = Table(title=f"{errors_a.shape[1]} pairs that both have", box=SIMPLE_HEAD)
    table.add_column("")
    for name in ("A", "B", "B - A", "95% interval"):
        table.add_column(name, justify="right")
    table.add_column("better")
    for d in differences(errors_a, errors_b):
        interval = f"{d.low:+.2f} to {d.high:+.2f}"
        row = [f"{d.a:.2f}", f"{d.b:.2f}", f"{d.difference:+.2f}", interval]
        table.add_row(d.metric, *row, d.better or "maybe chance")
    out.print(f"A: {a}\nB: {b}")
    out.print(table)


def _load_methods(names: list[MethodName] | None, **settings: str) -> Iterator[Method]:
    """Load each method when its turn comes: a bag with recorded poses needs none."""
    from geloc3r_ros.evaluation.methods import load_method

    for name in names or [MethodName.geloc3r]:
        yield load_method(name.value, **settings)


def _check_output(path: Path, suffix: str) -> None:
    """Refuse a file that cannot be written, before the work that leads to it.

    Raises:
        ConfigError: if its suffix is another, its folder is not there, or it is a folder.
    """
    if path.suffix != suffix:
        raise ConfigError(f"{path} does not end in {suffix}; name a file that does")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}; make it")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")


def _refuse_hopeless(results: Mapping[str, Any]) -> None:
    """End with an error where all pairs of a method failed for one reason.

    Raises:
        ConfigError: naming the method and the reason.
    """
    for name, figures in results["methods"].items():
        failure = figures["commonest_failure"]
        if failure and failure["pairs"] == figures["pairs"]:
            raise ConfigError(
                f"{name}: all {figures['pairs']} pairs failed, for one reason: {failure['reason']}"
            )


@contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Ctrl-C ends the command with what is done on the disk, and says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        out.print(f"Interrupted. {folder} keeps what is done; the same command goes on from it.")
        raise typer.Exit(INTERRUPTED) from None


def _print_results(results: Mapping[str, Any], folder: Path) -> None:
    """Print the table of methods, and where the rest is."""
    from geloc3r_ros.evaluation.report import number, summary_rows

    head, rows = summary_rows(results["methods"])
    table = Table(title=results["title"], box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, name in enumerate(head):
        table.add_column(name, justify="right" if i else "left")
    for row in rows:
        table.add_row(*row)
    if not all(figures["trained"] for figures in results["methods"].values()):
        out.print(UNTRAINED)
    out.print(table)
    if still := max(figures["still_pairs"] for figures in results["methods"].values()):
        out.print(f"{still} pairs more did not move (1 mm or less), and have no direction")
    for name, figures in results["methods"].items():
        if failure := figures["commonest_failure"]:
            out.print(
                f"{name}: {figures['failures']} failed, {failure['pairs']} of them: "
                f"{failure['reason']}"
            )
    out.print(results["note"], style="dim")
    for name, path in results["paths"].items():
        if "failure" in path:
            out.print(f"{name}: no APE or RPE: {path['failure']}")
            continue
        out.print(
            f"{name}: APE {number(path['ape_m']['rmse'], 4)} m, RPE "
            f"{number(path['rpe_m']['rmse'], 4)} m, {number(path['rpe_deg']['rmse'], 3)}° (RMSE "
            f"over {path['poses']} poses, {path['kind']}, alignment {path['alignment']})"
        )
    out.print(
        f"\n{folder / 'report.html'}: the report; beside it metrics.json, and a folder a method"
    )
