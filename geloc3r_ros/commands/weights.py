# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r info``, ``convert`` and ``fetch``."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from geloc3r_ros.commands.console import UNTRAINED, WEIGHTS_HELP, out

__all__ = ["convert", "fetch", "info"]


class Precision(str, Enum):
    """Precision of tensors in a file."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


def info(weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help=WEIGHTS_HELP)]) -> None:
    """Tell what weights are: their network, their training, their licence.

    Of the folder of an export it tells the same, and for which images it has graphs.

    Examples:

        geloc3r info tiny

        geloc3r info runs/mine/best.safetensors
    """
    import torch

    from geloc3r_ros.inference.exported import ExportedNetwork, is_export
    from geloc3r_ros.model import GeLoc3r, locate_weights, read_info

    exported = None
    if is_export(weights):
        exported = ExportedNetwork.read(weights)
        about, path = exported.info, exported.folder
    else:
        about, path = read_info(weights), locate_weights(weights)
    with torch.device("meta"):
        parameters = sum(tensor.numel() for tensor in GeLoc3r(about.config).parameters())
    if not about.trained:
        out.print(UNTRAINED)
    shape = "long side" if about.config.crop == "grid" else "square of"
    table = Table.grid(padding=(0, 2))
    table.add_row("name", about.name)
    table.add_row("variant", about.variant)
    table.add_row("parameters", f"{parameters / 1e6:.1f} million")
    table.add_row(
        "input", f"{shape} {about.image_size} pixels, patches of {about.config.patch_size}"
    )
    table.add_row("trained", "yes" if about.trained else "no")
    table.add_row("licence", about.licence)
    table.add_row("precision", about.dtype if exported is None else "float32")
    if exported is None:
        table.add_row("file", str(path))
        table.add_row("size", f"{path.stat().st_size / 1e6:.1f} MB")
    else:
        sizes = ", ".join("{}x{}".format(*size) for size in exported.sizes)
        graphs = f"{len(exported.inputs)} graphs for backend `onnx`, network images of {sizes}"
        table.add_row("export", f"{path}: {graphs}")
    table.add_row("calibration", _plain(about.calibration) or "none: cautious defaults")
    table.add_row("recipe", _plain(about.recipe) or "not stated")
    out.print(table)


def _plain(values: dict[str, Any] | None) -> str:
    return "" if values is None else "\n".join(f"{k}: {json.dumps(v)}" for k, v in values.items())


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help=WEIGHTS_HELP)],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write, .safetensors.")],
    dtype: Annotated[
        Precision | None, typer.Option(help="Of the tensors; without: as they are.")
    ] = None,
) -> None:
    """Write weights as safetensors, with all that is known about them.

    Examples:

        geloc3r convert Reloc3r-512.pth reloc3r-512.safetensors --dtype float16
    """
    import torch

    from geloc3r_ros.model import load_weights, save_weights

    network, about = load_weights(source)
    name = dtype.value if dtype else about.dtype
    save_weights(target, network, about, getattr(torch, name))
    out.print(f"{target}: {about.variant}, {name}, {target.stat().st_size / 1e6:.1f} MB")
    out.print(f"Licence of these weights: {about.licence}")


def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="owner/repository on the hub, or with @commit.")
    ],
) -> None:
    """Download public weights once; nothing else in this package ever downloads.

    Examples:

        geloc3r fetch siyan824/reloc3r-512
    """
    from geloc3r_ros.model import hub

    if hub.is_hub_name(name):  # what is none is refused below
        known = hub.PUBLIC_WEIGHTS.get(hub.repository(name))
        unknown = "unknown to this program; read it on the page of the hub"
        out.print(f"Licence of {name}: {known.licence if known else unknown}", style="bold")
    path = hub.fetch(name)
    out.print(f"{path}\nUse it as: geloc3r pose A.jpg B.jpg --weights {name}")
