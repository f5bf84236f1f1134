# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``report.html``: one page that needs nothing but itself."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from geloc3r_ros.evaluation import html
from geloc3r_ros.evaluation.alignment import AlignmentError, align
from geloc3r_ros.evaluation.charts import plot_errors, plot_path, plot_recall
from geloc3r_ros.evaluation.figures import errors
from geloc3r_ros.evaluation.paths import Path3d
from geloc3r_ros.evaluation.predictions import Predictions
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.images import Image
from geloc3r_ros.inference.plot import plot_pair

__all__ = ["Picture", "chosen_pairs", "make_report", "number", "summary_rows"]

UNKNOWN = "–"
BREAKDOWNS = {
    "rotation_deg": "true rotation (°)",
    "baseline": "true baseline (m)",
    "overlap": "overlap",
}


class Picture(NamedTuple):
    """Images a and b (H, W, 3), and their intrinsics (3, 3) or None."""

    rgb_a: Image
    rgb_b: Image
    K_a: Array | None
    K_b: Array | None


def chosen_pairs(predictions: Predictions) -> dict[str, int]:
    """Indices of the best, the median and the worst pair with a pose; moving ones, if any."""
    e = errors(predictions)
    moved = e.moved if e.moved.any() else ~e.moved
    usable = np.flatnonzero(np.isfinite(e.pose) & moved)
    if not len(usable):
        return {}
    ranked = e.index[usable[np.argsort(e.pose[usable], kind="stable")]]
    return {
        "best": int(ranked[0]),
        "median": int(ranked[len(ranked) // 2]),
        "worst": int(ranked[-1]),
    }


def make_report(
    results: Mapping[str, Any],
    runs: Mapping[str, Predictions],
    pictures: Mapping[str, Picture],
    paths: Mapping[str, Path3d],
) -> str:
    """Return the page.

    Args:
        results: as in metrics.json.
        runs: predictions by method; the first is the one that pictures show.
        pictures: of the pairs chosen by :func:`chosen_pairs`, where there are images.
        paths: trajectories by method.
    """
    first = next(iter(runs))
    found = {name: errors(p) for name, p in runs.items()}
    body = [f"<h1>{escape(results['title'])}</h1>"]
    body += [html.paragraph(f"{results['made']}, {_counts(results['methods'][first])}")]
    body += [html.warning(trouble) for trouble in results["troubles"]]
    body += [
        html.warning(f"UNTRAINED WEIGHTS: the poses of {name} are noise.")
        for name, figures in results["methods"].items()
        if not figures["trained"]
    ]
    body.append(html.cards(_headline(results["methods"][first], results["paths"].get(first))))
    recall = html.figure(
        plot_recall(found).encode(), "image/svg+xml", "Recall over the error of a pair."
    )
    summary = html.table(*summary_rows(results["methods"]))
    body.append(html.section("Accuracy", summary, html.paragraph(results["note"]), recall))
    body += _pair_pictures(runs[first], first, pictures)
    stamps = runs[first].stamps[:, 1]
    seconds = (stamps - stamps[0]) / 1e9 if stamps.any() else None
    body.append(
        html.section(
            "Pair by pair",
            html.figure(
                plot_errors(found[first], seconds).encode(), "image/svg+xml",
                f"Errors of {first}, pair by pair.",
            ),
        )
    )  # fmt: skip
    body += [_path_section(name, results["paths"][name], path) for name, path in paths.items()]
    body += _breakdown_sections(results["methods"])
    body += _covariance_section(results["methods"])
    if results["sync"]:
        body.append(html.section("Streams", _facts(results["sync"])))
    body.append(html.section("Configuration", _facts(results["configuration"])))
    runs_facts = {name: figures["run"] for name, figures in results["methods"].items()}
    body += [html.section(f"Run: {name}", _facts(run)) for name, run in runs_facts.items()]
    body.append(html.section("Environment", _facts(results["environment"])))
    body.append(html.section("Command", html.preformatted(results["command"])))
    return html.page(results["title"], body)


def summary_rows(methods: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table of methods."""
    head = [
        "method", "AUC@5", "AUC@10", "AUC@20", "rotation", "direction", "pairs", "failed", "ms",
    ]  # fmt: skip
    rows = []
    for name, m in methods.items():
        aucs = [number(m["auc"][t], 2, 100) for t in ("5", "10", "20")]
        kinds = ("rotation_median_deg", "direction_median_deg")
        medians = [number(m[kind], 2, unit="°") for kind in kinds]
        latency = number((m.get("latency_ms") or {}).get("p50"), 0)
        rows.append([name, *aucs, *medians, str(m["pairs"]), str(m["failures"]), latency])
    return head, rows


def number(value: float | None, digits: int, factor: float = 1.0, unit: str = "") -> str:
    """A number as text; a dash where it is unknown."""
    return UNKNOWN if value is None else f"{factor * value:.{digits}f}{unit}"


def _counts(m: Mapping[str, Any]) -> str:
    said = f"{m['pairs'] + m['still_pairs']} pairs with a truth"
    if m["still_pairs"]:
        said += f", {m['still_pairs']} of them without motion"
    return said + (f", {m['without_truth']} without a truth" if m["without_truth"] else "")


def _headline(m: Mapping[str, Any], path: Mapping[str, Any] | None) -> Iterable[tuple[str, str]]:
    yield "AUC@5", number(m["auc"]["5"], 2, 100)
    yield "AUC@10", number(m["auc"]["10"], 2, 100)
    yield "AUC@20", number(m["auc"]["20"], 2, 100)
    yield "median rotation error", number(m["rotation_median_deg"], 2, unit="°")
    yield "median direction error", number(m["direction_median_deg"], 2, unit="°")
    yield "median latency", number((m["latency_ms"] or {}).get("p50"), 0, unit=" ms")
    if path and "ape_m" in path:
        yield f"APE, {path['alignment']} (RMSE)", number(path["ape_m"]["rmse"], 3, unit=" m")


def _pair_pictures(
    predictions: Predictions, method: str, pictures: Mapping[str, Picture]
) -> list[str]:
    """The pairs chosen, drawn; nothing where there are no images."""
    e = errors(predictions)
    drawn = []
    for kind, i in chosen_pairs(predictions).items():
        if kind not in pictures:
            continue
        at = int(np.flatnonzero(e.index == i)[0])
        rotation, direction = np.degrees([e.rotation[at], e.direction[at]])
        aside = f"{direction:.1f}° in direction" if e.moved[at] else "without motion"
        said = f"{kind} pair: {rotation:.1f}° off in rotation, {aside}"
        data = io.BytesIO()
        figure = Figure(figsize=(11, 6.2))
        p = pictures[kind]
        plot_pair(
            figure, p.rgb_a, p.rgb_b, predictions.T_a_b[i], T_1_2_true=predictions.T_a_b_true[i],
            K1=p.K_a, K2=p.K_b, title=f"{said}\n{predictions.names[i]}",
            trained=bool(predictions.trained[i]),
        )  # fmt: skip
        figure.savefig(data, format="jpeg", dpi=100, pil_kwargs={"quality": 85})
        drawn.append(html.figure(data.getvalue(), "image/jpeg", said, photo=True))
    if not drawn:
        return []
    legend = (
        "Points of image A, and the lines of image B on which the estimate says they must lie; "
        "the estimated camera B is orange, the true one green and dashed."
    )
    return [html.section(f"Pairs, as {method} sees them", html.paragraph(legend), *drawn)]


def _path_section(method: str, said: Mapping[str, Any], path: Path3d) -> str:
    """The trajectory: what it is, how far off, and a picture."""
    lengths = "taken from the truth, pair by pair" if said["lengths_from_truth"] else "estimated"
    facts = (
        f"{said['poses']} poses ({said['kind']}), {said['path_length_m']:.2f} m long; "
        f"translation lengths are {lengths}; alignment: {said['alignment']}; RPE from each pose "
        "to the next."
    )
    if said["pieces"] > 1:
        facts += (
            f" It is the longest of {said['pieces']} chains: a failure ends one, and with --step "
            "several run side by side."
        )
    title = f"Trajectory of {method}"
    if "failure" in said:
        return html.section(title, html.paragraph(f"{facts} No APE or RPE: {said['failure']}."))
    kinds = ("ape_m", "ape_deg", "rpe_m", "rpe_deg")
    names = {"m": "m", "deg": "°"}
    rows = [
        [
            f"{kind[:3].upper()} ({names[kind[4:]]})",
            *(number(v, 4) for v in said[kind].values()),
        ]
        for kind in kinds
    ]
    try:
        estimated = align(path.estimated, path.true, said["alignment"])
    except AlignmentError:
        estimated = path.estimated
    picture = html.figure(
        plot_path(path, estimated).encode(), "image/svg+xml", "The path and its truth."
    )
    table = html.table(["", *said["ape_m"]], rows)
    return html.section(title, html.paragraph(facts), table, picture)


def _breakdown_sections(methods: Mapping[str, Any]) -> list[str]:
    """A section for each kind of breakdown that at least one method has."""
    sections = []
    for key, title in BREAKDOWNS.items():
        rows = [
            [
                name, f"{part['from']:.3g} to {part['to']:.3g}", str(part["pairs"]),
                *(number(part["auc"][t], 2, 100) for t in ("5", "10", "20")),
                number(part["rotation_median_deg"], 2, unit="°"),
                number(part["direction_median_deg"], 2, unit="°"),
            ]
            for name, m in methods.items()
            for part in m["breakdown"].get(key, ())
        ]  # fmt: skip
        if rows:
            head = ["method", title, "pairs", "AUC@5", "AUC@10", "AUC@20", "rotation", "direction"]
            sections.append(html.section(f"By {title}", html.table(head, rows)))
    return sections


def _covariance_section(methods: Mapping[str, Any]) -> list[str]:
    """Whether errors are as large as the covariances say."""
    rows = [
        [
            name, part, str(c["dimensions"]), number(c["nees_mean"], 2),
            *(number(share, 0, 100, "%") for share in c["coverage"].values()),
        ]
        for name, m in methods.items()
        for part, c in (m["covariance"] or {}).items()
    ]  # fmt: skip
    if not rows:
        return []
    head = ["method", "of", "dimensions", "mean NEES", "50%", "68%", "90%", "95%"]
    remark = (
        "Right covariances have a mean NEES equal to the dimensions (above: too sure of "
        "themselves), and cover the share of errors in the head of the column."
    )
    return [html.section("Covariance", html.table(head, rows), html.paragraph(remark))]


def _facts(facts: Mapping[str, Any]) -> str:
    return html.table([], [(_label(key), _plain(v)) for key, v in facts.items()], facts=True)


def _label(key: str) -> str:
    """``period_ms`` as "period (ms)"; topics stay as they are."""
    if key.startswith("/"):
        return key
    name, _, unit = key.rpartition("_")
    return f"{name.replace('_', ' ')} ({unit})" if unit in ("s", "ms") else key.replace("_", " ")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return UNKNOWN if value is None else str(value)
