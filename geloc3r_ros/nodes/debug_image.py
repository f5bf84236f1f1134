# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a set: both views side by side with the estimate written and drawn on them."""

from __future__ import annotations

import textwrap

import cv2
import numpy as np
import numpy.typing as npt

from geloc3r_ros.geometry import rotation_angle
from geloc3r_ros.nodes.report import Report

__all__ = ["draw"]

GREEN, RED, WHITE, BLACK = (80, 220, 100), (240, 80, 80), (255, 255, 255), (0, 0, 0)
LETTER = 9
"""Width of a letter, pixels, about."""


def draw(
    rgb_a: npt.NDArray[np.uint8], rgb_b: npt.NDArray[np.uint8], report: Report, width: int
) -> npt.NDArray[np.uint8]:
    """Draw both views (H, W, 3), RGB, ``width`` pixels wide together.

    The arrow points where camera b stands, seen from a: right and down as in the image; its
    ring is full where b is ahead, thin where b is behind. Beside the numbers stands what the
    report says of them.
    """
    half = width // 2
    views = [_fit(view, half) for view in (rgb_a, rgb_b)]
    height = max(view.shape[0] for view in views)
    canvas = np.zeros((height, 2 * half, 3), np.uint8)
    for i, view in enumerate(views):
        canvas[: view.shape[0], i * half : (i + 1) * half] = view
    colour = GREEN if report.valid else RED
    angle = np.degrees(rotation_angle(report.T_a_b[:3, :3]))
    lines = [f"rotation {angle:.1f} deg"]
    if report.translation_valid:
        x, y, z = report.T_a_b[:3, 3]
        unit = " m" if report.scale_known else ""
        lines.append(f"translation {x:+.2f} {y:+.2f} {z:+.2f}{unit}")
        _draw_direction(canvas, report.T_a_b[:3, 3], (half // 2, height // 2), half // 4, colour)
    said = ": ".join(filter(None, ["" if report.valid else "INVALID", report.reason]))
    lines += textwrap.wrap(said, max(2 * half // LETTER, 20))
    for row, line in enumerate(lines):
        _write(canvas, line, (8, 20 + 18 * row), colour)
    _write(canvas, "a", (8, height - 10), WHITE)
    _write(canvas, "b", (half + 8, height - 10), WHITE)
    return canvas


def _fit(view: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    height = max(round(view.shape[0] * width / view.shape[1]), 1)
    resized = cv2.resize(view, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def _draw_direction(
    canvas: npt.NDArray[np.uint8],
    t_a_b: npt.NDArray[np.float64],
    centre: tuple[int, int],
    radius: int,
    colour: tuple[int, int, int],
) -> None:
    x, y, z = t_a_b / np.linalg.norm(t_a_b)
    tip = (round(centre[0] + radius * x), round(centre[1] + radius * y))
    cv2.circle(canvas, centre, radius, colour, 2 if z >= 0 else 1, cv2.LINE_AA)
    cv2.arrowedLine(canvas, centre, tip, colour, 2, cv2.LINE_AA, tipLength=0.2)


def _write(
    canvas: npt.NDArray[np.uint8], text: str, at: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    # The rim is the text moved about: a thicker text is wider in OpenCV 5.
    x, y = at
    rim = [(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    for ink, places in ((BLACK, rim), (colour, [at])):
        for place in places:
            cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1, cv2.LINE_AA)
