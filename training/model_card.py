# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers and pictures of a model card, written into a page between marks.

A page holds ``<!-- card NAME -->`` and ``<!-- end -->`` around what is made here; everything else
in it is somebody's own words and stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.figures import errors
from geloc3r_ros.evaluation.methods import METHODS
from geloc3r_ros.evaluation.metrics import summarise
from geloc3r_ros.evaluation.pair_list import ImagePair, PairList, read_pairs
from geloc3r_ros.evaluation.predictions import FILE_NAME, Predictions, read_predictions
from geloc3r_ros.geometry import Array, rotation_angle
from geloc3r_ros.inference.images import read_image
from geloc3r_ros.model import WeightsInfo

__all__ = [
    "Run",
    "breakdown_tables",
    "calibration_table",
    "failures",
    "fill",
    "overall_table",
    "read_run",
    "recipe",
    "still_table",
    "texture_licences",
]

EDGES = {
    "rotation (degrees)": (0, 5, 10, 20, 30, 45, 60),
    "overlap": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0),
    "baseline / median depth": (0.02, 0.05, 0.1, 0.2, 0.4, np.inf),
    "field of view, longer side (degrees)": (45, 55, 65, 75, 85, 100),
}
FEWEST = 20
"""A bin with fewer pairs has no row."""
SHOWN = 6
PROGRESS = "stages_done", "steps_of_stage"
END = "<!-- end -->"
GAP = 8  # pixels between pictures
TEXTURE_ROW = re.compile(r"^\| \S+ \| ([^:|]+): .* \| ([^|]+) \|$", re.MULTILINE)


class Run(NamedTuple):
    """Methods over the same pairs."""

    pairs: PairList
    methods: dict[str, Predictions]


def read_run(list_file: Path, results: Path) -> Run:
    """Read what ``geloc3r eval pairs LIST --out RESULTS`` wrote.

    Raises:
        ConfigError: if there is nothing, or methods were asked about other pairs.
    """
    pairs = read_pairs(list_file)
    names = {pair.name for pair in pairs.pairs}
    folders = {file.parent.name: file.parent for file in results.glob(f"*/{FILE_NAME}")}
    methods = {name: read_predictions(folders[name]) for name in METHODS if name in folders}
    if not methods:
        raise ConfigError(f"{results} holds no predictions; run geloc3r eval pairs first")
    for name, predictions in methods.items():
        if not set(predictions.names) <= names:
            raise ConfigError(f"{results / name} is about other pairs than {list_file}")
    return Run(pairs, methods)


def overall_table(run: Run) -> str:
    """A row of a table for each method: AUC, medians and failures."""
    rows = []
    for name, predictions in run.methods.items():
        e = errors(predictions)
        m = summarise(e.rotation, e.direction, e.moved)
        cells = [f"{100 * m.auc[t]:.1f}" for t in sorted(m.auc)]
        cells += [f"{np.degrees(m.rotation_median):.2f}", f"{np.degrees(m.direction_median):.1f}"]
        rows.append([name, *cells, str(m.failures), str(m.pairs)])
    head = ["method", "AUC@5", "AUC@10", "AUC@20", "rotation (°)", "direction (°)"]
    return _table([*head, "failures", "pairs"], rows)


def breakdown_tables(run: Run) -> str:
    """AUC@20 of each method, and the medians of the first, by what makes a pair hard."""
    by_name = {pair.name: pair for pair in run.pairs.pairs}
    first = next(iter(run.methods))
    tables = []
    for title, edges in EDGES.items():
        rows = []
        for low, high in pairwise(edges):
            cells = []
            for predictions in run.methods.values():
                e = errors(predictions)
                values = _values(title, [by_name[predictions.names[i]] for i in e.index])
                within = (values >= low) & (values < high) & e.moved
                cells.append((summarise(e.rotation[within], e.direction[within]), within.sum()))
            metrics, count = cells[0]
            if count >= FEWEST:
                label = f"{low:g} to {high:g}" if np.isfinite(high) else f"from {low:g}"
                medians = [metrics.rotation_median, metrics.direction_median]
                areas = [f"{100 * m.auc[20]:.1f}" for m, _ in cells]
                degrees = (f"{np.degrees(medians[0]):.2f}", f"{np.degrees(medians[1]):.1f}")
                rows.append([label, *areas, *degrees, str(count)])
        head = [title, *(f"{name}, AUC@20" for name in run.methods)]
        tables.append(_table([*head, f"{first}, rot. (°)", "dir. (°)", "pairs"], rows))
    return "\n\n".join(tables)


def still_table(run: Run) -> str:
    """Median rotation errors where nothing moved; directions mean nothing there."""
    rows = []
    for name, predictions in run.methods.items():
        rotation = errors(predictions).rotation
        numbers = [f"{np.degrees(np.quantile(rotation, q)):.2f}" for q in (0.5, 0.9)]
        rows.append([name, *numbers, str(len(rotation))])
    return _table(["method", "median rotation error (°)", "90 % below (°)", "pairs"], rows)


def calibration_table(calibration: Mapping[str, Any]) -> str:
    """What the sigmas are made of, and the share of errors in the regions of each level."""
    levels = list(calibration["coverage"]["rotation"])
    rows = []
    for kind, title in (("coverage", "radii"), ("coverage_of_covariance", "covariance")):
        for part, shares in calibration[kind].items():
            bias, slope, gain = (calibration[part][key] for key in ("bias", "slope", "gain"))
            line = f"{np.degrees(bias):.2f}° + {slope:.2f} x cycle error"
            rows.append(
                [part, title, line, f"{gain:.2f}", *(f"{100 * shares[x]:.1f} %" for x in levels)]
            )
    return _table(["", "by", "line", "gain", *(f"{100 * float(x):.0f} %" for x in levels)], rows)


def failures(run: Run, picture: Path) -> str:
    """Draw the worst poses of the first method, one a place, into a picture, and list them."""
    by_name = {pair.name: pair for pair in run.pairs.pairs}
    predictions = next(iter(run.methods.values()))
    e = errors(predictions)
    order = np.argsort(-np.where(e.moved & np.isfinite(e.pose), e.pose, -1), kind="stable")
    worst: dict[str, int] = {}  # by place
    for i in order:
        worst.setdefault(predictions.names[e.index[i]].split("/")[0], int(i))
        if len(worst) == SHOWN:
            break
    pairs = [by_name[predictions.names[e.index[i]]] for i in worst.values()]
    picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(picture), _sheet(pairs)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    rows = [
        [
            str(number),
            _degrees(e.rotation[i]),
            _degrees(e.direction[i]),
            f"{np.degrees(rotation_angle(pair.T_a_b[:3, :3])):.0f}",
            f"{np.linalg.norm(pair.T_a_b[:3, 3]):.2f}",
            f"{pair.overlap:.2f}",
        ]
        for number, (i, pair) in enumerate(zip(worst.values(), pairs, strict=True), start=1)
    ]
    head = ["pair", "rotation error (°)", "direction error (°)", "rotation (°)"]
    table = _table([*head, "baseline / depth", "overlap"], rows)
    return f"![Pairs that fail](images/{picture.name})\n\n{table}"


def recipe(info: WeightsInfo, size: int) -> str:
    """What the weights file says about itself; its size in bytes."""
    found = info.recipe or {}
    settings = found.get("settings", {})
    rows = [
        ["file", f"{size / 1e6:.1f} MB, {info.dtype}"],
        ["licence", info.licence],
        ["network", f"{info.variant}, {info.config.design}, longer side {info.image_size} px"],
    ]
    for number, stage in enumerate(settings.get("stages", ())):
        rows.append(
            [
                f"stage {number}",
                f"{stage.get('objective')}, {stage.get('steps')} steps of "
                f"{stage.get('batch_size')} pairs, learning rate {stage.get('learning_rate')}",
            ]
        )
    if {*PROGRESS} <= found.keys():
        stage, step = (found[key] for key in PROGRESS)
        rows.append(["exported after", f"step {step} of stage {stage}"])
    rows += [
        [key, str(value)]
        for key, value in found.items()
        if not isinstance(value, dict) and key not in PROGRESS
    ]
    return _table(["what", "value"], rows)


def texture_licences(licences: Path) -> str:
    """Count the rows of a ``LICENCES.md`` that ``gather_textures`` wrote."""
    counts = Counter(TEXTURE_ROW.findall(licences.read_text(encoding="utf-8")))
    packages: dict[str, list[str]] = {}
    for (package, licence), count in sorted(counts.items(), key=lambda item: -item[1]):
        packages.setdefault(package, []).append(f"{licence} {count}")
    rows = [[name, ", ".join(found)] for name, found in sorted(packages.items())]
    return _table(["package", "licence and files"], rows)


def fill(page: str, parts: Mapping[str, str]) -> str:
    """Put each part between its marks.

    Raises:
        ConfigError: if the page lacks the marks of a part.
    """
    for name, text in parts.items():
        before, mark, rest = page.partition(f"<!-- card {name} -->\n")
        _, end, after = rest.partition(END)
        if not end:
            raise ConfigError(f"the page has no <!-- card {name} --> ... {END}")
        page = f"{before}{mark}{text}\n{end}{after}"
    return page


def _values(title: str, pairs: Sequence[ImagePair]) -> Array:
    if title.startswith("rotation"):
        return np.degrees([rotation_angle(pair.T_a_b[:3, :3]) for pair in pairs])
    if title == "overlap":
        return np.array([pair.overlap for pair in pairs])
    if title.startswith("baseline"):
        return np.array([np.linalg.norm(pair.T_a_b[:3, 3]) for pair in pairs])
    return np.degrees([_field_of_view(pair) for pair in pairs])


def _field_of_view(pair: ImagePair) -> float:
    """Of the longer side, radians; the principal point is taken for the middle."""
    if pair.K is None:
        return float("nan")
    K = pair.K[0]
    return float(2 * np.arctan((K[:2, 2].max() + 0.5) / K[0, 0]))


def _sheet(pairs: Sequence[ImagePair]) -> npt.NDArray[np.uint8]:
    """Both views of each pair beside each other, two pairs a row, numbered."""
    tiles = []
    for number, pair in enumerate(pairs, start=1):
        views = [_fitted(read_image(path)) for path in pair.images]
        tile = np.hstack([views[0], np.full((192, GAP, 3), 255, np.uint8), views[1]])
        cv2.putText(tile, str(number), (6, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 0), 2)
        tiles.append(np.pad(tile, ((0, GAP), (0, 2 * GAP), (0, 0)), constant_values=255))
    if len(tiles) % 2:
        tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles), 2)]
    return np.asarray(np.vstack(rows), np.uint8)


def _fitted(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image in the middle of 256x192, white around it."""
    height, width = image.shape[:2]
    scale = min(256 / width, 192 / height)
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    canvas = np.full((192, 256, 3), 255, np.uint8)
    top, left = (192 - size[1]) // 2, (256 - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def _degrees(angle: float) -> str:
    return f"{np.degrees(angle):.1f}" if np.isfinite(angle) else "no pose"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
