# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A card of two methods whose errors are known by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.predictions import Prediction, PredictionFile, read_predictions
from geloc3r_ros.geometry import make_transform, rotation_about
from geloc3r_training import model_card

PAIRS = 60
TRUE = make_transform(rotation_about([0, 1, 0], np.radians(8)), [0.1, 0, 0])
OFF = make_transform(rotation_about([0, 1, 0], np.radians(10)), [1, 0, 0])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """``geloc3r`` is off by 2 degrees of rotation; ``constant`` fails on every pair."""
    folder = tmp_path_factory.mktemp("card")
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    cv2.imwrite(str(folder / "a.png"), noise)
    K = [[32, 0, 31.5], [0, 32, 23.5], [0, 0, 1]]  # 90 degrees
    names = [f"{place}/0-1" for place in range(PAIRS)]
    entries = [
        {"name": n, "images": ["a.png", "a.png"], "K": [K, K], "T_a_b": TRUE.tolist(),
         "overlap": 0.55} for n in names
    ]  # fmt: skip
    (folder / "pairs.json").write_text(json.dumps({"pairs": entries}))
    for method, T in (("geloc3r", OFF), ("constant", None)):
        with PredictionFile(folder / "results" / method, {"method": method}) as file:
            for name in names:
                file.add(
                    Prediction(name=name, T_a_b=T, T_a_b_true=TRUE, overlap=0.55, seconds=0.02)
                )
    return model_card.read_run(folder / "pairs.json", folder / "results")


def test_overall_numbers(run):
    # Every error is 2 degrees: recall is 1/60 at most before, 1 after: (2/60/2 + 3) / 5 = 60.3 %.
    head, _, network, constant = model_card.overall_table(run).splitlines()
    assert head.startswith("| method | AUC@5 | AUC@10 | AUC@20 |")
    assert network == "| geloc3r | 60.3 | 80.2 | 90.1 | 2.00 | 0.0 | 0 | 60 |"
    assert constant == "| constant | 0.0 | 0.0 | 0.0 | inf | inf | 60 | 60 |"


def test_each_pair_is_in_one_bin_of_each_table(run):
    rows = [
        line
        for line in model_card.breakdown_tables(run).splitlines()
        if line.endswith(f"| {PAIRS} |")
    ]
    assert [row.split(" | ")[0] for row in rows] == [
        "| 5 to 10", "| 0.5 to 0.6", "| 0.1 to 0.2", "| 85 to 100",
    ]  # fmt: skip
    assert all("| 90.1 | 0.0 | 2.00 | 0.0 |" in row for row in rows)


def test_failures_are_drawn_one_a_place(run, tmp_path):
    text = model_card.failures(run, tmp_path / "images" / "worst.jpg")
    assert text.startswith("![Pairs that fail](images/worst.jpg)")
    assert len(text.splitlines()) == 2 + 2 + model_card.SHOWN
    assert cv2.imread(str(tmp_path / "images" / "worst.jpg")).shape[0] == 3 * 200


def test_a_refusal_is_no_pose_that_failed(run, tmp_path):
    with PredictionFile(tmp_path / "half", {"method": "half"}) as file:
        for place in range(PAIRS):
            T = OFF if place % 2 else None
            name = f"{place}/0-1"
            file.add(Prediction(name=name, T_a_b=T, T_a_b_true=TRUE, overlap=0.55, seconds=0.02))
    refusing = run._replace(methods={"half": read_predictions(tmp_path / "half")})
    rows = model_card.failures(refusing, tmp_path / "worst.jpg").splitlines()[-model_card.SHOWN :]
    assert [row.split(" | ")[1] for row in rows] == ["2.0"] * model_card.SHOWN


def test_licences_are_counted(tmp_path):
    file = tmp_path / "LICENCES.md"
    file.write_text(
        "# Textures\n\n| file | origin | holder | licence |\n|---|---|---|---|\n"
        "| surface/a.jpg | toy: /a.png | Anna | CC0 |\n"
        "| surface/b.jpg | toy: /b.png | Nate | MIT |\n"
        "| picture/c.jpg | toy: /c.png | Nate | MIT |\n"
        "| picture/d.jpg | art==1.0: /d.png | Nate | CC-BY-3.0 |\n"
    )
    assert model_card.texture_licences(file).splitlines()[2:] == [
        "| art==1.0 | CC-BY-3.0 1 |",
        "| toy | MIT 2, CC0 1 |",
    ]


def test_parts_go_between_their_marks_and_nothing_else_changes():
    page = "# Card\n<!-- card a -->\nold\n<!-- end -->\nown words\n<!-- card b -->\n<!-- end -->\n"
    filled = model_card.fill(page, {"a": "new", "b": "| x |"})
    assert filled == (
        "# Card\n<!-- card a -->\nnew\n<!-- end -->\nown words\n"
        "<!-- card b -->\n| x |\n<!-- end -->\n"
    )
    assert model_card.fill(filled, {"a": "new", "b": "| x |"}) == filled
    with pytest.raises(ConfigError, match="no <!-- card c -->"):
        model_card.fill(page, {"c": ""})


def test_the_page_that_ships_has_all_marks():
    page = Path(__file__).parents[2] / "docs" / "weights.md"
    names = [
        "recipe",
        "results",
        "native",
        "still",
        "breakdown",
        "failures",
        "calibration",
        "textures",
    ]
    text = model_card.fill(page.read_text(), dict.fromkeys(names, "here"))
    assert text.count("\nhere\n") == len(names)
