# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a step of GCR works on: two views, and one direction between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from geloc3r_training.gcr.correspondences import Correspondences
from geloc3r_training.gcr.descriptors import DescriptorMap, Matches
from geloc3r_training.gcr.se3 import make_transform, project, transform

__all__ = ["Direction", "TokenMap", "View", "median_depth", "scale_lengths", "with_true_length"]


class TokenMap(NamedTuple):
    """Decoder tokens of one view."""

    tokens: Tensor
    """(B, T, C), row-major."""
    grid: tuple[int, int]
    """Rows and columns of tokens."""


@dataclass(frozen=True)
class View:
    """What is known of one view of B pairs.

    Attributes:
        depth: True depth, (B, H, W); not finite or not positive is no depth.
        K: Intrinsics for integer pixel centres, (B, 3, 3).
        tokens: Decoder tokens of this view.
        descriptors: The frozen teacher's descriptors of this view.
    """

    depth: Tensor
    K: Tensor
    tokens: TokenMap
    descriptors: DescriptorMap


@dataclass(frozen=True)
class Direction:
    """One direction of B pairs, called 1 -> 2; lengths are over the median depth.

    Attributes:
        T_hat: Regressed pose with the true length of translation, (B, 4, 4).
        T_true: True pose, (B, 4, 4).
        has_direction: Whether the direction of translation is defined, (B,).
        K_2: Intrinsics of camera 2, (B, 3, 3).
        size_1: Height and width of view 1.
        size_2: Height and width of view 2.
        truth: True correspondences.
        matches: What the images say of them.
    """

    T_hat: Tensor
    T_true: Tensor
    has_direction: Tensor
    K_2: Tensor
    size_1: tuple[int, int]
    size_2: tuple[int, int]
    truth: Correspondences
    matches: Matches

    def match_errors(self) -> Tensor:
        """Distance of each match to the true projection, (B, N), pixels."""
        return torch.linalg.vector_norm(self.matches.pixels_2 - self.truth.pixels_2, dim=-1)

    def regressed_pixels(self) -> tuple[Tensor, Tensor]:
        """Where the regressed pose projects the points (B, N, 2), and what is in front (B, N)."""
        return project(self.K_2, transform(self.T_hat.detach(), self.truth.points_1))


def median_depth(depth: Tensor) -> Tensor:
    """Median (B,) of the valid depths (B, H, W) of a view; 1 where there are none."""
    depth = depth.flatten(1)
    valid = depth.isfinite() & (depth > 0)
    median = torch.where(valid, depth, torch.nan).nanmedian(1).values
    return torch.where(median.isfinite(), median, 1.0)


def scale_lengths(T_a_b: Tensor, factor: Tensor) -> Tensor:
    """Transforms (B, 4, 4) with translations times a factor (B,)."""
    return make_transform(T_a_b[:, :3, :3], T_a_b[:, :3, 3] * factor[:, None])


def with_true_length(T_hat: Tensor, T_true: Tensor) -> Tensor:
    """A regressed pose (B, 4, 4) with the length of the true translation: it regresses none."""
    direction = torch.nn.functional.normalize(T_hat[:, :3, 3], dim=-1)
    length = torch.linalg.vector_norm(T_true[:, :3, 3], dim=-1, keepdim=True)
    return make_transform(T_hat[:, :3, :3], direction * length)
