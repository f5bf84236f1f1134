# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of an ablation as a page and a picture: which loss was better, and by how surely."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.metrics import AUC_THRESHOLDS, summarise
from geloc3r_training.ablation import LOGS, AblationConfig

__all__ = ["HeadErrors", "difference", "read_test", "write_report"]

RESAMPLES = 2000
"""Times that the test pairs are drawn anew for an interval."""

START = "start"

LOGGED = {
    "match/median_px": "matches: median error, px",
    "match/within_2px": "matches within 2 px",
    "weights/auc": "ROC-AUC of the weights",
    "weights/auc_of_similarity": "ROC-AUC of similarity",
    "weights/auc_gain": "gain",
    "solver/rotation": "solved rotation, deg",
    "solver/direction": "solved direction, deg",
    "solver/failed": "solver failed",
    "gate/open": "gate open",
    "gate/error_ratio": "error ratio where open",
    "descriptor/cosine": "cosine of L_descriptor",
}
"""What a training logs, and what to call it."""

Array = npt.NDArray[np.float64]


class HeadErrors(NamedTuple):
    """Errors of the pairs that moved."""

    names: list[str]
    """``start`` and the arms."""
    rotation: Array
    """Radians, (arms, seeds, pairs)."""
    direction: Array
    """Radians, (arms, seeds, pairs)."""
    reprojection: Array
    """Median over each pair's points, pixels, (arms, seeds, pairs)."""

    def scores(self, name: str, degrees: float) -> Array:
        """Share of the thresholds up to ``degrees`` that a pair meets, (seeds, pairs).

        Its mean is the area under the recall.
        """
        arm = self.names.index(name)
        worst = np.maximum(self.rotation[arm], self.direction[arm])
        return np.clip(1 - worst / np.radians(degrees), 0, 1)


def read_test(config: AblationConfig, folder: Path) -> HeadErrors:
    """Read what ``evaluate_heads`` wrote.

    Raises:
        ConfigError: if there is nothing, or of other arms.
    """
    files = sorted(folder.glob("test[0-9]*.npz"))
    names = [START, *config.arms]
    parts = [np.load(file) for file in files]
    if not parts or parts[0]["errors"].shape[1:3] != (len(names), len(config.seeds)):
        raise ConfigError(f"{folder} holds no test of these arms and seeds; run the ablation")
    errors = np.concatenate([part["errors"] for part in parts], -1).astype(float)
    moved = np.concatenate([part["moved"] for part in parts])
    return HeadErrors(names, *errors[..., moved])


def difference(a: Array, b: Array, seed: int = 0) -> tuple[float, float, float]:
    """Mean of ``b - a`` (seeds, pairs) and the ends of its 95 % interval over pairs."""
    gain = (b - a).mean(0)
    generator = np.random.default_rng(seed)
    means = [gain[generator.integers(len(gain), size=len(gain))].mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(gain.mean()), float(low), float(high)


def write_report(config: AblationConfig, folder: Path, subject: str = "GCR") -> Path:
    """Write ``ablation.md`` and ``ablation.png``; returns the page.

    Args:
        config: The ablation.
        folder: Where it ran.
        subject: Arm that is compared with every other one, where there is such an arm.
    """
    tested = read_test(config, folder)
    logs = [json.loads((folder / LOGS.format(seed)).read_text()) for seed in config.seeds]
    stage = config.training.stages[0]
    baseline = next(iter(config.arms))
    seeds, pairs = tested.rotation.shape[1:]
    parts = [
        f"{len(config.arms)} arms, {seeds} seeds of {stage.steps * stage.batch_size:,} training "
        f"pairs, {pairs:,} test pairs that moved. Intervals: 95 %, paired bootstrap over pairs.",
        _results(tested, baseline),
    ]
    if subject in config.arms:
        parts.append(_comparison(tested, subject))
    parts.append(_logs(config, logs))
    page = folder / "ablation.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    _plot(tested, baseline, folder / "ablation.png")
    return page


def _results(tested: HeadErrors, baseline: str) -> str:
    """Metrics of each arm, means over the seeds."""
    rows = []
    for arm, name in enumerate(tested.names):
        found = [summarise(*both) for both in zip(tested.rotation[arm], tested.direction[arm])]
        areas = [
            100 * np.mean([one.auc[threshold] for one in found]) for threshold in AUC_THRESHOLDS
        ]
        spread = 100 * np.ptp([one.auc[20] for one in found])
        medians = [
            np.degrees(np.mean([getattr(one, f"{part}_median") for one in found]))
            for part in ("rotation", "direction")
        ]
        pixels = float(np.nanmean(np.nanmedian(tested.reprojection[arm], -1)))
        if name == baseline:
            gain = "-"
        else:
            gain = _interval(*difference(tested.scores(baseline, 20), tested.scores(name, 20)))
        rows.append([
            name, *(f"{area:.2f}" for area in areas), f"{spread:.2f}",
            *(f"{median:.2f}" for median in medians), f"{pixels:.2f}", gain,
        ])  # fmt: skip
    head = [
        "arm", "AUC@5", "@10", "@20", "seeds apart, @20", "rotation, deg", "direction, deg",
        "reprojection, px", f"AUC@20 over {baseline}",
    ]  # fmt: skip
    return _table(head, rows)


def _comparison(tested: HeadErrors, subject: str) -> str:
    """The subject beside every other arm."""
    rows = [
        [name, *(
            _interval(*difference(tested.scores(name, t), tested.scores(subject, t)))
            for t in AUC_THRESHOLDS
        )]
        for name in tested.names if name != subject
    ]  # fmt: skip
    return _table([f"{subject} over", *(f"AUC@{t}" for t in AUC_THRESHOLDS)], rows)


def _logs(config: AblationConfig, logs: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """What the trainings logged, means over the seeds."""

    def mean(arm: str, key: str) -> str:
        values = [log[arm][key] for log in logs if key in log[arm]]
        return f"{np.mean(values):.3g}" if values else ""

    arms = [name for name in config.arms if mean(name, "gate/open")]
    keys = dict(LOGGED)
    for prefix, title in (("gate/open/", "gate open, "), ("gradient/", "gradient of ")):
        for name in arms:
            for key in logs[0][name]:
                if key.startswith(prefix):
                    keys[key] = title + key.removeprefix(prefix)
    rows = [[title, *(mean(name, key) for name in arms)] for key, title in keys.items()]
    return _table(["logged while training", *arms], rows)


def _interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plot(tested: HeadErrors, baseline: str, path: Path) -> None:
    """Gain in AUC@20 over the baseline: the mean, its interval, and each seed."""
    names = [name for name in tested.names if name != baseline]
    with mpl.rc_context({"svg.fonttype": "path", "font.size": 10}):
        figure = Figure(figsize=(7, 0.42 * len(names) + 1.1), layout="constrained")
        axes = figure.add_subplot()
        before = tested.scores(baseline, 20)
        for row, name in enumerate(names):
            scores = tested.scores(name, 20)
            value, low, high = (100 * x for x in difference(before, scores))
            axes.plot([low, high], [row, row], color="tab:blue", linewidth=2)
            axes.plot(value, row, "o", color="tab:blue")
            each = 100 * (scores.mean(1) - before.mean(1))
            axes.plot(each, [row] * len(each), "|", color="0.4", markersize=9)
        axes.axvline(0, color="0.7", linewidth=1)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel(f"AUC@20 over {baseline}, points (bar: 95 %, ticks: seeds)")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(path, dpi=150)
