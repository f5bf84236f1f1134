# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights: found by name, checked, loaded, saved, and what is known about them.

A name is ``tiny`` or ``tiny-384`` (ship with the package), a hub repository
(``siyan824/reloc3r-512``, brought by ``geloc3r fetch``) or a file: ``.safetensors``, or ``.pth``
with the weights under ``model``.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from geloc3r_ros.errors import ConfigError, WeightsError
from geloc3r_ros.model import hub
from geloc3r_ros.model.config import ModelConfig
from geloc3r_ros.model.network import GeLoc3r
from geloc3r_ros.model.tensor_files import SUFFIXES, read_header, read_tensors

__all__ = [
    "WeightsInfo",
    "initialise_from",
    "load_weights",
    "locate_weights",
    "read_info",
    "save_weights",
]

SHIPPED = {"tiny": 256, "tiny-384": 384}
"""What ships, one file, with the longer side of the images it looks at."""
SHIPPED_FILE = Path(__file__).parents[1] / "weights" / "tiny.safetensors"
METADATA_KEY = "geloc3r"
POSE_HEAD = "pose_head."
EMBEDDING = "patch_embed.proj.weight"
TRUNK = ("patch_embed.proj", "enc_", "dec_", "decoder_embed")
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
MOST_BLOCKS, LARGEST_DIMENSION = 100, 2**14
"""A file that says it has more is damaged; to build what it says would take for ever."""

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WeightsInfo:
    """What is known about weights; saved with them.

    Attributes:
        name: What to call them in reports, with the commit where they came from a hub.
        config: Dimensions and input of the network they belong to.
        trained: False for a random initialisation.
        licence: SPDX identifier, or a sentence where none is known.
        recipe: How they were trained: the resolved training configuration and its results.
        calibration: What turns network outputs into uncertainties, as the estimator reads it.
        dtype: Precision of the tensors in the file, the pose head apart, such as ``float16``.

    Raises:
        ValueError: if a value is of another type or not plausible; it may come from any file.
    """

    name: str
    config: ModelConfig
    trained: bool
    licence: str
    recipe: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        texts = self.name, self.licence, self.variant
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise ValueError("name, licence or variant is no printable text")
        if not isinstance(self.trained, bool):
            raise ValueError(f"trained is {self.trained!r}; it must be true or false")
        if not all(isinstance(x, dict | None) for x in (self.recipe, self.calibration)):
            raise ValueError("recipe or calibration is no mapping")
        for name, value in dataclasses.asdict(self.config).items():
            most = MOST_BLOCKS if name.endswith("depth") else LARGEST_DIMENSION
            if isinstance(value, int) and value > most:
                raise ValueError(f"{name} is {value}; at most {most} is plausible")

    @property
    def variant(self) -> str:
        """Name of the dimensions, such as ``large``."""
        return self.config.variant

    @property
    def image_size(self) -> int:
        """Side of the input in pixels, see ``ModelConfig``."""
        return self.config.image_size


def read_info(name: str | Path) -> WeightsInfo:
    """Tell what weights are, without loading their tensors.

    Args:
        name: ``tiny``, ``tiny-384``, a hub repository, or a file.

    Raises:
        WeightsError: if there are none of that name, or the file is damaged or of another network.
    """
    path = locate_weights(name)
    tensors, metadata = read_header(path)
    info = _info(name, path, tensors, metadata)
    _check_shapes(path, tensors, info.config)
    return info


def load_weights(
    name: str | Path,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> tuple[GeLoc3r, WeightsInfo]:
    """Build the network that weights belong to, and load them.

    Args:
        name: ``tiny``, ``tiny-384``, a hub repository, or a file.
        dtype: Precision of all but the pose head, which is always float32.
        device: Where the network goes.

    Raises:
        WeightsError: if there are none of that name, or the file is damaged or of another network.
    """
    path = locate_weights(name)
    tensors, metadata = read_tensors(path, device)
    info = _info(name, path, tensors, metadata)
    _check_shapes(path, tensors, info.config)
    _check_finite(path, tensors)
    model = _on_meta(info.config)
    model.load_state_dict(_in_precision(tensors, dtype), assign=True)
    return model, info


def save_weights(
    path: str | Path, model: GeLoc3r, info: WeightsInfo, dtype: torch.dtype = torch.float32
) -> None:
    """Save a network as safetensors, with all that is known about it in the header.

    Args:
        path: Where to; ends in ``.safetensors``.
        model: The network.
        info: What to say about it; ``config`` and ``dtype`` are those of the file written.
        dtype: float32, float16 or bfloat16; the pose head is saved in float32 in any case.

    Raises:
        WeightsError: if a weight is not finite, or not within the range of ``dtype``, or the
            file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise WeightsError(f"weights are saved as .safetensors, not as {path.name!r}")
    tensors = {
        name: tensor.contiguous()
        for name, tensor in _in_precision(model.state_dict(), dtype).items()
    }
    _check_finite(path, tensors)
    metadata = dataclasses.asdict(dataclasses.replace(info, config=model.config))
    del metadata["dtype"]
    partial = path.with_suffix(".partial")
    try:
        save_file(tensors, partial, {METADATA_KEY: json.dumps(metadata)})
        partial.replace(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weights {path} cannot be written: {error}") from error


def initialise_from(model: GeLoc3r, name: str | Path) -> None:
    """Start a training from weights of another network, as far as they reach.

    They may be a ReLoc3R, DUSt3R or MASt3R checkpoint, or weights of an earlier release. Encoder
    and decoder must be there with the dimensions of ``model``; what else is missing keeps its
    random values. A pose head that had fewer inputs or outputs fills the first ones, and the
    others start at zero. Tensors that the network has no place for (such as ``dec_blocks2``, for
    ReLoc3R's decoder serves both sides, and the heads for points) are left out. All of this is
    logged.

    Raises:
        WeightsError: if there are no weights of that name, or they do not fit.
    """
    path = locate_weights(name)
    tensors = read_tensors(path).tensors
    state = model.state_dict()
    found = {
        name: _filled_up(tensor, state[name]) if name.startswith(POSE_HEAD) else tensor
        for name, tensor in tensors.items()
        if name in state
    }
    wanted = {name: x for name, x in state.items() if name in found or name.startswith(TRUNK)}
    _check_shapes(path, found, model.config, wanted)
    _check_finite(path, found)
    for names, what in (
        (state.keys() - found.keys(), "starts from random values what is not there"),
        (tensors.keys() - found.keys(), "left out what this network has no place for"),
    ):
        parts = sorted({".".join(name.split(".")[:2]) for name in names})
        if parts:
            log.info("%s: %s: %s", path, what, ", ".join(parts))
    model.load_state_dict(found, strict=False)


def locate_weights(name: str | Path) -> Path:
    """Return the file of weights.

    Raises:
        WeightsError: if there are none of that name on this machine, or it is a folder's.
    """
    if str(name) in SHIPPED:
        return SHIPPED_FILE
    if os.path.isdir(name):
        raise WeightsError(
            f"weights {name} are no file but a folder: name a .safetensors or .pth file; a folder "
            "that `geloc3r export` made is for the backend `onnx`"
        )
    if os.path.exists(name):  # False too where the name is longer than a path may be
        return Path(name)
    if hub.is_hub_name(str(name)) and Path(name).suffix not in SUFFIXES:
        try:
            return hub.cached(str(name))
        except WeightsError as error:
            raise WeightsError(f"{error}; a file of that name does not exist either") from error
    raise WeightsError(
        f"there are no weights {str(name)!r}; give {', '.join(SHIPPED)}, a hub repository "
        f"({', '.join(hub.PUBLIC_WEIGHTS)}) or a .safetensors or .pth file that exists"
    )


def _info(
    name: str | Path, path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]
) -> WeightsInfo:
    trunk = tensors.get("enc_norm.weight", torch.empty(0))
    dtype = str(trunk.dtype).removeprefix("torch.")
    if METADATA_KEY not in metadata:
        return _foreign_info(name, path, tensors, dtype)
    try:
        values = json.loads(metadata[METADATA_KEY])
        config = ModelConfig.from_dict(values.pop("config"))
        if str(name) in SHIPPED:
            values["name"] = str(name)
            config = dataclasses.replace(config, image_size=SHIPPED[str(name)])
        return WeightsInfo(config=config, dtype=dtype, **values)
    except (
        AttributeError, ConfigError, KeyError, RecursionError, TypeError, ValueError
    ) as error:  # fmt: skip
        raise WeightsError(
            f"weights {path} say about themselves what this version does not understand: "
            f"{error}; update geloc3r_ros, or save them again"
        ) from error


def _foreign_info(
    name: str | Path, path: Path, tensors: dict[str, Tensor], dtype: str
) -> WeightsInfo:
    """Describe weights without our metadata by their name and shapes."""
    repository = hub.repository(str(name))
    if repository in hub.PUBLIC_WEIGHTS:
        config, licence = hub.PUBLIC_WEIGHTS[repository]
        label = f"{repository}@{path.parent.name[:12]}"
        return WeightsInfo(name=label, config=config, trained=True, licence=licence, dtype=dtype)
    # The public files are all called model.safetensors, in a folder of the repository's name.
    of_224 = "224" in path.stem or any("reloc3r-224" in part.lower() for part in path.parts)
    large = ModelConfig.large_224() if of_224 else ModelConfig.large()
    embedding = tensors.get(EMBEDDING, torch.empty(0)).shape
    known = {
        config: _on_meta(config).state_dict()[EMBEDDING].shape
        for config in (large, ModelConfig.tiny())
    }
    for config, shape in known.items():
        if embedding == shape:
            return WeightsInfo(
                name=path.stem,
                config=config,
                trained=True,
                licence="not stated in the file (ReLoc3R's own weights are CC-BY-NC-SA-4.0)",
                dtype=dtype,
            )
    raise WeightsError(
        f"weights {path} are of another network: {EMBEDDING} is {tuple(embedding)}, "
        f"{' and '.join(f'{tuple(shape)} in {c.variant}' for c, shape in known.items())}; "
        "other dimensions need a file that save_weights wrote"
    )


def _on_meta(config: ModelConfig) -> GeLoc3r:
    with torch.device("meta"):
        return GeLoc3r(config)


def _in_precision(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Copy tensors: those of a file lie at odd addresses, where a CPU rounds sums otherwise."""
    return {
        name: tensor.to(torch.float32 if name.startswith(POSE_HEAD) else dtype, copy=True)
        for name, tensor in tensors.items()
    }


def _filled_up(tensor: Tensor, like: Tensor) -> Tensor:
    """Put zeros after what a tensor has less than another; one that is too large is returned."""
    missing = [wanted - there for there, wanted in zip(tensor.shape, like.shape)]
    if tensor.ndim != like.ndim or min(missing, default=0) < 0:
        return tensor
    return nn.functional.pad(tensor, [n for k in reversed(missing) for n in (0, k)])


def _check_shapes(
    path: Path,
    tensors: dict[str, Tensor],
    config: ModelConfig,
    wanted: dict[str, Tensor] | None = None,
) -> None:
    """Raise unless names, shapes and types are of ``wanted``, by default of a whole network."""
    wanted = wanted or _on_meta(config).state_dict()
    missing = sorted(wanted.keys() - tensors.keys())
    headless = not any(name.startswith(POSE_HEAD) for name in tensors)
    if headless and missing and all(name.startswith(POSE_HEAD) for name in missing):
        raise WeightsError(
            f"weights {path} have no pose head, as those of DUSt3R and MASt3R: "
            "they can start a training, not estimate a pose"
        )
    problems = [f"{name} is missing" for name in missing]
    problems += [f"{name} is unknown" for name in sorted(tensors.keys() - wanted.keys())]
    problems += [
        f"{name} is {tuple(tensors[name].shape)} and must be {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    problems += [
        f"{name} is of {tensor.dtype}, {tensor.layout}, and must be of dense floats"
        for name, tensor in tensors.items()
        if name in wanted and (tensor.dtype not in DTYPES or tensor.layout != torch.strided)
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise WeightsError(
            f"weights {path} are not of the network {config.variant}: "
            f"{'; '.join(problems[:3])}{more}. Take a file of that network; one of an earlier "
            "form of it can start a training"
        )


def _check_finite(path: Path, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise WeightsError(
                f"weights {path}: {name} holds {int((~tensor.isfinite()).sum())} values that are "
                "NaN or beyond the range of its precision; a diverged training, a damaged file, "
                "or float16 where bfloat16 is due"
            )
