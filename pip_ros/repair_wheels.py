# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the CMake exports of the ROS 2 wheels in this environment name this environment.

The wheels from PyPI export the include folders of the machine that built them,
``/opt/python/cp3XX-cp3XX/...``, so no message package builds against them. This script replaces
these folders by those of the interpreter it runs with and of its numpy. It may run any number of
times, and says nothing unless something is wrong::

    python pip_ros/repair_wheels.py
"""

import re
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

BUILDER = r"/opt/python/cp\d+-cp\d+"
PYTHON_INCLUDE = re.compile(rf"{BUILDER}/include/python3\.\d+")
NUMPY_INCLUDE = re.compile(rf"{BUILDER}/lib/python3\.\d+/site-packages/numpy/_?core/include")


def python_include() -> str:
    """Folder of this interpreter's Python.h; ends the program where there is none."""
    folder = sysconfig.get_path("include")
    if not Path(folder, "Python.h").is_file():
        sys.exit(
            f"{folder}/Python.h is missing: ROS messages cannot be built without it. "
            "Fix: apt install python3-dev (or the headers of the Python you use)."
        )
    return folder


def numpy_include() -> str:
    """Folder of numpy's C headers in this environment; ends the program where there is none."""
    if find_spec("numpy") is None:
        sys.exit(f"{sys.prefix} has no numpy: ROS messages cannot be built without it.")
    import numpy

    return numpy.get_include()


def repair(exports: list[Path]) -> None:
    """Rewrite the include folders in the CMake files ``exports``."""
    python, numpy = python_include(), numpy_include()
    for path in exports:
        exported = path.read_text(encoding="utf-8")
        repaired = PYTHON_INCLUDE.sub(lambda _: python, exported)
        repaired = NUMPY_INCLUDE.sub(lambda _: numpy, repaired)
        if repaired != exported:
            path.write_text(repaired, encoding="utf-8")


if __name__ == "__main__":
    found = sorted(Path(sys.prefix).glob("share/*/cmake/*.cmake"))
    if not found:
        sys.exit(f"{sys.prefix} holds no ROS 2 wheels: install them first, run this after.")
    repair(found)
