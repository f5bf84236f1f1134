# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files of packages of Debian and PyPI, downloaded by their own clients, not installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from geloc3r_training.data.sample import DataError

__all__ = ["debian_package", "files", "python_package"]

Files = Iterator[tuple[str, Callable[[], bytes]]]
"""Paths, and what reads them."""

ARCHIVES = {".pk3", ".zip", ".whl"}


def debian_package(name: str, scratch: Path) -> Path:
    """Unpack a package, whatever it depends on, into a new folder of ``scratch``.

    Raises:
        DataError: if it cannot be downloaded.
    """
    _run(["apt-get", "-q", "download", name], scratch, name, "run apt-get update first, on Debian")
    (archive,) = scratch.glob("*.deb")
    _run(["dpkg-deb", "-x", str(archive), str(scratch / "root")], scratch, name, "it is damaged")
    return scratch / "root"


def python_package(name: str, scratch: Path) -> Path:
    """Download the wheel ``name==version`` into a new folder of ``scratch``.

    Raises:
        DataError: if it cannot be downloaded.
    """
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    _run([*download, "-d", "root", name], scratch, name, "see that pip reaches a package index")
    return scratch / "root"


def files(root: Path) -> Files:
    """All files below a folder in order, those in its archives too."""
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        if file.suffix in ARCHIVES:
            with zipfile.ZipFile(file) as archive:
                for name in sorted(archive.namelist()):
                    yield f"/{file.parent.name}/{name}", partial(archive.read, name)
        else:
            yield f"/{file.relative_to(root)}", file.read_bytes


def _run(command: list[str], folder: Path, package: str, remedy: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise DataError(f"package {package} cannot be had ({error}); {remedy}") from error
