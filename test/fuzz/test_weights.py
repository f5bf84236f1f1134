# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights files of any content: loaded, or refused in words; code in them is never run."""

import functools
import io
import json

import torch
from helpers.damage import FEWER, altered, damaged, refused_in_words, scratch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import load, save

from geloc3r_ros.inference.exported import DESCRIPTION, ExportedNetwork
from geloc3r_ros.inference.pose import Calibration
from geloc3r_ros.model import GeLoc3r, ModelConfig, WeightsInfo, load_weights, read_info
from geloc3r_ros.model.weights import save_weights

SMALL = {
    "image_size": 32,
    "patch_size": 8,
    "encoder_dim": 16,
    "encoder_depth": 1,
    "encoder_heads": 2,
    "decoder_dim": 16,
    "decoder_depth": 1,
    "decoder_heads": 2,
    "head_dim": 8,
}


@functools.cache
def good():
    """The bytes of a file of weights."""
    config = ModelConfig(**{**vars(ModelConfig.large()), **SMALL})
    calibration = {part: {"bias": 0.1, "slope": 1.0} for part in ("rotation", "translation")}
    info = WeightsInfo(
        name="good", config=config, trained=True, licence="Apache-2.0", calibration=calibration
    )
    path = scratch("good weights") / "good.safetensors"
    save_weights(path, GeLoc3r(config), info)
    return path.read_bytes()


def header():
    """The JSON at the start of a safetensors file: a length, JSON of that length, tensors."""
    return json.loads(good()[8 : 8 + int.from_bytes(good()[:8], "little")])


def about():
    """What the file says about itself."""
    return json.loads(header()["__metadata__"]["geloc3r"])


def with_header(changed):
    text = json.dumps(changed).encode()
    tensors = good()[8 + int.from_bytes(good()[:8], "little") :]
    return len(text).to_bytes(8, "little") + text + tensors


def with_about(text):
    return with_header({**header(), "__metadata__": {"geloc3r": text}})


def with_value(key, value):
    return with_about(json.dumps({**about(), key: value}))


def with_dimension(key, value):
    return with_value("config", {**about()["config"], key: value})


def of_type(dtype):
    """The same tensors in another type."""
    tensors = {name: x.to(dtype) for name, x in load(good()).items()}
    return save(tensors, header()["__metadata__"])


def check(suffix, content):
    """Whatever the file is: refused in words, or usable in every respect."""
    path = scratch("weights") / f"any{suffix}"
    path.write_bytes(content)
    with refused_in_words():
        info = read_info(path)
        assert isinstance(info.name, str)
        assert info.trained in (True, False)
        Calibration.of_weights(info.calibration, info.trained)
    with refused_in_words():
        network, info = load_weights(path)
        assert all(parameter.isfinite().all() for parameter in network.parameters())


@FEWER
@given(st.deferred(lambda: damaged(good(), good()[:2000])))
@example(with_dimension("encoder_depth", 10**9))
@example(with_dimension("encoder_dim", 2**62))
@example(with_dimension("image_size", 2**40))
@example(with_value("name", 5))
@example(with_value("name", "\x1b[2J"))
@example(with_value("trained", "no"))
@example(with_value("licence", None))
@example(with_value("recipe", [1]))
@example(with_value("calibration", {"rotation": {"bias": 10**400}}))
@example(with_about("[" * 5000))
@example(of_type(torch.float8_e4m3fn))
@example(of_type(torch.int8))
@example(of_type(torch.bool))
def test_a_safetensors_file(content):
    check(".safetensors", content)


@FEWER
@given(st.deferred(lambda: altered(header())))
def test_a_header_with_other_tensors(changed):
    check(".safetensors", with_header(changed))


@FEWER
@given(st.deferred(lambda: altered(about()).map(json.dumps)))
def test_what_a_file_says_about_itself(text):
    check(".safetensors", with_about(text))


@functools.cache
def exported():
    """The description of an export whose one graph is no graph."""
    folder = scratch("export")
    (folder / "encoder_32x32.onnx").write_bytes(b"graph")
    good()
    info = read_info(scratch("good weights") / "good.safetensors")
    inputs = {"encoder_32x32.onnx": {"pixels": ["batch", 32, 32, 3]}}
    ExportedNetwork.describe(folder, info, ((32, 32),), inputs, {"onnx": "1"})
    return json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))


@FEWER
@given(st.deferred(lambda: altered(exported())))
@example({**exported(), "hashes": []})
@example({**exported(), "hashes": {"../../etc/passwd": "0"}})
@example({**exported(), "inputs": {"/etc/passwd": {}}})
@example({**exported(), "info": {**exported()["info"], "trained": "no"}})
def test_the_description_of_an_export(description):
    folder = scratch("export")
    (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    with refused_in_words():
        network = ExportedNetwork.read(folder)
        assert set(network.inputs) <= {"encoder_32x32.onnx"}
        assert network.info.trained in (True, False)


def checkpoint(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@FEWER
@given(st.deferred(lambda: damaged(checkpoint(load(good())))))
@example(checkpoint({0: torch.zeros(1), "a": torch.zeros(1)}))
@example(checkpoint({k: x.to_sparse() for k, x in load(good()).items()}))
@example(checkpoint({k: x.to(torch.complex64) for k, x in load(good()).items()}))
def test_a_checkpoint(content):
    check(".pth", content)
