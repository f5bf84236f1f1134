# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r eval pairs``: from a list of pairs to a folder with predictions and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from geloc3r_ros.errors import ImageError
from geloc3r_ros.evaluation.methods import Method
from geloc3r_ros.evaluation.pair_list import PairList, read_pairs
from geloc3r_ros.evaluation.pair_run import describe_run, predict_pairs
from geloc3r_ros.evaluation.predictions import (
    Prediction,
    PredictionFile,
    Predictions,
    read_predictions,
)
from geloc3r_ros.evaluation.report import Picture, chosen_pairs, make_report
from geloc3r_ros.evaluation.results import results_of, write_errors, write_json
from geloc3r_ros.inference.images import read_image

__all__ = ["Watch", "evaluate_pairs"]

Watch = Callable[[Iterator[Prediction], str, int], Iterator[Prediction]]
"""Passes predictions on while it shows progress: what comes, its name, and how many there are."""


def evaluate_pairs(
    path: Path, methods: Iterable[Method], out: Path, watch: Watch
) -> dict[str, Any]:
    """Predict what is missing, then write metrics, errors and report; return the results.

    Args:
        path: a ``pairs.json``.
        methods: to run, the first of which the pictures show.
        out: folder; each method has a folder of its own in it.
        watch: shows progress.

    Raises:
        ConfigError: if the list is wrong, or ``out`` holds another run.
    """
    pairs = read_pairs(path)
    runs: dict[str, Predictions] = {}
    for method in methods:
        with PredictionFile(out / method.name, describe_run(pairs, method)) as file:
            left = len(pairs.pairs) - len(file.done)
            for _ in watch(predict_pairs(pairs, method, file), method.name, left):
                pass
        runs[method.name] = read_predictions(out / method.name)
        write_errors(out / method.name, runs[method.name])
    configuration = {"pairs": str(path), "methods": list(runs)}
    results = results_of(pairs.name, runs, configuration=configuration)
    write_json(out / "metrics.json", results)
    pictures = _pictures(pairs, next(iter(runs.values())))
    page = make_report(results, runs, pictures, {})
    (out / "report.html").write_text(page, encoding="utf-8")
    return results


def _pictures(pairs: PairList, predictions: Predictions) -> dict[str, Picture]:
    """Images of the best, the median and the worst pair, those that can be read."""
    by_name = {pair.name: pair for pair in pairs.pairs}
    pictures = {}
    for kind, i in chosen_pairs(predictions).items():
        pair = by_name[predictions.names[i]]
        try:
            rgb_a, rgb_b = (read_image(image) for image in pair.images)
        except ImageError:
            continue
        pictures[kind] = Picture(rgb_a, rgb_b, *(pair.K or (None, None)))
    return pictures
