# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r eval`` as a user meets it."""

import json
import shutil

import cv2
import pytest
import torch
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.commands.eval import MethodName
from geloc3r_ros.demo.recording import stereo_pairs, truth, write_recording
from geloc3r_ros.errors import ConfigError
from geloc3r_ros.evaluation.methods import METHODS, Method, load_method
from geloc3r_ros.evaluation.pair_list import read_pairs
from geloc3r_ros.evaluation.pair_run import describe_run
from geloc3r_ros.evaluation.predictions import PredictionFile
from geloc3r_ros.inference import RelativePoseEstimator
from geloc3r_ros.inference.pose import Calibration
from geloc3r_ros.model import (
    ModelConfig,
    WeightsInfo,
    load_weights,
    read_info,
    save_weights,
)


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """Three stereo pairs of the demo as a pairs.json; the last has a damaged picture."""
    folder = tmp_path_factory.mktemp("benchmark")
    calibration = write_recording(folder / "bag")
    (T_a_b, *_) = truth(folder / "bag").values()
    entries = []
    for left, right in stereo_pairs()[:3]:
        for source, camera in ((left, calibration.left), (right, calibration.right)):
            picture = cv2.undistort(cv2.imread(str(source)), camera.K, camera.D)
            cv2.imwrite(str(folder / f"{source.stem}.png"), picture)
        entries.append(
            {
                "images": [f"{left.stem}.png", f"{right.stem}.png"],
                "K": [calibration.left.K.tolist(), calibration.right.K.tolist()],
                "T_a_b": T_a_b.tolist(),
                "overlap": 0.9,
            }
        )
    (folder / entries[-1]["images"][1]).write_bytes(b"no picture")
    (folder / "pairs.json").write_text(json.dumps({"name": "boards", "pairs": entries}))
    return folder / "pairs.json"


def test_pairs_with_two_methods(benchmark, tmp_path):
    out = tmp_path / "out"
    text = run("pairs", benchmark, "--method", "sift", "--method", "geloc3r", "--out", out)
    assert "boards" in text
    assert "sign of the translation is not" in text
    results = json.loads((out / "metrics.json").read_text())
    sift = results["methods"]["sift"]
    assert (sift["pairs"], sift["failures"]) == (3, 1)
    assert results["methods"]["geloc3r"]["failures"] == 1
    assert sift["breakdown"]["overlap"][0]["pairs"] == 3
    page = (out / "report.html").read_text()
    assert "best pair" in page
    lines = (out / "sift" / "errors.csv").read_text().splitlines()
    assert len(lines) == 4
    assert "inf" in lines[3]
    assert "is no image" in lines[3]

    text = run("compare", out / "sift", out / "geloc3r")
    assert "3 pairs that both have" in text
    assert "AUC@20" in text
    with pytest.raises(ConfigError, match="name the run of one method"):
        run("compare", out, out)


def test_the_same_command_goes_on(benchmark, tmp_path, monkeypatch):
    add = PredictionFile.add

    def interrupted_after_one(self, prediction):
        if self.done:
            raise KeyboardInterrupt
        add(self, prediction)

    with monkeypatch.context() as patch:
        patch.setattr(PredictionFile, "add", interrupted_after_one)
        text = run("pairs", benchmark, "--method", "orb", "--out", tmp_path / "out", code=130)
    assert "the same command goes on" in text.replace("\n", " ")
    run("pairs", benchmark, "--method", "orb", "--out", tmp_path / "out")
    lines = (tmp_path / "out" / "orb" / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 4


def copied(benchmark, folder):
    """The sound pairs of the benchmark, with images of their own."""
    folder.mkdir()
    entries = json.loads(benchmark.read_text())["pairs"][:2]
    for name in (name for entry in entries for name in entry["images"]):
        shutil.copy2(benchmark.parent / name, folder / name)
    (folder / "pairs.json").write_text(json.dumps({"name": "boards", "pairs": entries}))
    return folder / "pairs.json", entries


def test_other_images_of_the_same_name_do_not_mix_in(benchmark, tmp_path):
    file, entries = copied(benchmark, tmp_path / "pairs")
    arguments = ("pairs", file, "--method", "constant", "--out", tmp_path / "out")
    run(*arguments)
    run(*arguments)
    first, second = entries[0]["images"]
    shutil.copyfile(file.parent / first, file.parent / second)
    with pytest.raises(ConfigError, match="image files are others, or were changed"):
        run(*arguments)


def test_another_overlap_does_not_mix_in(benchmark, tmp_path):
    file, entries = copied(benchmark, tmp_path / "pairs")
    run("pairs", file, "--method", "constant", "--out", tmp_path / "out")
    entries[0]["overlap"] = 0.5
    file.write_text(json.dumps({"name": "boards", "pairs": entries}))
    with pytest.raises(ConfigError, match="digest"):
        run("pairs", file, "--method", "constant", "--out", tmp_path / "out")


@pytest.mark.parametrize("command", ["pairs", "bench"])
def test_a_folder_that_cannot_be_written_to_is_refused_first(benchmark, command):
    arguments = {"pairs": ("eval", "pairs", benchmark), "bench": ("bench",)}[command]
    with pytest.raises(ConfigError, match="/dev/null is no folder; name another"):
        CliRunner().invoke(
            app, [*map(str, arguments), "--out", "/dev/null/x"], catch_exceptions=False
        )


def test_an_image_that_is_gone_is_no_error_of_its_run(benchmark, tmp_path):
    file, entries = copied(benchmark, tmp_path / "pairs")
    pairs = read_pairs(file)
    before = describe_run(pairs, load_method("constant"))
    (file.parent / entries[0]["images"][0]).unlink()
    after = describe_run(pairs, load_method("constant"))
    assert {key for key in before if before[key] != after[key]} == {"image_files"}


def test_other_weights_of_the_same_name_do_not_mix_in(benchmark, tmp_path, small_weights):
    file, _ = copied(benchmark, tmp_path / "pairs")
    network, about = load_weights(small_weights)
    abouts = []
    for seed in range(2):
        with torch.no_grad():
            next(network.parameters()).add_(1e-3 * seed)
        save_weights(tmp_path / f"{seed}.safetensors", network, about)
        abouts.append(load_method("geloc3r", weights=str(tmp_path / f"{seed}.safetensors")).about)
    first, second = abouts
    assert first["weights"] == second["weights"] == "small"
    assert first["weights_sha256"] != second["weights_sha256"]
    pairs = read_pairs(file)
    run_of = describe_run(pairs, Method("geloc3r", first, None))
    with PredictionFile(tmp_path / "out", run_of):
        pass
    with PredictionFile(tmp_path / "out", run_of):
        pass
    with pytest.raises(ConfigError, match="the weights file is another"):
        PredictionFile(tmp_path / "out", describe_run(pairs, Method("geloc3r", second, None)))


def test_why_pairs_failed_is_said(benchmark, tmp_path):
    text = run("pairs", benchmark, "--method", "constant", "--out", tmp_path / "out")
    assert "constant: 1 failed, 1 of them: " in text
    assert "is no image" in text


def test_a_method_that_always_fails_ends_with_an_error(benchmark, tmp_path):
    content = json.loads(benchmark.read_text())
    for name in (name for entry in content["pairs"] for name in entry["images"]):
        (tmp_path / name).write_bytes(b"no picture")
    (tmp_path / "pairs.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"constant: all 3 pairs failed, for one .*image"):
        run("pairs", tmp_path / "pairs.json", "--method", "constant", "--out", tmp_path / "out")
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_damaged_bag_ends_with_3(benchmark, tmp_path):
    shutil.copytree(benchmark.parent / "bag", tmp_path / "bag")
    file = tmp_path / "bag" / "bag.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    arguments = (
        "--truth",
        "/ground_truth/right/pose",
        "--method",
        "orb",
        "--out",
        tmp_path / "out",
    )
    text = run("bag", tmp_path / "bag", *arguments, code=3)
    assert "damaged: " in text
    assert (tmp_path / "out" / "report.html").is_file()


def test_all_methods_can_be_named():
    assert {name.value for name in MethodName} == set(METHODS)


@pytest.mark.parametrize("command", ["pairs", "bag", "compare"])
def test_help_teaches_by_example(command):
    assert f"geloc3r eval {command} " in run(command, "--help")


def test_calibrate_writes_what_the_estimator_reads(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr("geloc3r_ros.evaluation.calibration.FEWEST", 5)
    entries = json.loads(benchmark.read_text())["pairs"]
    shown = [
        {**entries[i % 2], "images": [str(benchmark.parent / n) for n in entries[i % 2]["images"]],
         "name": f"{i // 4}/{i}"}
        for i in range(24)
    ]  # fmt: skip
    (tmp_path / "pairs.json").write_text(json.dumps({"pairs": shown}))
    config = ModelConfig.tiny()
    info = WeightsInfo(name="mine", config=config, trained=True, licence="CC0-1.0")
    save_weights(tmp_path / "in.safetensors", load_weights("tiny")[0], info, torch.float16)
    target, plot = tmp_path / "out.safetensors", tmp_path / "curve.svg"
    text = run(
        "calibrate", tmp_path / "in.safetensors", tmp_path / "pairs.json", target,
        "--plot", plot, "--precision", "fp32",
    )  # fmt: skip
    assert "rotation, covariance" in text
    stated = read_info(target).calibration
    assert (stated["pairs_fitted"], stated["pairs_checked"]) == (12, 12)
    found = Calibration.of_weights(stated, trained=True)
    assert found.rotation == tuple(stated["rotation"][key] for key in ("bias", "slope", "gain"))
    before, after = (
        load_weights(path)[0].state_dict() for path in (tmp_path / "in.safetensors", target)
    )
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert plot.read_text().count("<path") > 4


@pytest.mark.parametrize(
    ("target", "plot", "said"),
    [
        ("out.pth", "curve.svg", "out.pth does not end in .safetensors"),
        ("none/out.safetensors", "curve.svg", "there is no folder .*none; make it"),
        ("folder.safetensors", "curve.svg", "folder.safetensors is a folder; name a file"),
        ("out.safetensors", "none/curve.svg", "there is no folder .*none; make it"),
        ("out.safetensors", "curve.svg", "the pairs are of 2 places"),
    ],
)
def test_calibrate_checks_what_it_is_given_first(
    benchmark, tmp_path, monkeypatch, target, plot, said
):
    monkeypatch.setattr(RelativePoseEstimator, "load", None)
    (tmp_path / "folder.safetensors").mkdir()
    file, _ = copied(benchmark, tmp_path / "pairs")
    content = json.loads(file.read_text())
    for i, entry in enumerate(content["pairs"]):
        entry["name"] = f"{i}/0-1"
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=said):
        run("calibrate", "tiny", file, tmp_path / target, "--plot", tmp_path / plot)


def test_trust_checks_the_places_first(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(RelativePoseEstimator, "load", None)
    file, entries = copied(benchmark, tmp_path / "pairs")
    for i, entry in enumerate(entries):
        entry["name"] = f"one/{i}"
    file.write_text(json.dumps({"pairs": entries}))
    with pytest.raises(ConfigError, match="all pairs are of one place"):
        run("trust", file)
