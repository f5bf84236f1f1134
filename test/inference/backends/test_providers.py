# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime is asked for; engines themselves need a GPU."""

import json

import onnxruntime
import pytest

from geloc3r_ros.errors import DeviceError, WeightsError
from geloc3r_ros.inference.backends.providers import Providers, engine_folder, profile
from geloc3r_ros.inference.exported import ExportedNetwork

KEY = {"network": "1f", "onnxruntime": "1.20", "tensorrt": "100300", "gpu": "Orin, CUDA 12060"}
HAS_GPU = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt", "tensorrt:0"])
@pytest.mark.skipif(HAS_GPU, reason="this onnxruntime has a GPU")
def test_a_device_that_this_onnxruntime_lacks_is_named(exported, device):
    with pytest.raises(DeviceError, match=rf"'{device}' needs the .*install an onnxruntime-gpu"):
        Providers(onnxruntime, device, ExportedNetwork.read(exported))


@pytest.mark.skipif(HAS_GPU, reason="this onnxruntime has a GPU")
def test_auto_falls_back_to_the_cpu_and_says_so(exported, caplog):
    caplog.set_level("INFO")
    assert Providers(onnxruntime, "auto", ExportedNetwork.read(exported)).device == "cpu"
    assert "runs on the CPU" in caplog.text


def test_a_graph_that_onnxruntime_refuses_is_named(exported):
    providers = Providers(onnxruntime, "cpu", ExportedNetwork.read(exported))
    with pytest.raises(WeightsError, match=r"cannot load .*geloc3r.json on cpu"):
        providers.load("geloc3r.json", onnxruntime.SessionOptions())


def test_tensorrt_is_told_the_lengths_of_a_batch():
    assert profile({"pixels": ["batch", 48, 64, 3], "focal": ["batch"]}) == {
        "trt_profile_min_shapes": "pixels:1x48x64x3,focal:1",
        "trt_profile_opt_shapes": "pixels:1x48x64x3,focal:1",
        "trt_profile_max_shapes": "pixels:8x48x64x3,focal:8",
    }


def test_engines_are_kept_apart_by_all_that_they_depend_on(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = engine_folder(KEY)
    assert folder == engine_folder(KEY)
    assert folder.is_relative_to(tmp_path)
    assert json.loads((folder / "key.json").read_text()) == KEY
    assert len({folder, *(engine_folder(KEY | {part: "other"}) for part in KEY)}) == 5


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DeviceError, match="set XDG_CACHE_HOME"):
        engine_folder(KEY)
