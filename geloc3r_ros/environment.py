# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What this Python has, and what of it is missing or does not fit together."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import runpy
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

from geloc3r_ros.errors import ConfigError

__all__ = ["Environment", "import_extra", "problems"]

# Modules that the robot needs, by the package to install.
MODULES = {
    "huggingface_hub": "huggingface_hub",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
    "rich": "rich",
    "rosbags": "rosbags",
    "rosbags-image": "rosbags.image",
    "safetensors": "safetensors",
    "torch": "torch",
    "transforms3d": "transforms3d",
    "typer": "typer",
}
ONE_OF = (
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python",
     "opencv-contrib-python-headless"),
    ("onnxruntime", "onnxruntime-gpu"),
)  # fmt: skip
PACKAGES = tuple(dict.fromkeys([*MODULES, *(name for names in ONE_OF for name in names)]))
# ROS 2 distributions whose Debian packages are built for NumPy 1.
NUMPY_1 = ("humble", "iron", "jazzy", "kilted")
DEVICE_TREE = Path("/proc/device-tree/model")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What an interpreter has.

    Attributes:
        executable: The interpreter.
        python: Its version.
        path: Where it looks for modules.
        versions: Of the packages of ``PACKAGES`` that are installed.
        missing: Packages to install that it lacks.
        distribution: Name of the ROS 2 distribution that is sourced; empty where none is.
        cv_bridge: Where cv_bridge is; empty where it is not.
        jetson: What the device tree calls the machine; empty where it is no Jetson.
        torch_cuda: Release of CUDA that torch was built with; empty where it was built without.
    """

    executable: str
    python: str
    path: tuple[str, ...]
    versions: Mapping[str, str]
    missing: tuple[str, ...]
    distribution: str
    cv_bridge: str
    jetson: str
    torch_cuda: str

    @classmethod
    def here(cls) -> Environment:
        """Look at this interpreter; nothing large is imported."""
        cv_bridge, torch = _spec("cv_bridge"), _spec("torch")
        model = DEVICE_TREE.read_text(errors="replace") if DEVICE_TREE.exists() else ""
        cuda = ""
        if torch is not None and torch.origin:
            version = Path(torch.origin).with_name("version.py")
            cuda = runpy.run_path(str(version)).get("cuda") or "" if version.exists() else ""
        return cls(
            executable=sys.executable,
            python=platform.python_version(),
            path=tuple(sys.path),
            versions={name: found for name in PACKAGES if (found := _version(name))},
            missing=tuple(package for package, name in MODULES.items() if _spec(name) is None),
            distribution=os.environ.get("ROS_DISTRO", ""),
            cv_bridge=str(cv_bridge.origin) if cv_bridge else "",
            jetson=model.strip("\0\n") if re.search("jetson|tegra", model, re.IGNORECASE) else "",
            torch_cuda=cuda,
        )


def problems(environment: Environment) -> list[str]:
    """Say what is missing or does not fit, each with its remedy; empty where all is well."""
    versions, found = environment.versions, []
    if environment.missing:
        found.append(
            f"missing: {', '.join(environment.missing)}; install with "
            f"{environment.executable} -m pip install"
        )
    for entry in environment.path:
        made_for = re.search(r"python(3\.\d+)", entry)
        if made_for and not environment.python.startswith(f"{made_for[1]}."):
            found.append(
                f"{entry} is on the path, made for Python {made_for[1]}, and this is "
                f"{environment.python}: run the Python that ROS was built for, or one of a "
                "virtual environment made with it"
            )
            break
    for alternatives in ONE_OF:
        installed = [name for name in alternatives if name in versions]
        if len(installed) > 1:
            found.append(
                f"{' and '.join(installed)} are installed and overwrite one another: uninstall "
                "all, then install one"
            )
    numpy = versions.get("numpy", "")
    from_debian = environment.cv_bridge.startswith("/opt/ros/")
    if from_debian and environment.distribution in NUMPY_1 and numpy >= "2":
        found.append(
            f"numpy is {numpy}, and the cv_bridge of {environment.distribution} is built for "
            "NumPy 1: pip install 'numpy<2' 'opencv-python-headless<4.12'"
        )
    if environment.jetson and "torch" in versions and not environment.torch_cuda:
        found.append(
            f"torch {versions['torch']} is built without CUDA, so it leaves the GPU of this "
            f"{environment.jetson} idle: install the wheel for its JetPack, see docs/jetson.md"
        )
    if environment.jetson and "onnxruntime" in versions and "onnxruntime-gpu" not in versions:
        found.append(
            "onnxruntime is the one for CPUs: for backend onnx on the GPU install the "
            "onnxruntime-gpu of this JetPack in its place, see docs/jetson.md"
        )
    return found


def import_extra(module: str) -> ModuleType:
    """Import a module of the extra ``onnx``.

    Raises:
        ConfigError: if it is missing.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the package '{module}' is needed and missing in this Python, {sys.executable}: "
            "install the extra `onnx` (pip install '.[onnx]' in the checkout); for a GPU take "
            "onnxruntime-gpu in place of onnxruntime"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _spec(module: str) -> importlib.machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of the package that it is a part of
        return None
