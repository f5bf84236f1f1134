# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command as a user meets it: what it prints, how it fails."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from geloc3r_ros.cli import app
from geloc3r_ros.commands.console import run_application
from geloc3r_ros.errors import DeviceError, ImageError, WeightsError
from geloc3r_ros.geometry import is_transform, rotation_from_quat_xyzw
from geloc3r_ros.inference import RelativePoseEstimator, read_image
from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, load_weights, save_weights


def run(*arguments):
    """Run the command in this process and return its output; errors come through as raised."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def run_process(code, *arguments, cwd):
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", f"{code}\nfrom geloc3r_ros.cli import main\nmain()"]
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def images(tmp_path):
    """Two cuts of one pattern: images that have nothing in common are refused."""
    coarse = np.random.default_rng(0).integers(0, 256, (24, 34, 3), np.uint8)
    whole = cv2.resize(coarse, (340, 240))
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, left in zip(paths, (0, 20), strict=True):
        cv2.imwrite(str(path), whole[:, left : left + 320])
    return paths


@pytest.fixture(params=[True, False], ids=["trained", "untrained"])
def weights(tmp_path, request):
    """Random weights that claim to be trained, or do not."""
    config = ModelConfig.tiny()
    info = WeightsInfo(
        name="mine",
        config=config,
        trained=request.param,
        licence="CC0-1.0",
        recipe={"steps": ["pose", "gcr"]},
        calibration={
            "rotation": {"bias": 0.05, "slope": 1.0},
            "translation": {"bias": 0.1, "slope": 1.0},
        },
    )
    save_weights(tmp_path / "mine.safetensors", GeLoc3r(config), info, torch.float16)
    return tmp_path / "mine.safetensors", request.param


def test_pose_as_json_is_the_estimate(images, weights):
    path, trained = weights
    said = json.loads(run("pose", *images, "--weights", path, "--precision", "fp32", "--json"))
    estimator = RelativePoseEstimator.load(str(path), precision="fp32")
    found = estimator.estimate(*(read_image(image) for image in images))
    assert np.array(said["T_1_2"]) == pytest.approx(found.T_1_2, abs=1e-5)
    assert is_transform(np.array(said["T_1_2"]))
    assert rotation_from_quat_xyzw(said["quat_xyzw"]) == pytest.approx(
        found.T_1_2[:3, :3], abs=1e-5
    )
    assert np.array(said["covariance"]).shape == (6, 6)
    assert said["cycle_rotation_error"] == pytest.approx(found.cycle_rotation_error, abs=1e-4)
    assert said["trained"] is trained
    assert (said["valid"], said["translation_valid"]) == (True, True)
    assert (said["weights"], said["device"], said["precision"]) == (
        "mine",
        estimator.device,
        "fp32",
    )
    assert said["latency"]["total"] > 0


def test_pose_in_words(images, weights):
    path, trained = weights
    text = run("pose", *images, "--weights", path, "--device", "cpu", "--precision", "fp32")
    assert text.split("\n")[0 if trained else 1].startswith("Camera B is ")
    assert ("UNTRAINED" in text) is not trained
    for row in ("rotation", "direction", "cycle errors", "latency", "mine, cpu, fp32"):
        assert row in text


def test_pose_claims_no_direction_between_equal_images(images):
    text = run("pose", images[0], images[0])
    assert "Camera B stands in an unknown direction from A" in text
    assert "direction     unknown" in text
    assert "both images are the same" in text


def test_pose_draws(images, tmp_path):
    run("pose", *images, "-K", "300,300,160,120", "--plot", tmp_path / "pose.png")
    assert read_image(tmp_path / "pose.png").std() > 10


def test_pose_takes_intrinsics_once_or_twice(images):
    def T_1_2(*arguments):
        return json.loads(run("pose", *images, "--json", *arguments))["T_1_2"]

    once = T_1_2("-K", "300,300,150,125")
    assert once == T_1_2("-K", "300,300,150,125", "-K", "300,300,150,125")
    assert once != T_1_2("-K", "300,300,150,125", "-K", "300,300,170,125")
    assert once != T_1_2()


def test_identical_images_are_noted(images):
    assert "note: both images are the same" in run("pose", images[0], images[0])


def test_info_tells_what_the_file_says(weights):
    path, trained = weights
    text = run("info", path)
    for fact in (
        "mine",
        "tiny",
        "4.5 million",
        "256 pixels",
        "CC0-1.0",
        "float16",
        'steps: ["pose", "gcr"]',
        'rotation: {"bias": 0.05, "slope": 1.0}',
    ):
        assert fact in text
    assert f"{path.stat().st_size / 1e6:.1f} MB" in text
    assert ("UNTRAINED" in text) is not trained


def test_info_tells_what_an_export_is(exported):
    text = " ".join(run("info", exported).split())
    for fact in ("small", "CC0-1.0", "6 graphs for backend `onnx`", "of 64x48, 64x32"):
        assert fact in text


def test_fetch_names_no_licence_of_what_is_no_name():
    result = CliRunner().invoke(app, ["fetch", "tiny"])
    assert result.output == ""
    assert isinstance(result.exception, WeightsError)


def test_convert_keeps_numbers_and_knowledge(weights, tmp_path):
    path, trained = weights
    text = run("convert", path, tmp_path / "half.safetensors", "--dtype", "bfloat16")
    assert "bfloat16" in text
    assert "CC0-1.0" in text
    before, about = load_weights(path)
    after, about_after = load_weights(tmp_path / "half.safetensors")
    assert (about_after.name, about_after.trained) == ("mine", trained)
    assert (about.dtype, about_after.dtype) == ("float16", "bfloat16")
    for name, tensor in before.state_dict().items():
        assert torch.allclose(tensor, after.state_dict()[name], rtol=2**-8, atol=1e-6), name


def test_convert_reads_a_checkpoint_of_torch(tmp_path):
    network = GeLoc3r(ModelConfig.tiny())
    torch.save({"model": network.state_dict()}, tmp_path / "old.pth")
    run("convert", tmp_path / "old.pth", tmp_path / "new.safetensors")
    converted, about = load_weights(tmp_path / "new.safetensors")
    assert about.dtype == "float32"
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, converted.state_dict()[name]), name


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["pose", "{a}", "missing.png"], ImageError, "missing.png: there is no such file"),
        (["pose", "{a}", "{a}", "--device", "cuda:77"], DeviceError, "cuda:77"),
        (["pose", "{a}", "{a}", "--weights", "nothing"], WeightsError, "no weights 'nothing'"),
        (["pose", "{a}", "{a}", "--plot", "no/folder.png"], ImageError, "cannot be written"),
        (["pose", "{a}", "{a}", "--plot", "pose.docx"], ImageError, "cannot be written.*docx"),
        (["pose", "{a}", "{a}", "-K", "1e308,1e308,320,240"], ImageError, "beyond 1e"),
        (["export", "tiny", "{a}.onnx", "--camera", "0x0"], ImageError, "0x0 has no pixels"),
        (["info", "{a}"], WeightsError, "a.png"),
        (["convert", "tiny", "out.pth"], WeightsError, "safetensors"),
        (["convert", "tiny", "no/folder.safetensors"], WeightsError, "cannot be written"),
    ],
)
def test_errors_are_of_the_family(images, arguments, error, message):
    with pytest.raises(error, match=message):
        run(*(argument.format(a=images[0]) for argument in arguments))


@pytest.mark.parametrize("intrinsics", [["1,2,3"], ["a,b,c,d"], ["1,1,1,1"] * 3])
def test_a_wrong_use_ends_with_2_and_the_usage(images, intrinsics):
    options = [part for text in intrinsics for part in ("-K", text)]
    result = CliRunner().invoke(app, ["pose", *map(str, images), *options])
    assert result.exit_code == 2
    assert "Usage" in result.output


def test_a_user_error_ends_with_1_and_one_line(tmp_path):
    process = run_process("", "pose", "a.jpg", "b.jpg", cwd=tmp_path)
    assert process.returncode == 1
    assert process.stdout == ""
    assert process.stderr == "error: a.jpg: there is no such file\n"


def test_a_file_that_cannot_be_written_ends_with_its_name(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(SystemExit, match=r"error: .*report\.html cannot be read or written: Is a"):
        run_application((tmp_path / "report.html").read_text)


def test_replay_without_ros_says_how_to_get_it(tmp_path):
    process = run_process("import sys; sys.modules['rclpy'] = None", "replay", "x", cwd=tmp_path)
    assert process.returncode == 1
    assert process.stderr.startswith("error: replay needs ROS 2")
    assert "no module 'rclpy" in process.stderr
    assert "make setup" in process.stderr


@pytest.mark.parametrize("command", [("replay", "x"), ("record", "x", "/a")])
def test_what_needs_ros_says_that_no_environment_was_entered(tmp_path, command):
    process = run_process(
        "import os; os.environ.pop('AMENT_PREFIX_PATH', 0)", *command, cwd=tmp_path
    )
    assert process.returncode == 1
    assert "needs ROS 2, and AMENT_PREFIX_PATH is empty" in process.stderr
    assert "Traceback" not in process.stderr


def test_help_does_not_wait_for_torch(tmp_path):
    watch = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules))"
    for arguments in (["--help"], ["pose", "--help"], ["replay", "--help"], ["--version"]):
        process = run_process(watch, *arguments, cwd=tmp_path)
        assert process.returncode == 0
        assert process.stdout.endswith("False\n")


@pytest.mark.parametrize(
    "command", ["pose", "stream", "bench", "replay", "info", "convert", "fetch", "export", "check"]
)
def test_help_teaches_by_example(command):
    assert f"geloc3r {command} " in run(command, "--help")
