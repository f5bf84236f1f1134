# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training tells while it runs."""

import io
import re

import pytest
from rich.console import Console

from geloc3r_training.logbook import Logbook


@pytest.mark.parametrize(
    ("terminal", "speaks", "lines"), [(False, True, 1), (True, True, 0), (False, False, 0)]
)
def test_a_log_that_is_a_file_gets_lines(tmp_path, terminal, speaks, lines):
    said = io.StringIO()
    console = Console(file=said, force_terminal=terminal, width=100)
    with Logbook(tmp_path, console, speaks) as logs:
        logs.begin_stage("stage 1: matching", 2000, 40)
        for _ in range(10):
            logs.count(20, 0.0)
        numbers = logs.throughput()
    found = re.findall(
        r"stage 1: matching, step 50 of 2000, ([\d.]+) pairs/s, \d+:\d\d:\d\d left",
        said.getvalue(),
    )
    assert found == [f"{numbers['pairs_per_s']:.1f}"] * lines
