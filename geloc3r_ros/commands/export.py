# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``geloc3r export``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from geloc3r_ros.commands.console import UNTRAINED, WEIGHTS_HELP, out

__all__ = ["export"]


def export(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help=WEIGHTS_HELP)],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make.")],
    camera: Annotated[
        list[str],
        typer.Option(
            metavar="WIDTHxHEIGHT", help="Size of a camera's images; again for each further size."
        ),
    ] = ["640x480"],  # noqa: B006
) -> None:
    """Write the network as ONNX graphs, for backend `onnx`.

    A graph is for one size of network images, so cameras of other proportions need their own.
    Needs the extra `onnx`.

    Examples:

        geloc3r export tiny tiny_onnx --camera 640x480 --camera 1280x720

        geloc3r pose left.jpg right.jpg --backend onnx --weights tiny_onnx
    """
    sizes = [_size(text) for text in camera]
    from geloc3r_ros.inference.export import export_network

    network, difference = export_network(weights, folder, sizes)
    if not network.info.trained:
        out.print(UNTRAINED)
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    known = ", ".join("{}x{}".format(*size) for size in network.sizes)
    out.print(f"{folder}: {network.info.name}, {len(network.inputs)} graphs, {megabytes:.1f} MB")
    out.print(
        f"network images of {known}; greatest difference to torch {difference:.1e} "
        "(of each graph the median over samples)"
    )
    out.print(f"Licence of these weights: {network.info.licence}")


def _size(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise typer.BadParameter(f"'{text}' is not WIDTHxHEIGHT, such as 640x480")
    return int(match[1]), int(match[2])
