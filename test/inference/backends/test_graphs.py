# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of what a GPU does; most tests need one."""

import numpy as np
import pytest
import torch

from geloc3r_ros.inference.backends import graphs
from geloc3r_ros.inference.backends.graphs import Recordings
from geloc3r_ros.inference.backends.torch import TorchBackend
from geloc3r_ros.model import GeLoc3r, ModelConfig, read_info

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CONFIGS = {
    "matching": read_info("tiny").config,
    "reloc3r": ModelConfig(
        variant="small", image_size=96, crop="grid", patch_size=16,
        encoder_dim=64, encoder_depth=1, encoder_heads=2,
        decoder_dim=64, decoder_depth=1, decoder_heads=2, head_dim=32,
    ),
}  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_network_takes_nothing_from_the_host(config, monkeypatch):
    network = GeLoc3r(config).eval()
    images, focal = torch.zeros(2, 3, 64, 96), torch.full((2,), 80.0)

    @torch.inference_mode()
    def run():
        both = network.encode(images, focal)
        return network.decode(both.of(slice(1)), both.of(slice(1, 2)))

    expected = run()  # what is kept is made

    def refuse(*_, **__):
        raise AssertionError("a number comes from the host")

    for owner, name in ((torch, "tensor"), (torch, "as_tensor"), (torch.Tensor, "new_tensor"),
                        (torch.Tensor, "item"), (torch.Tensor, "tolist")):  # fmt: skip
        monkeypatch.setattr(owner, name, refuse)
    for found, e in zip(run(), expected, strict=True):
        assert torch.equal(found, e)


def views(backend, shapes):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    return backend.encode(images, [200.0] * len(images))


@on_gpu
@pytest.mark.parametrize("shapes", [[(192, 256)] * 3, [(192, 256), (256, 192)]])
def test_poses_are_those_without_a_recording(shapes):
    backend, plain = TorchBackend("tiny", "cuda"), TorchBackend("tiny", "cuda")
    plain._recordings = None
    for _ in range(3):
        encoded, expected = views(backend, shapes), views(plain, shapes)
        for a, b in zip(
            backend.decode(encoded[0], encoded[1:]),
            plain.decode(expected[0], expected[1:]),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-4)
    assert all(backend._recordings._graphs.values())


def test_what_does_not_fit_beside_a_recording_runs_as_it_stands(monkeypatch, caplog):
    def too_large(compute, inputs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(graphs, "_Graph", too_large)
    recordings = Recordings()
    for scale in (1.0, 5.0):
        (found,) = recordings.run("double", lambda x: (2 * x,), scale * torch.ones(3))
        assert found.tolist() == [2 * scale] * 3
    assert caplog.text.count("no CUDA graph") == 1


@on_gpu
def test_results_are_the_callers_to_keep():
    recordings, x = Recordings(), torch.ones(3, device="cuda")
    (first,) = recordings.run("double", lambda x: (2 * x,), x)
    (second,) = recordings.run("double", lambda x: (2 * x,), 5 * x)
    assert first.tolist() == [2.0] * 3
    assert second.tolist() == [10.0] * 3


@on_gpu
def test_what_asks_for_a_value_runs_as_it_stands(caplog):
    recordings, x = Recordings(), torch.ones(3, device="cuda")
    for scale in (1.0, 5.0):
        (found,) = recordings.run("sum", lambda x: (x / x.sum().item(),), scale * x)
        assert found.tolist() == pytest.approx([1 / 3] * 3)
    assert caplog.text.count("no CUDA graph") == 1


@on_gpu
def test_beyond_the_most_it_runs_as_it_stands():
    recordings = Recordings()
    for n in range(graphs.MOST + 2):
        (found,) = recordings.run("double", lambda x: (2 * x,), torch.ones(n + 1, device="cuda"))
        assert found.tolist() == [2.0] * (n + 1)
    assert len(recordings._graphs) == graphs.MOST
