# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r eval bag``: from a bag to a folder with predictions, trajectories and a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geloc3r_ros.errors import BagError, ConfigError, ImageError
from geloc3r_ros.evaluation.alignment import Alignment
from geloc3r_ros.evaluation.bag_images import (
    ImageSource,
    Shot,
    Streams,
    cameras_of_frames,
    find_cameras,
    what_is_distorted,
    what_is_missing,
)
from geloc3r_ros.evaluation.bag_run import find_poses, predict_bag, read_recorded
from geloc3r_ros.evaluation.bags import BagReader
from geloc3r_ros.evaluation.figures import missing, percentiles
from geloc3r_ros.evaluation.methods import Method
from geloc3r_ros.evaluation.pair_evaluation import Watch
from geloc3r_ros.evaluation.paths import Path3d, path_figures, path_of
from geloc3r_ros.evaluation.predictions import (
    Prediction,
    PredictionFile,
    Predictions,
    read_predictions,
)
from geloc3r_ros.evaluation.recovery import open_bag
from geloc3r_ros.evaluation.report import Picture, chosen_pairs, make_report
from geloc3r_ros.evaluation.results import results_of, write_errors, write_json, write_paths
from geloc3r_ros.evaluation.truth import TruthOptions, check_source, with_truth

__all__ = ["RECORDED", "BagOptions", "evaluate_bag"]

RECORDED = "recorded"
"""The name under which the poses stand that the bag itself holds."""
MOST_SECONDS = 1e9
"""30 years in nanoseconds still fit in a stamp."""
MOST_STEPS = 10**6


@dataclass(frozen=True, kw_only=True)
class BagOptions:
    """What to evaluate of a bag.

    Attributes:
        truth: where the truth is.
        images: topics of one camera or two; found where there is no choice.
        poses: topic of recorded poses; found likewise.
        child_frame: frame b, where recorded poses do not name it, or images name another.
        step: one camera: how many images b is after a.
        slop: two cameras: how far the stamps of a pair may differ, seconds.
        rectify: remove the lens distortion first.
        alignment: of trajectories, before APE and RPE.
        methods_named: whether methods were asked for, which recorded poses have no use for.
    """

    truth: TruthOptions
    images: Sequence[str] = ()
    poses: str | None = None
    child_frame: str = ""
    step: int = 1
    slop: float = 0.02
    rectify: bool = False
    alignment: Alignment = "se3"
    methods_named: bool = False


class _Evaluation:
    """The two steps over an open bag: predictions, then what follows from them."""

    def __init__(
        self, path: Path, bag: BagReader, out: Path, options: BagOptions, watch: Watch
    ) -> None:
        self.bag, self.out, self.options, self.watch = bag, out, options, watch
        self._about_bag = _about_bag(path, bag)
        self.troubles: list[str] = []
        self.runs: dict[str, Predictions] = {}
        self.sync: dict[str, Any] = {}

    def recorded(self, topic: str) -> None:
        """Take the poses of the bag."""
        run = {
            **self._about_bag,
            "method": RECORDED,
            "poses": topic,
            "child_frame": self.options.child_frame,
        }
        with PredictionFile(self.out / RECORDED, run) as file:
            found = read_recorded(self.bag, topic, self.options.child_frame)
            for prediction in self._read(found, RECORDED, self.bag.topics[topic].count):
                if prediction.name not in file.done:
                    file.add(prediction)
        predictions = self._judged(RECORDED)
        periods = np.diff(np.sort(predictions.stamps[:, 0])).astype(np.float64) / 1e6
        self.sync = {
            "poses": len(predictions),
            "missing": missing(periods),
            "invalid": int(np.isnan(predictions.T_a_b).any(axis=(1, 2)).sum()),
            "period_ms": percentiles(periods),
            "stamp_offset_ms": percentiles(np.abs(np.diff(predictions.stamps)[:, 0]) / 1e6),
        }

    def asked(self, method: Method, cameras: Sequence[ImageSource]) -> None:
        """Ask a method about the images of the bag."""
        options = self.options
        streams = Streams(cameras, round(options.slop * 1e9), options.rectify)
        run = {
            **self._about_bag,
            "images": [camera.image for camera in cameras],
            "step": options.step,
            "slop": options.slop,
            "rectify": options.rectify,
            "child_frame": options.child_frame,
            "method": method.name,
            **method.about,
        }
        with PredictionFile(self.out / method.name, run) as file:
            found = predict_bag(self.bag, streams, method, file, options.step, options.child_frame)
            for _ in self._read(found, method.name, self.bag.topics[cameras[0].image].count):
                pass
        self.sync = streams.figures()
        for trouble in streams.troubles(self.bag):
            self.note(trouble)
        self._judged(method.name)

    def _read(self, found: Iterator[Prediction], name: str, total: int) -> Iterator[Prediction]:
        """Pass on what could be read; damage is noted, unless nothing was read before it."""
        count = 0
        try:
            for prediction in self.watch(found, name, total):
                count += 1
                yield prediction
        except BagError as error:
            if not count:
                raise
            self.note(f"only a part could be read: {error}")

    def _judged(self, name: str) -> Predictions:
        """Read the predictions back, and put the truth beside them."""
        predictions = read_predictions(self.out / name)
        if not len(predictions):
            self.note_damage()
            why = self.troubles or [
                "it takes images of two cameras within --slop, or of one camera more than --step, "
                f"{self.options.step}"
            ]
            raise BagError(f"{self.bag.path} has no pair to evaluate: {'; '.join(why)}")
        try:
            self.runs[name], trouble = with_truth(predictions, self.bag, self.options.truth)
        except BagError as error:
            raise BagError("; ".join([str(error), *self.troubles])) from error
        self.note(trouble)
        if not np.isfinite(self.runs[name].T_a_b_true).all(axis=(1, 2)).any():
            raise BagError(
                f"no pose of the truth lies within {self.options.truth.tolerance:g} s of a pair; "
                "check that both use one clock, or raise --tolerance"
            )
        write_errors(self.out / name, self.runs[name])
        return self.runs[name]

    def note_damage(self) -> None:
        """Keep which messages were damaged."""
        for topic, found in self.bag.damaged.items():
            self.note(
                f"{topic}: {len(found)} of {self.bag.topics[topic].count} messages are damaged "
                f"and were left out; the first: {next(iter(found.values()))}"
            )

    def note(self, trouble: str) -> None:
        """Keep what went wrong, each thing once."""
        if trouble and trouble not in self.troubles:
            self.troubles.append(trouble)


def evaluate_bag(
    path: Path, methods: Iterable[Method], out: Path, options: BagOptions, watch: Watch
) -> dict[str, Any]:
    """Predict what is missing, then write metrics, errors, trajectories and report.

    Images are read one set at a time; besides them, memory holds about 1 kB a pair.

    Args:
        path: rosbag2 folder, .mcap or .db3.
        methods: to ask about the images; not used where the bag holds recorded poses.
        out: folder to write to.
        options: what to evaluate.
        watch: shows progress.

    Returns:
        The results; ``troubles`` in it says what of the bag could not be read.

    Raises:
        BagError: if nothing can be evaluated.
        ConfigError: if ``out`` holds another run, or an option is wrong or would have no effect.
    """
    _check(options)
    bag, trouble = open_bag(path, out / "recovered.mcap")
    with bag:
        check_source(bag, options.truth.source)
        evaluation = _Evaluation(path, bag, out, options, watch)
        evaluation.note(trouble)
        poses = None if options.images else find_poses(bag, options.poses)
        cameras: list[ImageSource] = []
        if poses:
            _check_recorded(options, poses)
            evaluation.recorded(poses)
        else:
            cameras = find_cameras(bag, options.images)
            _check_step(options, cameras)
            for missing in what_is_missing(bag, cameras, named=bool(options.images)):
                evaluation.note(missing)
            for method in methods:
                evaluation.asked(method, cameras)
        evaluation.note_damage()
        runs = evaluation.runs
        chained = len(cameras) == 1 or all(a == b for a, b in next(iter(runs.values())).frames)
        paths = _write_paths(out, runs, chained)
        results = results_of(
            f"Evaluation of {path.name}",
            runs,
            configuration=_configuration(path, options, poses, cameras),
            troubles=evaluation.troubles,
            sync=evaluation.sync,
            paths={name: path_figures(p, options.alignment) for name, p in paths.items()},
        )
        distorted = [] if options.rectify else what_is_distorted(bag, cameras)
        results["note"] = " ".join((results["note"], *(f"{said}." for said in distorted)))
        write_json(out / "metrics.json", results)
        pictures = _pictures(bag, next(iter(runs.values())), options, asked=bool(cameras))
    page = make_report(results, runs, pictures, paths)
    (out / "report.html").write_text(page, encoding="utf-8")
    return results


def _check(options: BagOptions) -> None:
    """Refuse numbers out of their range, and options of which one has no effect."""
    for name, value in (
        ("--tolerance", options.truth.tolerance),
        ("--gap", options.truth.gap),
        ("--slop", options.slop),
    ):
        if not 0 <= value <= MOST_SECONDS:
            raise ConfigError(f"{name} is {value:g}; it must be from 0 to {MOST_SECONDS:g} s")
    if not 1 <= options.step <= MOST_STEPS:
        raise ConfigError(f"step is {options.step}; it must be from 1 to {MOST_STEPS}")
    if options.images and options.poses:
        raise ConfigError(
            f"--images {options.images[0]} and --poses {options.poses} exclude each other: images "
            "are asked about, poses are taken as they are; leave one out"
        )


def _check_recorded(options: BagOptions, poses: str) -> None:
    """Refuse what has no effect on recorded poses."""
    for name, given in (("--method", options.methods_named), ("--step", options.step != 1)):
        if given:
            raise ConfigError(
                f"{name} has no effect on the recorded poses of {poses}, with --poses or found; "
                f"leave it out, or name the images to ask about with --images"
            )


def _check_step(options: BagOptions, cameras: Sequence[ImageSource]) -> None:
    """Refuse a step between the images of two cameras."""
    if len(cameras) == 2 and options.step != 1:
        raise ConfigError(
            f"--step {options.step} has no effect on two cameras, "
            f"{' and '.join(camera.image for camera in cameras)}; leave it out, or name one of "
            "them with --images"
        )


def _about_bag(path: Path, bag: BagReader) -> dict[str, Any]:
    """What tells a bag from others of its name."""
    count = sum(topic.count for topic in bag.topics.values())
    return {
        "kind": "bag",
        "bag": str(path.resolve()),
        "messages": count,
        "start_ns": bag.start if count else 0,
        "end_ns": bag.end if count else 0,
    }


def _configuration(
    path: Path, options: BagOptions, poses: str | None, cameras: Sequence[ImageSource]
) -> dict[str, Any]:
    """What was asked for, with what was found by itself."""
    common = {
        "bag": str(path),
        "truth": options.truth.source,
        "truth_tolerance_s": options.truth.tolerance,
        "truth_gap_s": options.truth.gap,
        "moving_frame": options.truth.moving_frame or "as the topics say",
        "fixed_frame": options.truth.fixed_frame or "as the topics say",
        "alignment": options.alignment,
    }
    if poses:
        return {**common, "poses": poses}
    single = {"step": options.step} if len(cameras) == 1 else {"slop_s": options.slop}
    return {
        **common,
        "images": [camera.image for camera in cameras],
        "camera_info": [camera.info or "none" for camera in cameras],
        "rectify": options.rectify,
        **single,
    }


def _write_paths(out: Path, runs: dict[str, Predictions], chained: bool) -> dict[str, Path3d]:
    """Trajectories by method, written beside the predictions they come from."""
    paths = {}
    for name, predictions in runs.items():
        path = path_of(predictions, chained)
        if path is not None:
            paths[name] = path
            write_paths(out / name, path)
    return paths


def _pictures(
    bag: BagReader, predictions: Predictions, options: BagOptions, asked: bool
) -> dict[str, Picture]:
    """Images of the best, the median and the worst pair, read from the bag once more.

    Those of recorded poses are of the cameras whose frames the poses name.
    """
    wanted = {kind: predictions.stamps[i] for kind, i in chosen_pairs(predictions).items()}
    stamps = {int(stamp) for pair in wanted.values() for stamp in pair}
    kept: dict[tuple[str, int], Shot] = {}
    try:
        cameras = (
            find_cameras(bag, options.images)
            if asked
            else cameras_of_frames(bag, predictions.frames[0])
        )
        for shots in Streams(cameras, round(options.slop * 1e9), options.rectify).read(bag):
            for camera, shot in zip(cameras, shots, strict=True):
                if shot.stamp in stamps:
                    kept[camera.image, shot.stamp] = shot
    except BagError:
        if not kept:  # recorded poses without images; damage is reported already
            return {}
    pictures = {}
    for kind, (a, b) in wanted.items():
        shot_a, shot_b = kept.get((cameras[0].image, a)), kept.get((cameras[-1].image, b))
        if shot_a is None or shot_b is None:
            continue
        try:
            (rgb_a, K_a), (rgb_b, K_b) = shot_a.decoded, shot_b.decoded
        except (ImageError, ConfigError):
            continue
        pictures[kind] = Picture(rgb_a, rgb_b, K_a, K_b)
    return pictures
