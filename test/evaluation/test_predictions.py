# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The file of predictions: what goes in comes out, and an interruption costs one line at most."""

import numpy as np
import pytest

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.predictions import Prediction, PredictionFile, read_predictions
from geloc3r_ros.geometry import make_transform, rotation_about

T = make_transform(rotation_about([0, 1, 0], 0.1), [1.0, 2.0, 3.0])
FULL = Prediction(
    name="full", T_a_b=T, reason="as it is", T_a_b_true=np.eye(4), covariance=np.diag(range(1, 7)),
    seconds=0.25, trained=False, scale_known=True, stamps=(10**18 + 1, 10**18 + 2),
    frames=("left", "right"), overlap=0.5,
)  # fmt: skip
EMPTY = Prediction(name="empty", T_a_b=None)
RUN = {"method": "test", "pairs": 2}


def write(folder, *predictions, run=RUN):
    with PredictionFile(folder, run) as file:
        for prediction in predictions:
            file.add(prediction)
        return file


def test_what_goes_in_comes_out(tmp_path):
    write(tmp_path, FULL, EMPTY)
    read = read_predictions(tmp_path)
    assert read.run == RUN
    assert (read.names, read.reasons) == (["full", "empty"], ["as it is", ""])
    assert read.frames == [("left", "right"), ("", "")]
    assert np.array_equal(read.T_a_b[0], T)
    assert np.array_equal(read.T_a_b_true[0], np.eye(4))
    assert np.array_equal(read.covariance[0], np.diag(range(1, 7)))
    assert (read.seconds[0], read.overlap[0]) == (0.25, 0.5)
    assert read.stamps.tolist() == [[10**18 + 1, 10**18 + 2], [0, 0]]
    assert read.trained.tolist() == [False, True]
    assert read.scale_known.tolist() == [True, False]
    for column in (read.T_a_b, read.T_a_b_true, read.covariance, read.seconds, read.overlap):
        assert np.isnan(column[1]).all()


def test_no_predictions_have_the_shapes_of_some(tmp_path):
    write(tmp_path)
    read = read_predictions(tmp_path)
    assert (len(read), read.T_a_b.shape, read.stamps.shape) == (0, (0, 4, 4), (0, 2))


def test_a_run_goes_on_after_a_line_that_was_cut_off(tmp_path):
    path = write(tmp_path, FULL, EMPTY).path
    path.write_bytes(path.read_bytes()[:-10])
    assert read_predictions(tmp_path).names == ["full"]
    with PredictionFile(tmp_path, RUN) as file:
        assert file.done == {"full"}
        file.add(EMPTY)
    assert read_predictions(tmp_path).names == ["full", "empty"]


def test_a_file_cut_off_in_its_first_line_begins_anew(tmp_path):
    path = write(tmp_path, FULL).path
    path.write_bytes(path.read_bytes()[:5])
    assert write(tmp_path, EMPTY).done == {"empty"}
    assert read_predictions(tmp_path).names == ["empty"]


def test_another_run_does_not_mix_in(tmp_path):
    write(tmp_path, FULL)
    with pytest.raises(ConfigError, match=r"another run: pairs is 2, not 3; .*--out"):
        PredictionFile(tmp_path, {**RUN, "pairs": 3})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n", "line 1 is no prediction"),
        ('{"format": "other", "run": {}}\n', "line 1 .*other"),
        ('{"format": "geloc3r predictions 1", "run": {}}\nnot json\n', "line 2 is no prediction"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    (tmp_path / "predictions.jsonl").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_predictions(tmp_path)


def test_a_folder_without_is_named(tmp_path):
    with pytest.raises(ConfigError, match="has no predictions"):
        read_predictions(tmp_path)


def test_what_differs_is_said_in_words(tmp_path):
    write(tmp_path, FULL, run={**RUN, "weights_sha256": "0123"})
    said = r"the weights file is another \(weights_sha256 is 0123, not 4567\); name another"
    with pytest.raises(ConfigError, match=said):
        PredictionFile(tmp_path, {**RUN, "weights_sha256": "4567"})


def test_predictions_that_say_less_can_be_read_but_not_continued(tmp_path):
    write(tmp_path, FULL)
    assert read_predictions(tmp_path).names == ["full"]
    with pytest.raises(ConfigError, match=r"\(image_files is unknown, not 4567\)"):
        PredictionFile(tmp_path, {**RUN, "image_files": "4567"})


@pytest.mark.parametrize("folder", ["file", "file/orb"])
def test_a_file_in_the_place_of_the_folder_is_said(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written to: .*--out"):
        PredictionFile(tmp_path / folder, RUN)
