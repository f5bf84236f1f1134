# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a folder of graphs says about itself, and how a damaged one is found out."""

import json
import shutil

import pytest

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.inference.exported import DESCRIPTION, ExportedNetwork
from geloc3r_ros.model import read_info


@pytest.fixture
def folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def test_it_says_what_the_weights_say(exported, small_weights):
    network = ExportedNetwork.read(exported)
    assert network.info == read_info(small_weights)
    assert network.info.trained
    assert network.sizes == ((64, 48), (64, 32))
    assert network.inputs["encoder_64x48.onnx"] == {"pixels": ["batch", 48, 64, 3]}
    assert network.inputs["decoder_64x48_64x32.onnx"]["tokens2"] == ["batch", 8, 32]
    assert {"torch", "onnx", "onnxruntime", "geloc3r_ros"} <= network.made_with.keys()


def test_the_hash_is_of_the_graphs(exported, folder):
    original, copy = ExportedNetwork.read(exported), ExportedNetwork.read(folder)
    assert original.hash == copy.hash
    graph = folder / "encoder_64x48.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    changed = copy.describe(folder, copy.info, copy.sizes, copy.inputs, copy.made_with)
    assert changed.hash != original.hash


def test_a_changed_graph_is_found(folder):
    graph = folder / "decoder_64x48_64x48.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(WeightsError, match=r"decoder_64x48_64x48\.onnx is missing or not what"):
        ExportedNetwork.read(folder)


def test_a_missing_graph_is_found(folder):
    (folder / "encoder_64x32.onnx").unlink()
    with pytest.raises(WeightsError, match=r"encoder_64x32\.onnx is missing"):
        ExportedNetwork.read(folder)


def test_another_folder_is_none(tmp_path):
    with pytest.raises(WeightsError, match=r"is no exported network.*geloc3r export"):
        ExportedNetwork.read(tmp_path)


@pytest.mark.parametrize("change", ["not json", "[]", "{}"])
def test_a_description_that_is_none_is_refused(folder, change):
    (folder / DESCRIPTION).write_text(change)
    with pytest.raises(WeightsError, match=r"does not understand.*export again"):
        ExportedNetwork.read(folder)


def test_a_description_of_another_version_is_refused(folder):
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"novelty": 1}))
    with pytest.raises(WeightsError, match="novelty"):
        ExportedNetwork.read(folder)
