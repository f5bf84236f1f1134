# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import sysconfig
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "pip_ros" / "repair_wheels.py"
EXPORT = """set_target_properties(sensor_msgs::sensor_msgs__rosidl_generator_py PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "{python};{numpy}"
  INTERFACE_LINK_LIBRARIES "sensor_msgs::sensor_msgs__rosidl_generator_c")
"""


@pytest.fixture
def repair_wheels():
    spec = importlib.util.spec_from_file_location("repair_wheels", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("folder", "numpy_core"), [("cp311-cp311", "_core"), ("cp310-cp310", "core")]
)
def test_include_folders_become_those_of_this_environment(
    repair_wheels, tmp_path, folder, numpy_core
):
    python = f"/opt/python/{folder}/include/python3.{folder[3:5]}"
    packages = f"/opt/python/{folder}/lib/python3.{folder[3:5]}/site-packages"
    path = tmp_path / "Export.cmake"
    path.write_text(EXPORT.format(python=python, numpy=f"{packages}/numpy/{numpy_core}/include"))
    repaired = EXPORT.format(python=sysconfig.get_path("include"), numpy=np.get_include())
    for _ in range(2):
        repair_wheels.repair([path])
        assert path.read_text() == repaired


def test_other_files_are_not_written(repair_wheels, tmp_path):
    path = tmp_path / "Config.cmake"
    path.write_text("include(Export.cmake)\n")
    path.chmod(0o444)
    before = path.stat().st_mtime_ns
    repair_wheels.repair([path])
    assert path.stat().st_mtime_ns == before


def test_missing_headers_name_the_package_to_install(repair_wheels, tmp_path, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(SystemExit, match=r"Python\.h is missing.*apt install python3-dev"):
        repair_wheels.repair([])
