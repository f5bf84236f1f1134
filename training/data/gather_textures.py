# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of freely licensed textures, gathered from Debian packages.

``python -m geloc3r_training.data.gather_textures OUT`` asks ``apt-get download`` for each package
of ``SOURCES``, takes the pictures that are of use, scales them to squares, and writes beside them
``LICENCES.md`` with holder and licence of each file, read from the packages' copyright files; a
file without a stated licence is left out. The same package versions give the same files. Nothing
is installed.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.progress import track

from geloc3r_ros.errors import GeLoc3rError
from geloc3r_training.data.sample import DataError

__all__ = ["SOURCES", "gather", "licence_of"]


class Source(NamedTuple):
    """What to take from one package."""

    package: str
    surface: str  # pattern (regular expression) of the files that cover walls and floors
    picture: str  # of those that hang in frames or stand at the horizon


class Texture(NamedTuple):
    """A picture that was found."""

    use: str  # surface or picture
    origin: str  # its path in the package
    data: bytes


SOURCES = (
    Source(
        "ufoai-textures",
        r"/tex_(buildings|nature|streets|material|furniture|mattn)/(?!door|window|egypt|sign)",
        r"/tex_(pics|shop|doors|vehicles|tech)/|/tex_misc/(?!rail|sign)|/tex_mattn/(door|window)",
    ),
    Source("mate-backgrounds", r"nature/(Blinds|GreenMeadow|Wood)\.", r"/nature/"),
    Source("lomiri-wallpapers-16.04", r"^$", r"_by_.*\.jpg$"),
    Source("lomiri-wallpapers-20.04", r"^$", r"_by_.*\.jpg$"),
    Source("plasma-workspace-wallpapers", r"^$", r"/2560x1600\.jpg$"),
)
DERIVED = re.compile(r"_(nm|sm|gm|rm|lm|norm|gloss|local|luma)\.|screenshot", re.IGNORECASE)
LONGEST_HOLDER = 90  # characters
IMAGE = re.compile(r"\.(jpe?g|png)$", re.IGNORECASE)


def gather(output: Path, side: int = 512, quality: int = 85) -> int:
    """Fill ``output`` with JPEG files of at most ``side`` pixels; returns how many.

    Raises:
        DataError: if a package cannot be downloaded, or ``output`` exists.
    """
    if output.exists():
        raise DataError(f"{output} exists; name a new folder")
    lines = [
        "# Textures and their licences",
        "",
        "| file | origin | holder | licence |",
        "|" + "---|" * 4,
    ]
    seen: set[bytes] = set()
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as scratch:
            root = _unpacked(source.package, Path(scratch))
            copyright_file = next(root.rglob(f"doc/{source.package}/copyright")).read_text()
            for texture in track(sorted(_textures(root, source)), source.package):
                image = _square(texture.data, side)
                if image is None or (key := image.tobytes()) in seen:
                    continue
                holder, licence = licence_of(texture.origin, copyright_file)
                if not licence:
                    continue
                seen.add(key)
                parts = re.split(r"[^\w]+", texture.origin.rsplit(".", 1)[0])
                name = "-".join([source.package, *parts[-4:]])
                file = output / texture.use / f"{name}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(file), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
                lines.append(
                    f"| {texture.use}/{file.name} | {source.package}: {texture.origin} "
                    f"| {holder} | {licence} |"
                )
    (output / "LICENCES.md").write_text("\n".join(lines) + "\n")
    return len(lines) - 4


def licence_of(origin: str, copyright_file: str) -> tuple[str, str]:
    """Holder and licence of a file, by Debian's machine-readable copyright format 1.0.

    The last paragraph with a matching pattern holds, as the format says. Patterns name the files
    of the source package, which may lie elsewhere once installed, so their last part counts too.

    Returns:
        Holder and licence; the licence is empty where no paragraph states one.
    """
    found = "", ""
    name = Path(origin).name
    for paragraph in re.split(r"\n\s*\n", copyright_file):
        fields = dict(re.findall(r"^(\w+):((?:.*)(?:\n[ \t]+.*)*)", paragraph, re.MULTILINE))
        patterns = fields.get("Files", "").split()
        if any(fnmatch(origin, f"*{p}") or Path(p).name == name for p in patterns):
            holder = " ".join(fields.get("Copyright", "").split())
            if len(holder) > LONGEST_HOLDER:
                holder = "several, listed in the package's copyright file"
            found = holder, fields.get("License", "").split("\n")[0].strip()
    return found


def _unpacked(package: str, scratch: Path) -> Path:
    try:
        subprocess.run(["apt-get", "-q", "download", package], cwd=scratch, check=True)
        (archive,) = scratch.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(scratch / "root")], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(
            f"package {package} cannot be downloaded ({error}); "
            "run apt-get update on a Debian or Ubuntu machine first"
        ) from error
    return scratch / "root"


def _textures(root: Path, source: Source) -> Iterator[Texture]:
    for path, data in _files(root):
        if IMAGE.search(path) and not DERIVED.search(path):
            for use in ("surface", "picture"):
                if re.search(getattr(source, use), path):
                    yield Texture(use, path, data)
                    break


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Files with their path, also those in the game's .pk3 archives."""
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        if file.suffix == ".pk3":
            with zipfile.ZipFile(file) as archive:
                for name in sorted(archive.namelist()):
                    yield f"/{file.parent.name}/{name}", archive.read(name)
        else:
            yield f"/{file.relative_to(root)}", file.read_bytes()


def _square(data: bytes, side: int) -> npt.NDArray[np.uint8] | None:
    """The middle of a picture as a square; None where it is small, see-through or blank."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or min(image.shape[:2]) < 128:
        return None
    if image.shape[2] == 4 and image[..., 3].min() < 250:
        return None
    h, w = image.shape[:2]
    short = min(h, w)
    top, left = (h - short) // 2, (w - short) // 2
    image = image[top : top + short, left : left + short, :3]
    if short > side:
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    detail = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
    return None if detail.std(axis=(0, 1)).mean() < 4 else np.ascontiguousarray(image)


def main(
    output: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")],
    side: Annotated[int, typer.Option(min=64, help="Largest side, pixels.")] = 512,
) -> None:
    """Gather textures from Debian packages."""
    console = Console()
    try:
        count = gather(output, side)
    except GeLoc3rError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    size = sum(file.stat().st_size for file in output.rglob("*.jpg")) / 2**20
    console.print(f"{count} textures, {size:.1f} MiB, in {output}; see {output / 'LICENCES.md'}")


if __name__ == "__main__":
    typer.run(main)
