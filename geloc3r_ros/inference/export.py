# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network as ONNX graphs: encoder and decoder apart, so that a view is encoded once.

The encoder takes pixels as they are, the decoder returns the raw numbers of each side; what poses
these are stays for the host to say. All arithmetic is float32.
"""

from __future__ import annotations

import logging
import platform
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from geloc3r_ros import __version__
from geloc3r_ros.environment import import_extra
from geloc3r_ros.errors import WeightsError
from geloc3r_ros.geometry import Array
from geloc3r_ros.inference.exported import (
    BATCH,
    FOCAL,
    PIXELS,
    ExportedNetwork,
    InputShapes,
    Size,
    decoder_name,
    encoder_name,
)
from geloc3r_ros.inference.preprocess import frame
from geloc3r_ros.model import EncodedView, GeLoc3r, load_weights

__all__ = ["MAX_DIFFERENCE", "export_network"]

OPSET = 20
"""The first that has GELU as one operator; onnxruntime 1.17 and TensorRT 10 know it."""

MAX_DIFFERENCE, MAX_OF_A_SAMPLE = 1e-4, 1e-3
"""Between the outputs of a graph and of torch, relative where they are above 1: of the median over
samples, and of all samples but one, see :func:`_check_differences`."""

SAMPLES = 4
"""Views or pairs in the batch that is traced and compared."""


class _Encoder(nn.Module):
    """Pixels (B, h, w, 3) uint8 to the tensors of encoded views, but for the focal lengths.

    Those the encoder hands on as they are given.
    """

    def __init__(self, network: GeLoc3r) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        tensors = _tensors(self.network.encode_pixels(pixels, torch.ones(pixels.shape[0])))
        del tensors[FOCAL]
        return tuple(tensors.values())


class _Decoder(nn.Module):
    """The tensors of views 1, then of views 2, to the raw numbers of both sides."""

    def __init__(self, network: GeLoc3r, view1: EncodedView, view2: EncodedView) -> None:
        super().__init__()
        self.network = network
        self.grids = view1.grid, view2.grid

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.decode_tensors(self.grids, *tensors)


def export_network(
    weights: str, folder: Path, camera_sizes: Sequence[Size]
) -> tuple[ExportedNetwork, float]:
    """Write the graphs of a network for the images of some cameras, and compare them with torch.

    Args:
        weights: A name or file that :func:`geloc3r_ros.model.load_weights` takes.
        folder: Where to; must not exist.
        camera_sizes: Width and height of the cameras' images, in pixels.

    Returns:
        What was written, and the greatest difference to torch of its graphs: of each graph the
        median over its samples, see :data:`MAX_DIFFERENCE`.

    Raises:
        ConfigError: if a package for the export is missing.
        ImageError: if images of a size cannot be used.
        WeightsError: if the weights cannot be loaded, the folder exists or cannot be written, or
            a graph computes something else than torch.
    """
    onnx, onnxscript, onnxruntime = map(import_extra, ("onnx", "onnxscript", "onnxruntime"))
    if folder.exists():
        raise WeightsError(f"{folder} exists: remove it, or name another folder")
    network, info = load_weights(weights)
    network.eval().requires_grad_(False)
    sizes = tuple(dict.fromkeys(frame(*size, network.config).crop[2:] for size in camera_sizes))
    made_with = {
        "geloc3r_ros": __version__,
        "python": platform.python_version(),
        **{
            module.__name__: module.__version__
            for module in (torch, onnx, onnxscript, onnxruntime)
        },
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as made:
            partial = Path(made) / folder.name
            partial.mkdir()
            inputs, difference = _write_graphs(network, partial, sizes)
            exported = ExportedNetwork.describe(partial, info, sizes, inputs, made_with)
            partial.rename(folder)
    except OSError as error:
        raise WeightsError(f"the export {folder} cannot be written: {error}") from error
    return exported, difference


@torch.no_grad()
def _write_graphs(
    network: GeLoc3r, folder: Path, sizes: Sequence[Size]
) -> tuple[dict[str, InputShapes], float]:
    """Write all graphs; return the shapes of their inputs, and the greatest of the medians."""
    random = torch.Generator().manual_seed(0)
    encoder = _Encoder(network)
    graphs: dict[str, tuple[InputShapes, float]] = {}
    views: dict[Size, tuple[EncodedView, EncodedView]] = {}
    # All views show the same, so that what is compared between them has clear winners.
    shape = SAMPLES, max(height for _, height in sizes), max(width for width, _ in sizes), 3
    scene = torch.randint(256, shape, generator=random, dtype=torch.uint8)
    for size in sizes:
        pixels = scene[:, : size[1], : size[0]].contiguous()
        focal1, focal2 = size[0] * (0.5 + torch.rand(2, SAMPLES, generator=random))
        views[size] = (
            network.encode_pixels(pixels, focal1),
            network.encode_pixels(pixels, focal2),
        )
        name = encoder_name(size)
        outputs = [field for field in _tensors(views[size][0]) if field != FOCAL]
        graphs[name] = _write_graph(encoder, {PIXELS: pixels}, outputs, folder / name)
    for size1 in sizes:
        for size2 in sizes:
            pair = views[size1][0], views[size2][1]
            given = {
                f"{field}{side}": tensor
                for side, view in enumerate(pair, start=1)
                for field, tensor in _tensors(view).items()
            }
            name, decoder = decoder_name(size1, size2), _Decoder(network, *pair)
            graphs[name] = _write_graph(decoder, given, ["raw_2_1", "raw_1_2"], folder / name)
    inputs = {name: shapes for name, (shapes, _) in graphs.items()}
    return inputs, max(difference for _, difference in graphs.values())


def _write_graph(
    module: nn.Module, given: dict[str, Tensor], outputs: list[str], path: Path
) -> tuple[InputShapes, float]:
    """Write one graph; return the shapes of its inputs, and its median difference to torch.

    Raises:
        WeightsError: if the differences are too large, see :func:`_check_differences`.
    """
    arguments, batch = tuple(given.values()), {0: torch.export.Dim("batch")}
    shapes: tuple = (batch,) * len(given)
    if isinstance(module, _Decoder):
        shapes = (shapes,)
    optimizer = import_extra("onnxscript.optimizer")
    # The rotary tables are kept from the first run; while torch traces they would be no tensors.
    module.eval()(*arguments)
    with _quiet():
        traced = torch.export.export(module, arguments, dynamic_shapes=shapes, strict=False)
        program = torch.onnx.export(
            traced,
            input_names=list(given),
            output_names=outputs,
            opset_version=OPSET,
            # Its rules take an addition of 1e-8 for one of nothing.
            optimize=False,
            verbose=False,
        )
        assert program is not None
        optimizer.inline(program.model)
        optimizer.fold_constants(program.model)
        optimizer.remove_unused_nodes(program.model)
        program.save(path)
    session = import_extra("onnxruntime").InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    differences = _differences(session, module, given)
    _check_differences(path.name, differences)
    # The first side of every input is the batch; torch gives it a name of its own.
    return {x.name: [BATCH, *x.shape[1:]] for x in session.get_inputs()}, float(
        np.median(differences)
    )


def _differences(session: Any, module: nn.Module, given: dict[str, Tensor]) -> Array:
    """Greatest difference of a graph to torch by sample, (2, SAMPLES): together, and alone."""
    differences = []
    for rows in (slice(None), *(slice(k, k + 1) for k in range(SAMPLES))):
        part = {name: tensor[rows] for name, tensor in given.items()}
        found = session.run(None, {name: tensor.numpy() for name, tensor in part.items()})
        expected = [tensor.numpy() for tensor in module(*part.values())]
        differences.append(
            np.max(
                [
                    (np.abs(a - b) / np.maximum(1, np.abs(b))).reshape(len(a), -1).max(1)
                    for a, b in zip(found, expected)
                ],
                axis=0,
            )
        )
    return np.concatenate(differences).reshape(2, SAMPLES)


def _check_differences(graph: str, differences: Array) -> None:
    """Check differences (2, SAMPLES): their median, and in each row all but the greatest.

    Samples differ by rounding, some several times as much as others. Where two candidates of a
    match are equal but for rounding, graph and torch may choose either, and the sample differs by
    any amount though both are right. That is rare: one in a row is let pass, two are no chance.
    The rows are judged apart, so that a graph that is wrong in one batch size alone is found.

    Raises:
        WeightsError: if one is too large, or not finite.
    """
    median = np.median(differences)
    second = np.sort(differences, axis=1)[:, -2].max()
    fits = median < MAX_DIFFERENCE and second < MAX_OF_A_SAMPLE
    if not fits or not np.isfinite(differences).all():
        raise WeightsError(
            f"the graph {graph} differs from torch by {median:.1e}, the median over samples, and "
            f"by {differences.max():.1e} at most; the median may be {MAX_DIFFERENCE:.0e}, all "
            f"samples but one {MAX_OF_A_SAMPLE:.0e}: take the versions of pip_ros/constraints.txt"
        )


def _tensors(view: EncodedView) -> dict[str, Tensor]:
    """All tensors of encoded views by name: the fields that lead to them."""
    leaves, _ = pytree.tree_flatten_with_path(view)
    return {
        pytree.keystr(keys).lstrip(".").replace(".", "_"): leaf
        for keys, leaf in leaves
        if isinstance(leaf, Tensor)
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch says on the way about packages that are of no concern."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
