# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0

import argparse
import dataclasses
import hashlib
import json
import logging
import os

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model import (
    GeLoc3r,
    ModelConfig,
    WeightsInfo,
    hub,
    load_weights,
    read_info,
    save_weights,
)
from geloc3r_ros.model.weights import initialise_from


@pytest.fixture
def info(config):
    return WeightsInfo(
        name="test",
        config=config,
        trained=True,
        licence="Apache-2.0",
        recipe={"steps": 10, "data": ["synthetic"]},
        calibration={"rotation": 1.5},
    )


@pytest.fixture
def saved(tmp_path, model, info):
    path = tmp_path / "small.safetensors"
    save_weights(path, model, info)
    return path


@pytest.fixture(scope="module")
def tiny_state():
    return load_weights("tiny")[0].state_dict()


def rewrite(path, change):
    """Apply ``change`` to the tensors of a file and keep its metadata."""
    tensors = load_file(path)
    change(tensors)
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    save_file(tensors, path, header["__metadata__"])


def test_what_is_saved_comes_back(saved, model, info):
    loaded, loaded_info = load_weights(saved)
    assert loaded_info == read_info(saved) == info
    assert (loaded_info.variant, loaded_info.image_size) == ("small", 32)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_what_ships_looks_at_images_of_two_sizes(tiny_state):
    assert [read_info(name).image_size for name in ("tiny", "tiny-384")] == [256, 384]
    model, info = load_weights("tiny-384")
    assert (info.name, model.config.image_size) == ("tiny-384", 384)
    assert model.state_dict().keys() == tiny_state.keys()
    assert all(torch.equal(x, tiny_state[name]) for name, x in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_leaves_the_pose_head_alone(tmp_path, model, info, dtype):
    save_weights(tmp_path / "half.safetensors", model, info, dtype)
    assert f"torch.{read_info(tmp_path / 'half.safetensors').dtype}" == str(dtype)
    loaded, _ = load_weights(tmp_path / "half.safetensors", dtype=torch.bfloat16)
    assert loaded.enc_norm.weight.dtype == torch.bfloat16
    for name, tensor in loaded.pose_head.state_dict().items():
        assert torch.equal(tensor, model.pose_head.state_dict()[name])


@pytest.mark.parametrize("wrap", [lambda state: {"model": state}, lambda state: state])
def test_a_checkpoint_of_torch(tmp_path, tiny_state, wrap):
    content = wrap(tiny_state)
    if "model" in content:
        content |= {"args": argparse.Namespace(lr=1e-5), "epoch": 3}
    torch.save(content, tmp_path / "mine.pth")
    model, info = load_weights(tmp_path / "mine.pth")
    assert info == read_info(tmp_path / "mine.pth")
    assert (info.name, info.variant, info.trained) == ("mine", "tiny", True)
    assert "not stated" in info.licence
    assert torch.equal(model.enc_norm.weight, tiny_state["enc_norm.weight"])


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("public", "large"),
        ("reloc3r-224", "large-224"),
        ("reloc3r-224/model", "large-224"),
        ("snapshots/00224/model", "large"),
    ],
)
def test_the_large_variants_are_told_apart_by_name(tmp_path, name, variant):
    path = tmp_path / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.device("meta"):
        shapes = {name: x.shape for name, x in GeLoc3r(ModelConfig.large()).state_dict().items()}
    write_header(path, shapes)
    assert read_info(path).variant == variant


def write_header(path, shapes):
    """Write a safetensors file of the right size whose tensors are a hole in the file."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * shape.numel()
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """The folder of a repository in an empty cache, with room for one commit."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--siyan824--reloc3r-224"
    (repository / "snapshots" / COMMIT).mkdir(parents=True)
    return repository


@pytest.mark.parametrize("revision", ["", f"@{COMMIT}"])
def test_hub_weights_come_from_the_local_cache_alone(hub_cache, revision):
    if not revision:  # the hub's library notes the commit of a branch, and of nothing else
        (hub_cache / "refs").mkdir()
        (hub_cache / "refs" / "main").write_text(COMMIT)
    with torch.device("meta"):
        shapes = {n: x.shape for n, x in GeLoc3r(ModelConfig.large_224()).state_dict().items()}
    write_header(hub_cache / "snapshots" / COMMIT / "model.safetensors", shapes)
    info = read_info(f"siyan824/reloc3r-224{revision}")
    assert info.name == "siyan824/reloc3r-224@0123456789ab"
    assert (info.variant, info.licence) == ("large-224", "CC-BY-NC-SA-4.0")
    for other in ("siyan824/reloc3r-512", f"siyan824/reloc3r-224@{COMMIT[::-1]}"):
        with pytest.raises(WeightsError, match=f"run `geloc3r fetch {other}` once"):
            load_weights(other)


def test_a_fetch_that_fails_names_the_repository(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"of siyan824/reloc3r-512@v1 could not be fetched"):
        hub.fetch("siyan824/reloc3r-512@v1")


def test_what_the_hub_delivers_is_what_it_states(hub_cache, monkeypatch):
    """In the cache of the hub's library a link leads to a file that is named by its SHA-256."""
    link = hub_cache / "snapshots" / COMMIT / "model.safetensors"
    blob = hub_cache / "blobs" / hashlib.sha256(b"weights").hexdigest()
    blob.parent.mkdir()
    blob.write_bytes(b"weights")
    link.symlink_to(blob)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # it falls back to its cache
    assert hub.fetch(f"siyan824/reloc3r-224@{COMMIT}") == link
    blob.write_bytes(b"Weights")
    with pytest.raises(WeightsError, match=f"the hub states {blob.name}: remove {blob} and fetch"):
        hub.fetch(f"siyan824/reloc3r-224@{COMMIT}")


@pytest.mark.parametrize(
    "name", ["../../etc", "/etc/passwd", "a/..", "a/b/c", "a/b@../c", "a/b@", "ä/b", "a/b\n", "a"]
)
def test_what_is_no_name_of_the_hub(name):
    assert not hub.is_hub_name(name)
    with pytest.raises(WeightsError, match="is not owner/repository"):
        hub.fetch(name)


@pytest.mark.parametrize("with_head", [False, True])
def test_initialisation_from_a_checkpoint_with_more_and_less(
    tmp_path, model, config, caplog, with_head
):
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if with_head or not name.startswith("pose_head.")
    }
    state |= {
        "dec_blocks2.0.norm1.weight": torch.ones(48),
        "downstream_head1.dpt.act_postprocess.0.0.weight": torch.ones(2),
        "mask_token": torch.zeros(1, 1, 48),
    }
    torch.save({"model": state}, tmp_path / "dust3r.pth")
    fresh = GeLoc3r(config)
    head = fresh.pose_head.fc_t.weight.clone()
    with caplog.at_level(logging.INFO):
        initialise_from(fresh, tmp_path / "dust3r.pth")
    assert "dec_blocks2.0, downstream_head1.dpt, mask_token" in caplog.text
    assert ("pose_head.fc_t" in caplog.text) != with_head
    assert torch.equal(fresh.dec_blocks[1].mlp.fc1.weight, model.dec_blocks[1].mlp.fc1.weight)
    expected = model.pose_head.fc_t.weight if with_head else head
    assert torch.equal(fresh.pose_head.fc_t.weight, expected)
    if not with_head:
        with pytest.raises(WeightsError, match="of another network"):
            load_weights(tmp_path / "dust3r.pth")


def test_initialisation_needs_the_same_dimensions(saved):
    with pytest.raises(WeightsError, match="not of the network tiny: "):
        initialise_from(GeLoc3r(ModelConfig.tiny()), saved)


def test_weights_without_a_pose_head_estimate_nothing(saved):
    rewrite(saved, lambda x: [x.pop(name) for name in list(x) if name.startswith("pose_head.")])
    with pytest.raises(WeightsError, match="no pose head, as those of DUSt3R and MASt3R: they ca"):
        load_weights(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop("enc_norm.bias"), "network small: enc_norm.bias is missing. Take a file"),
        (lambda x: x.pop("pose_head.fc_t.bias"), "pose_head.fc_t.bias is missing. Take a file of"),
        (lambda x: x.update(extra=torch.ones(1)), "network small: extra is unknown"),
        (
            lambda x: x.update({"enc_norm.bias": torch.ones(3)}),
            r"enc_norm.bias is \(3,\) and must be \(64,\)",
        ),
        (lambda x: x.clear(), "attn.proj.bias is missing; .* and 99 more"),
    ],
)
def test_other_names_and_shapes_are_listed(saved, change, message):
    rewrite(saved, change)
    for read in (load_weights, read_info):
        with pytest.raises(WeightsError, match=message):
            read(saved)


def test_weights_that_are_not_finite_are_refused(saved, model, info, tmp_path):
    rewrite(saved, lambda x: x["enc_norm.bias"].fill_(torch.nan))
    with pytest.raises(WeightsError, match=r"enc_norm.bias holds 64 values that are NaN"):
        load_weights(saved)
    torch.nn.init.constant_(model.enc_norm.weight, 1e6)
    with pytest.raises(WeightsError, match=r"enc_norm.weight holds 64 .* beyond the range"):
        save_weights(tmp_path / "half.safetensors", model, info, torch.float16)
    assert not (tmp_path / "half.safetensors").exists()


def test_foreign_dimensions_are_refused(tmp_path):
    save_file({"patch_embed.proj.weight": torch.ones(8, 3, 2, 2)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"another network: .* is \(8, 3, 2, 2\)") as caught:
        read_info(tmp_path / "x.safetensors")
    tiny = GeLoc3r(ModelConfig.tiny()).state_dict()["patch_embed.proj.weight"]
    assert f"(1024, 3, 16, 16) in large and {tuple(tiny.shape)} in tiny" in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("keep", [0, 5, 0.5])
def test_a_truncated_file_is_named(tmp_path, saved, model, suffix, keep):
    path = saved if suffix == ".safetensors" else tmp_path / "small.pth"
    if suffix == ".pth":
        torch.save({"model": model.state_dict()}, path)
    size = path.stat().st_size
    length = int(keep * size) if keep < 1 else keep
    os.truncate(path, length)
    for read in (load_weights, read_info):
        with pytest.raises(WeightsError, match=rf"{path.name} \({length} bytes\) are damaged"):
            read(path)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malicious()}, "evil.pth")
    for read in (load_weights, read_info):
        with pytest.raises(WeightsError, match="could run code"):
            read("evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {"model": {"a": 1}}])
def test_a_checkpoint_without_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="hold no dictionary of tensors"):
        load_weights(tmp_path / "x.pth")


def test_metadata_of_another_version_is_refused(saved, info):
    values = dataclasses.asdict(info) | {"colour": "blue"}
    del values["dtype"]
    save_file(load_file(saved), saved, {"geloc3r": json.dumps(values)})
    with pytest.raises(WeightsError, match=r"does not understand: .*colour.*; update geloc3r_ros"):
        read_info(saved)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("huge", "there are no weights 'huge'; give tiny, tiny-384, a hub repository"),
        ("a" * 5000, "there are no weights 'aaaa"),
        ("folder/absent.pth", "there are no weights 'folder/absent.pth'"),
        ("folder/absent.safetensors", "there are no weights 'folder/absent.safetensors'"),
        (".", r"weights \. are no file but a folder: name a .safetensors or .pth file"),
        ("runs/mistyped", "run `geloc3r fetch runs/mistyped` once; a file of that name does not"),
        (__file__, "end in '.py'; files that can be read end in"),
    ],
)
def test_a_name_that_leads_nowhere(name, message):
    with pytest.raises(WeightsError, match=message):
        load_weights(name)


def test_only_safetensors_are_written(tmp_path, model, info):
    with pytest.raises(WeightsError, match=r"saved as .safetensors, not as 'x.pth'"):
        save_weights(tmp_path / "x.pth", model, info)
