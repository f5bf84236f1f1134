# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An exported network: a folder of ONNX graphs, and the file that says what they are.

An encoder is made for one size of network images, a decoder for one pair of sizes, so that every
shape but that of the batch is known to whoever compiles them. Sizes are (width, height) in pixels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from geloc3r_ros.errors import ConfigError, WeightsError
from geloc3r_ros.model import ModelConfig, WeightsInfo
from geloc3r_ros.model.hub import sha256_of
from geloc3r_ros.model.weights import SHIPPED

__all__ = [
    "BATCH",
    "DESCRIPTION",
    "FOCAL",
    "PIXELS",
    "ExportedNetwork",
    "InputShapes",
    "Size",
    "decoder_name",
    "encoder_name",
    "is_export",
]

Size = tuple[int, int]
InputShapes = dict[str, list[int | str]]

DESCRIPTION = "geloc3r.json"
BATCH = "batch"
"""Name of the first axis of every input and output, the one that may have any length."""
PIXELS = "pixels"
"""The input of an encoder, (batch, height, width, 3) uint8; its outputs are those of a view."""
FOCAL = "focal"
"""With 1 and 2 after it, as those outputs have, what a decoder takes beside them; in pixels."""


def encoder_name(size: Size) -> str:
    """File of the encoder of images of this size."""
    return "encoder_{}x{}.onnx".format(*size)


def decoder_name(size1: Size, size2: Size) -> str:
    """File of the decoder of a view 1 and a view 2 of these sizes."""
    return "decoder_{}x{}_{}x{}.onnx".format(*size1, *size2)


def is_export(weights: str) -> bool:
    """Whether this is a folder of graphs; the name of weights that ship never is."""
    return weights not in SHIPPED and os.path.isfile(os.path.join(weights, DESCRIPTION))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportedNetwork:
    """What a folder of graphs holds.

    Attributes:
        folder: Where it is.
        info: What is known about the weights.
        sizes: Sizes of network images that it has graphs for.
        inputs: Shape of each input by its name, of each graph by its file.
        hashes: SHA-256 of each file but the description.
        made_with: Versions of the packages that wrote it.
    """

    folder: Path
    info: WeightsInfo
    sizes: tuple[Size, ...]
    inputs: dict[str, InputShapes]
    hashes: dict[str, str]
    made_with: dict[str, str]

    @property
    def hash(self) -> str:
        """One SHA-256 over all graphs and weights."""
        return hashlib.sha256(json.dumps(self.hashes, sort_keys=True).encode()).hexdigest()

    @classmethod
    def describe(
        cls,
        folder: Path,
        info: WeightsInfo,
        sizes: tuple[Size, ...],
        inputs: dict[str, InputShapes],
        made_with: dict[str, str],
    ) -> ExportedNetwork:
        """Write the description of a folder whose graphs are complete."""
        hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
        network = cls(
            folder=folder,
            info=info,
            sizes=sizes,
            inputs=inputs,
            hashes=hashes,
            made_with=made_with,
        )
        values = dataclasses.asdict(network)
        del values["folder"]
        (folder / DESCRIPTION).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        return network

    @classmethod
    def read(cls, folder: str | Path) -> ExportedNetwork:
        """Read what a folder holds, and check that every file is as it was written.

        Raises:
            WeightsError: if the folder is no export, or damaged.
        """
        folder = Path(folder)
        path = folder / DESCRIPTION
        if not os.path.isfile(path):  # False too where the name is longer than a path may be
            raise WeightsError(
                f"{folder} is no exported network, it has no {DESCRIPTION}: make one with "
                "`geloc3r export WEIGHTS FOLDER` and name the folder"
            )
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            info = values.pop("info")
            config = ModelConfig.from_dict(info.pop("config"))
            sizes = tuple((int(width), int(height)) for width, height in values.pop("sizes"))
            network = cls(
                folder=folder, info=WeightsInfo(config=config, **info), sizes=sizes, **values
            )
            files = network.hashes.keys()
            if network.inputs.keys() - files or any(Path(name).name != name for name in files):
                raise ValueError("it names files that are not in the folder")
        except (
            AttributeError, ConfigError, KeyError, RecursionError, TypeError, ValueError
        ) as error:  # fmt: skip
            raise WeightsError(
                f"{path} says what this version does not understand: {error}; export again"
            ) from error
        for name, expected in network.hashes.items():
            if not (folder / name).is_file() or sha256_of(folder / name) != expected:
                raise WeightsError(
                    f"{folder / name} is missing or not what was exported: copy the folder again, "
                    "or export again"
                )
        return network
