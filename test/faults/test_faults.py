# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each fault once, against the real node in a process of its own."""

from pathlib import Path

import pytest
import rclpy
from faults.catalogue import FAULTS
from faults.fault import endure
from faults.rig import Rig, Start
from faults.table import rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """The process is started anew only where a fault asks for that, or ended it."""
    rclpy.init()
    rig = Rig(tmp_path_factory.mktemp("node"))
    yield rig
    rig.close()
    rclpy.shutdown()


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_seen_and_survived(rig, fault):
    endure(rig, fault)
    assert not rig.weights["mark"].exists(), "a pickle ran its code"


def test_ten_lives_leave_nothing_behind(rig):
    rig.require(Start())
    rig.become("active")
    rig.recover()
    before = rig.usage()
    for _ in range(10):
        rig.become("unconfigured")
        rig.become("active")
        rig.recover()
    after = rig.usage()
    assert after["threads"] <= before["threads"]
    assert after["descriptors"] <= before["descriptors"] + 2


def test_every_fault_has_its_row_in_the_document():
    stated = rows((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
    assert stated == {fault.name: fault.behaviour for fault in FAULTS}
    assert len(stated) == len(FAULTS) >= 60
