# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set the checkout up: `.venv` with everything, and `install/` built by colcon (`make setup`).

Where a ROS 2 distribution is sourced, its packages are used; elsewhere ROS 2 comes as wheels and
``pip_ros/`` fills their gaps. May be interrupted and run again at any time; does only what is not
done yet. What the tools print goes to ``.venv/setup.log``, and to the screen if one fails.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"
HERE = ROOT / "pip_ros"
STAND_INS = ("tf2_msgs", "tf2_ros", "message_filters")
INSTALLED = ("geloc3r_ros", "training", "launch", "config", "msg", "pip_ros")
WHEEL_DISTROS = ("jazzy", "kilted")

SOURCED = bool(os.environ.get("AMENT_PREFIX_PATH")) and shutil.which("ros2") is not None
DISTRO = os.environ.get("ROS_DISTRO") or "kilted"


def check_prerequisites() -> None:
    """End the program with what is missing and how to install it, before any download."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        sys.exit(
            f"Python is {sys.version.split()[0]}; 3.10 to 3.13 are supported. Fix: make "
            "PYTHON=python3.12 setup (or another of them that is installed)"
        )
    if not SOURCED and DISTRO not in WHEEL_DISTROS:
        sys.exit(
            f"ROS_DISTRO is {DISTRO!r} but no such distribution is sourced. Fix: source it, or "
            f"set ROS_DISTRO to one that comes as wheels: {', '.join(WHEEL_DISTROS)}"
        )
    missing = [tool for tool in ("g++", "git", "make") if shutil.which(tool) is None]
    if find_spec("ensurepip") is None:
        missing.append("python3-venv")
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        missing.append("python3-dev")
    if missing:
        sys.exit(f"missing: {', '.join(missing)}. Fix: sudo apt install {' '.join(missing)}")


def run(what: str, *command: str | Path, **environment: str) -> None:
    """Run a command quietly; end the program with its output if it fails."""
    print(f"setup: {what} ...", flush=True)
    with LOG.open("a+", encoding="utf-8") as log:
        start = log.tell()
        failed = subprocess.run(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
        if failed:
            log.seek(start)
            sys.stderr.write("".join(log.readlines()[-60:]))
            sys.exit(f"setup: {what} failed (exit code {failed}); the whole log: {LOG}")


def digest(files: Iterable[Path]) -> str:
    """Fingerprint of the names and contents of files."""
    fingerprint = hashlib.sha256(f"{DISTRO} {SOURCED} {sys.version}".encode())
    for file in sorted(files):
        fingerprint.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return fingerprint.hexdigest()


def done(stamp: str, wanted: str) -> bool:
    """Whether a step was finished for the same input."""
    file = VENV / stamp
    return file.is_file() and file.read_text() == wanted


def install_packages() -> None:
    """Make the environment and install all packages into it."""
    requirements = HERE / ("distribution.txt" if SOURCED else f"{DISTRO}.txt")
    constraints = HERE / ("constraints-distribution.txt" if SOURCED else "constraints.txt")
    wanted = digest([ROOT / "setup.py", requirements, constraints, HERE / "repair_wheels.py"])
    if done("packages.stamp", wanted):
        return
    # Of the Python beneath, where this one is of the environment that goes.
    beneath = Path(sys._base_executable).resolve()
    # What was built names the Python and the tools that go.
    for folder in (VENV, ROOT / "build", ROOT / "install"):
        shutil.rmtree(folder, ignore_errors=True)
    VENV.mkdir()
    (VENV / "COLCON_IGNORE").touch()
    options = ["--system-site-packages"] if SOURCED else []
    run("making .venv", beneath, "-m", "venv", *options, VENV)
    python = VENV / "bin" / "python"
    run("updating pip", python, "-m", "pip", "install", "--upgrade", "pip", "setuptools<80")
    run(
        "installing packages (some minutes the first time)",
        *(python, "-m", "pip", "install", "--no-build-isolation"),
        *("-c", constraints, "-r", requirements, "-e", ".[test]"),
    )
    if not SOURCED:
        run("repairing the ROS wheels", python, HERE / "repair_wheels.py")
    (VENV / "packages.stamp").write_text(wanted)


def build() -> None:
    """Build messages and lay everything out in install/, as links into the checkout."""
    tree = [
        f for name in INSTALLED for f in (ROOT / name).rglob("*") if "__pycache__" not in f.parts
    ]
    compiled = [f for f in tree if f.suffix in (".msg", ".xml", ".txt", ".cmake")]
    names = hashlib.sha256("\n".join(sorted(map(str, tree))).encode()).hexdigest()
    wanted = names + digest([ROOT / "CMakeLists.txt", ROOT / "package.xml", *compiled])
    if done("build.stamp", wanted) and (ROOT / "install" / "local_setup.bash").is_file():
        return
    # CMake refuses to export an include folder that lies in the source folder, and .venv does;
    # seen through a link, the source is elsewhere.
    workspace = ROOT / "build" / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    link = workspace / "geloc3r_ros"
    if not link.is_symlink():
        link.symlink_to("../..")
    search = {} if SOURCED else {"AMENT_PREFIX_PATH": str(VENV), "CMAKE_PREFIX_PATH": str(VENV)}
    run(
        "building messages",
        *(VENV / "bin" / "colcon", "--log-level", "error", "build"),
        *("--merge-install", "--symlink-install", "--base-paths", link),
        *([] if SOURCED else [HERE / name for name in STAND_INS]),
        *("--event-handlers", "status-", "console_start_end-"),
        PATH=f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        VIRTUAL_ENV=str(VENV),
        **search,
    )
    (VENV / "build.stamp").write_text(wanted)


if __name__ == "__main__":
    try:
        check_prerequisites()
        install_packages()
        build()
    except KeyboardInterrupt:
        sys.exit("setup: interrupted; the next run goes on")
