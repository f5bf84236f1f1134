# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A picture of an estimate: both images, and both cameras in space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from mpl_toolkits.mplot3d.axes3d import Axes3D

from geloc3r_ros.errors import ImageError
from geloc3r_ros.geometry import Array, inverse, skew
from geloc3r_ros.inference.images import Image

__all__ = ["plot_pair"]

BLUE, ORANGE, GREEN = "#0b5fa5", "#d95f02", "#1b8a5a"
RED, GREY = "#c1121f", "#d8dde3"
POINT_COLOURS = ("#e6194b", "#0b84f3", "#3cb44b", "#f58231", "#911eb4", "#00a5a5")

# Right, down, ahead (optical axes) -> right, ahead, up (Matplotlib's third axis is the vertical).
R_PLOT_OPTICAL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])

CAMERA_DEPTH = 0.4
"""How long a camera is drawn, in lengths of the translation."""

TURNED = "B: rotation alone"
"""Name of a camera B without a direction of its translation."""

BADGE = 0.12
"""Width and height of an image's corner that its name covers, in widths of the image."""

HALF_FIELD = 0.6
"""Half the width of a view at distance 1 where its intrinsics are unknown (62 degrees in all)."""


class Camera(NamedTuple):
    """A camera to draw."""

    name: str
    T_1_camera: Array
    corners: Array
    """(4, 3), where the corners of the image lie at distance 1, in optical axes of the camera."""
    colour: str
    style: str = "-"
    rgb: Image | None = None


def plot_pair(
    target: str | Path | Figure,
    rgb1: Image,
    rgb2: Image,
    T_1_2: Array,
    *,
    T_1_2_true: Array | None = None,
    K1: npt.ArrayLike | None = None,
    K2: npt.ArrayLike | None = None,
    title: str = "",
    trained: bool = True,
) -> None:
    """Draw two images and their cameras, A and B.

    With intrinsics, points of image A are marked, and the lines of image B on which the estimate
    says they must lie: where these pass by the same things, the estimate is right.

    Args:
        target: a file to write (png, pdf, svg), or a figure to draw into.
        rgb1: image A (H, W, 3).
        rgb2: image B (H, W, 3).
        T_1_2: estimated pose (4, 4) of B in A; the length of the translation is not shown. Without
            any, B is drawn as turned on the spot, and named so.
        T_1_2_true: true pose (4, 4), to be drawn beside it.
        K1: intrinsics (3, 3) of image A, in pixels.
        K2: intrinsics (3, 3) of image B.
        title: a line or two above it all.
        trained: if false, the picture says that the weights are untrained.

    Raises:
        ImageError: if the file cannot be written.
    """
    figure = target if isinstance(target, Figure) else Figure(figsize=(11, 6.2))
    grid = figure.add_gridspec(
        2, 2, width_ratios=(1, 2), left=0.01, right=0.99, bottom=0.02, top=0.87,
        wspace=0.01, hspace=0.04,
    )  # fmt: skip
    axes1, axes2 = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    _draw_image(axes1, rgb1, "A", BLUE)
    _draw_image(axes2, rgb2, "B", ORANGE)
    if K1 is not None and K2 is not None:
        _draw_epipolar_lines(axes1, axes2, rgb1, _fundamental(T_1_2, K1, K2))
    corners1, corners2 = _corners(rgb1, K1), _corners(rgb2, K2)
    cameras = [
        Camera("A", np.eye(4), corners1, BLUE, rgb=rgb1),
        Camera("B" if T_1_2[:3, 3].any() else TURNED, T_1_2, corners2, ORANGE, rgb=rgb2),
    ]
    if T_1_2_true is not None:
        cameras.append(Camera("true B", T_1_2_true, corners2, GREEN, "--"))
    _draw_space(figure.add_subplot(grid[:, 1], projection="3d"), cameras)
    figure.suptitle(title, x=0.02, y=0.97, ha="left", va="top", fontsize=11, linespacing=1.5)
    if not trained:
        figure.text(
            0.98, 0.04, "UNTRAINED WEIGHTS: this pose is noise", color="white", weight="bold",
            ha="right", bbox={"facecolor": RED, "edgecolor": "none", "boxstyle": "round,pad=0.5"},
        )  # fmt: skip
    if not isinstance(target, Figure):
        try:
            figure.savefig(target, dpi=130)
        except (OSError, ValueError) as error:  # no such folder, no such format
            raise ImageError(f"{target}: the picture cannot be written: {error}") from error


def _draw_image(axes: Axes, rgb: Image, name: str, colour: str) -> None:
    axes.imshow(rgb)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_anchor("W")
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=2.5)
    axes.text(
        0.02, 0.96, name, transform=axes.transAxes, color="white", weight="bold", fontsize=13,
        va="top", bbox={"facecolor": colour, "edgecolor": "none", "boxstyle": "round,pad=0.25"},
    )  # fmt: skip


def _fundamental(T_1_2: Array, K1: npt.ArrayLike, K2: npt.ArrayLike) -> Array:
    """Return F (3, 3) with ``p2 @ F @ p1 == 0`` for pixels p = (u, v, 1) of one scene point."""
    T_2_1 = inverse(T_1_2)
    E = skew(T_2_1[:3, 3]) @ T_2_1[:3, :3]
    return np.linalg.inv(np.asarray(K2)).T @ E @ np.linalg.inv(np.asarray(K1))


def _draw_epipolar_lines(axes1: Axes, axes2: Axes, rgb1: Image, F: Array) -> None:
    """Mark points that the eye finds again in image 2, and the lines they must lie on there."""
    grey = cv2.cvtColor(rgb1, cv2.COLOR_RGB2GRAY)
    apart = min(grey.shape) / 4
    in_sight = np.full_like(grey, 255)
    covered = round(BADGE * grey.shape[1])
    in_sight[:covered, :covered] = 0
    points = cv2.goodFeaturesToTrack(grey, len(POINT_COLOURS), 0.05, apart, mask=in_sight)
    if points is None or not F.any():
        return
    limits = axes2.get_xlim(), axes2.get_ylim()
    for (u, v), colour in zip(points[:, 0], POINT_COLOURS, strict=False):
        axes1.plot(u, v, "o", color=colour, markersize=7, markeredgecolor="white")
        a, b, c = F @ [u, v, 1.0]
        foot = -c * np.array([a, b]) / (a * a + b * b)
        axes2.axline(foot, foot + [b, -a] / np.hypot(a, b), color="white", linewidth=2.6)
        axes2.axline(foot, foot + [b, -a] / np.hypot(a, b), color=colour, linewidth=1.4)
    axes2.set(xlim=limits[0], ylim=limits[1])


def _corners(rgb: Image, K: npt.ArrayLike | None) -> Array:
    height, width = rgb.shape[:2]
    if K is None:
        f = max(width, height) / 2 / HALF_FIELD
        K = [[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]]
    right, low = width - 0.5, height - 0.5
    pixels = [[-0.5, -0.5, 1], [right, -0.5, 1], [right, low, 1], [-0.5, low, 1]]
    return np.array(pixels) @ np.linalg.inv(np.asarray(K)).T


def _draw_space(axes: Axes3D, cameras: Sequence[Camera]) -> None:
    """Draw cameras on equal axes over a floor of squares, seen from behind and above camera A."""
    drawn = [_draw_camera(axes, camera) for camera in cameras]
    everything = np.vstack(drawn)
    floor = everything[:, 2].min() - 0.2
    for camera, points in zip(cameras, drawn, strict=True):
        foot = np.array([*points[0, :2], floor])
        path = np.transpose([drawn[0][0], points[0], foot])
        axes.plot(*path, color=camera.colour, linewidth=1.2, linestyle=":")
        axes.plot(*foot[:, None], "o", color=camera.colour, markersize=4)
        # Of two cameras in one place one is named above, so that both names can be read.
        above = camera.rgb is None or camera.name == TURNED
        axes.text(
            *(points[points[:, 2].argmax()] if above else foot),
            f"{camera.name}\n" if above else f" {camera.name}",
            color=camera.colour, weight="bold", fontsize=13, va="bottom" if above else "top",
            zorder=1000,
        )  # fmt: skip
    low, high = np.array([*everything.min(0)[:2], floor]), everything.max(0)
    middle, half = (low + high) / 2, 0.55 * (high - low).max()
    low, high = middle - half, middle + half
    for x, y in zip(*np.linspace(low[:2], high[:2], 9).T, strict=True):
        axes.plot([x, x], [low[1], high[1]], floor, color=GREY, linewidth=0.7, zorder=0)
        axes.plot([low[0], high[0]], [y, y], floor, color=GREY, linewidth=0.7, zorder=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.set_box_aspect((1, 1, 1), zoom=1.4)
    axes.view_init(elev=26, azim=-72)
    axes.set_axis_off()


def _draw_camera(axes: Axes3D, camera: Camera) -> Array:
    """Draw a pyramid with the image on its base; return apex, corners and roof (6, 3)."""
    T = camera.T_1_camera.copy()
    T[:3, 3] /= np.linalg.norm(T[:3, 3]) or 1.0
    in_camera = np.vstack([np.zeros(3), camera.corners * CAMERA_DEPTH])
    points = (in_camera @ T[:3, :3].T + T[:3, 3]) @ R_PLOT_OPTICAL.T
    apex, corners = points[0], points[1:]
    if camera.rgb is not None:
        _draw_texture(axes, camera.rgb, corners)
    edges = [[apex, corner] for corner in corners]
    edges += [[corners[i], corners[(i + 1) % 4]] for i in range(4)]
    axes.add_collection3d(
        Line3DCollection(edges, colors=camera.colour, linewidths=1.8, linestyles=camera.style)
    )
    roof = (corners[0] + corners[1]) / 2 + 0.22 * (corners[0] - corners[3])
    axes.add_collection3d(
        Poly3DCollection([[corners[0], roof, corners[1]]], facecolor=camera.colour, alpha=0.85)
    )
    return np.vstack([points, roof])


def _draw_texture(axes: Axes3D, rgb: Image, corners: Array) -> None:
    """Lay an image, coarsely, over the rectangle with corners (4, 3), clockwise from top left."""
    columns = 48
    rows = round(columns * rgb.shape[0] / rgb.shape[1])
    colours = cv2.resize(rgb, (columns, rows), interpolation=cv2.INTER_AREA) / 255.0
    pale = 0.35 + 0.65 * colours
    right, down = np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1)[:, None]
    x, y, z = (a + right * (b - a) + down * (d - a) for a, b, _, d in corners.T)
    axes.plot_surface(
        x, y, z, facecolors=pale, rstride=1, cstride=1, shade=False, linewidth=0, antialiased=False
    )
