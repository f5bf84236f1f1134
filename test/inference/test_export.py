# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs against torch, in onnxruntime."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from geloc3r_ros.errors import ConfigError, ImageError, WeightsError
from geloc3r_ros.inference import export
from geloc3r_ros.inference.backends.onnx import OnnxBackend
from geloc3r_ros.inference.export import export_network
from geloc3r_ros.inference.exported import decoder_name, encoder_name
from geloc3r_ros.model import EncodedView, load_weights

SIZES = [(64, 48), (64, 32)]


@pytest.fixture(scope="module")
def network(small_weights):
    return load_weights(small_weights)[0].eval()


def run(path, **given):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = session.run(None, given)
    return dict(zip((output.name for output in session.get_outputs()), outputs, strict=True))


def close(found, expected):
    return found == pytest.approx(expected.detach().numpy(), abs=1e-5)


@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("size", SIZES)
def test_the_encoder_takes_any_batch_of_pixels(network, exported, size, batch):
    pixels = np.random.default_rng(0).integers(0, 256, (batch, *size[::-1], 3), np.uint8)
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 * 2 - 1
    found = run(exported / encoder_name(size), pixels=pixels)
    assert close(found["tokens"], network.encode(image).tokens)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size1", SIZES)
@pytest.mark.parametrize("size2", SIZES)
def test_the_decoder_returns_the_raw_numbers(network, exported, size1, size2, batch):
    views, given = [], {}
    for side, (width, height) in enumerate((size1, size2), start=1):
        grid, focal = (height // 16, width // 16), torch.full((batch,), 50.0)
        tokens = torch.randn(batch, grid[0] * grid[1], 32)
        views.append(EncodedView(tokens, grid, focal))
        given |= {f"tokens{side}": tokens.numpy(), f"focal{side}": focal.numpy()}
    found = run(exported / decoder_name(size1, size2), **given)
    for name, expected in zip(("raw_2_1", "raw_1_2"), network.decode(*views), strict=True):
        assert found[name].shape == (batch, 12)
        assert close(found[name], expected)


def test_the_arithmetic_is_float32(exported):
    for path in exported.glob("*.onnx"):
        graph = onnx.load(path).graph
        onnx.checker.check_model(path)
        types = {tensor.data_type for tensor in graph.initializer}
        assert not types & {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
        norms = [node for node in graph.node if node.op_type == "LayerNormalization"]
        assert norms
        accumulators = {a.i for node in norms for a in node.attribute if a.name == "stash_type"}
        assert accumulators <= {onnx.TensorProto.FLOAT}


class Doubled(torch.nn.Module):
    """What the graph should compute."""

    def forward(self, x):
        return (2 * x,)


class Session:
    """A graph that doubles, with an error by the sample; ``alone`` where there is one only."""

    def __init__(self, together, alone):
        self.together, self.alone = together, alone

    def run(self, _, given):
        x = given["x"]
        errors = self.together if len(x) > 1 else [self.alone[int(x[0, 0])]]
        return [2 * x + np.float32(errors)[:, None]]


@pytest.mark.parametrize(
    ("together", "alone", "fits"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0], True),
        ([0, 100, 0, 0], [0, 100, 0, 0], True),
        ([0, 100, 0, 0], [0, 0, 100, 0], True),
        ([5e-5, 5e-4, 5e-4, 0], [5e-5, 5e-5, 0, 0], True),
        ([5e-4, 5e-4, 5e-4, 0], [5e-4, 5e-4, 0, 0], False),
        ([0, 100, 100, 0], [0, 0, 0, 0], False),
        ([0, 0, 0, 0], [1, 1, 0, 0], False),
        ([0, 0, 0, 0], [1, 1, 1, 1], False),
        ([0, np.inf, 0, 0], [0, 0, 0, 0], False),
        ([0, np.nan, 0, 0], [0, 0, 0, 0], False),
    ],
)
def test_one_sample_may_differ_and_no_more(together, alone, fits):
    x = torch.arange(4.0)[:, None].repeat(1, 3)
    differences = export._differences(Session(together, alone), Doubled(), {"x": x})
    assert differences.shape == (2, 4)
    if fits:
        export._check_differences("g.onnx", differences)
    else:
        with pytest.raises(WeightsError, match=r"the graph g\.onnx differs from torch by"):
            export._check_differences("g.onnx", differences)


@pytest.mark.slow
@pytest.mark.timeout(900)  # its head is a thousand small layers, which torch traces one by one
def test_the_network_that_ships_is_exported(tmp_path):
    _, difference = export_network("tiny", tmp_path / "tiny", [(640, 480)])
    assert difference < 1e-4
    backend = OnnxBackend(str(tmp_path / "tiny"), "cpu")
    assert backend.sets_at_once == min(torch.get_num_threads(), 2)


def test_a_folder_that_exists_is_left_alone(small_weights, tmp_path):
    with pytest.raises(WeightsError, match="exists: remove it"):
        export_network(str(small_weights), tmp_path, [(640, 480)])


def test_a_thin_image_is_refused_and_nothing_is_left(small_weights, tmp_path):
    with pytest.raises(ImageError, match="thinner than one patch"):
        export_network(str(small_weights), tmp_path / "new", [(6400, 64)])
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_extra(small_weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"'onnxscript'.*the extra `onnx`"):
        export_network(str(small_weights), tmp_path / "new", [(640, 480)])
