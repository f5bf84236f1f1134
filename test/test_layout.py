# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which part may import which, read from the import statements of every file."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "geloc3r_ros"
FOLDERS = ("geloc3r_ros", "training", "launch", "test", "pip_ros")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

BASE = {"errors", "geometry"}
# What each part of geloc3r_ros may import of geloc3r_ros, besides itself.
ALLOWED = {
    "errors": set(),
    "geometry": set(),
    "environment": {"errors"},
    "model": BASE,
    "inference": BASE | {"environment", "model", "__version__"},
    "evaluation": BASE | {"inference", "model", "__version__"},
    "demo": BASE | {"inference", "evaluation"},
    "bench": BASE | {"inference", "model"},
    "stream": BASE | {"inference", "evaluation"},
    "nodes": BASE | {"environment", "inference", "evaluation", "demo", "msg"},
    "commands": BASE
    | {"environment", "model", "inference", "evaluation", "demo", "stream", "bench", "nodes"},
    "cli": BASE | {"commands", "__version__"},
}
ROS = ("rclpy", "rcl_interfaces", "tf2_", "message_filters", "cv_bridge", "ament_", "launch")
ROS_SUFFIXES = ("_msgs", "_srvs", "_interfaces")
# Decodes images where it is installed; another package does where it is not.
OPTIONAL = {"cv_bridge.CvBridge"}


def imports(path, *, at_top=False):
    """Dotted names that a file imports: ``from a import b`` counts as a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if at_top else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_ros(name):
    top, _, rest = name.partition(".")
    of_ours = top == "geloc3r_ros" and rest.partition(".")[0] in ("nodes", "msg")
    return of_ours or top.startswith(ROS) or top.endswith(ROS_SUFFIXES)


def parts_imported(path):
    """Parts of geloc3r_ros that a file imports, besides its own."""
    parts = {n.split(".")[1] for n in imports(path) if n.startswith("geloc3r_ros.")}
    return parts - {part_of(path)}


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


PACKAGE_SOURCES = [path for path in SOURCES if PACKAGE in path.parents]


def test_the_parts_are_known():
    assert {part_of(path) for path in PACKAGE_SOURCES} == {*ALLOWED, "__init__"}


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_point_one_way(part):
    wrong = {
        path.name: parts_imported(path) - ALLOWED[part]
        for path in PACKAGE_SOURCES
        if part_of(path) == part
    }
    assert not any(wrong.values()), wrong


def test_ros_is_imported_in_the_nodes_alone():
    wrong = {
        str(path.relative_to(ROOT)): sorted(filter(is_ros, imports(path, at_top=True)))
        for path in SOURCES
        if path.is_relative_to(PACKAGE) or path.is_relative_to(ROOT / "training")
        if PACKAGE / "nodes" not in path.parents
    }
    assert not any(wrong.values()), {name: found for name, found in wrong.items() if found}


def test_only_the_commands_reach_the_nodes_and_only_when_run():
    for path in PACKAGE_SOURCES:
        if part_of(path) not in ("nodes", "commands"):
            assert not any(map(is_ros, imports(path) - OPTIONAL)), path


def test_what_runs_on_the_robot_does_not_import_the_training():
    for path in PACKAGE_SOURCES:
        assert not any(n.startswith("geloc3r_training") for n in imports(path)), path


def test_training_imports_no_node():
    for path in (ROOT / "training").rglob("*.py"):
        assert not any(map(is_ros, imports(path))), path


def python(code):
    """Run code in an interpreter of its own that sees the sources and no ROS environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("module", ["geloc3r_ros", "geloc3r_ros.cli", "geloc3r_ros.evaluation"])
def test_imports_without_torch(module):
    python(f"import {module}, sys; assert 'torch' not in sys.modules")


def test_all_but_the_nodes_imports_where_there_is_no_ros():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE_SOURCES
        if part_of(path) != "nodes"
    ]
    python(
        "import importlib, sys\n"
        "class NoRos:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.startswith({ROS!r}) or name.endswith({ROS_SUFFIXES!r}):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoRos())\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
    )


def test_every_source_file_says_its_licence():
    header = (
        "# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors\n"
        "# SPDX-License-Identifier: Apache-2.0\n"
    )
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    assert texts
    without = [
        str(path.relative_to(ROOT))
        for path, text in texts.items()
        if not (text.startswith(header) or (text.startswith("#!") and f"\n{header}" in text))
    ]
    assert not without


def test_every_folder_of_code_is_a_package_that_pip_installs():
    for folder in {
        path.parent for root in (PACKAGE, ROOT / "training") for path in root.rglob("*.py")
    }:
        assert (folder / "__init__.py").is_file(), folder
