# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every method has a line of its own in a chart."""

import numpy as np

from geloc3r_ros.evaluation.charts import COLOURS, STYLES, plot_recall
from geloc3r_ros.evaluation.figures import Errors
from geloc3r_ros.evaluation.methods import METHODS


def test_every_method_has_a_curve_of_its_own():
    angles = np.radians([1.0, 5, 9])
    errors = Errors(np.arange(3), angles, angles, np.ones(3, bool))
    page = plot_recall(dict.fromkeys(METHODS, errors))
    # In the plot and in the legend.
    assert [page.count(f"stroke: {colour}") for colour in COLOURS[: len(METHODS)]] == [
        2 for _ in METHODS
    ]
    assert len(set(COLOURS)) == len(set(STYLES)) == len(METHODS)
