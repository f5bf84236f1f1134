# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Explicit correlation: where one view shows what the other shows, for the pose head to read.

A small network does not learn from poses alone to compare places; it is given the comparison.
Every cell of 8x8 pixels has a descriptor, all of view 1 are compared with all of view 2, the most
mutual pairs are kept, and finer descriptors place each to a fraction of a cell. It is a network
as any other, and differentiable; nothing is solved for. After LoFTR (arXiv 2104.00680, sections
3.3 and 3.4) in its simplest form.

Shapes: B pairs; N and M cells of a view; K matches of a side; D channels of a descriptor.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.model.efficientnet import FEATURES, EfficientNetLite0

__all__ = ["CELL", "ConvEmbed", "Described", "Matcher", "Matches", "reference_pixels"]

CELL, FINE_CELL = 8, 4
"""Pixels between coarse and between fine descriptors."""
FINE_DIM, FINE_INNER_DIM = 32, 48
"""Channels of a fine descriptor, and of the layer before it."""
EIGHTH_SCALE = 7.0
"""Usual size of the stem's features at stride 8."""
REACH = 2
"""Fine cells that a match may lie from the middle of the coarse one, either way."""
OUTSIDE = -1e4
"""Score of a fine cell beyond the edge of the image."""
MATCHES = 192
"""Matches of a side that the pose head reads, at most."""


class Described(NamedTuple):
    """What the stem says of a batch of views, beside their tokens."""

    coarse: Tensor
    """Descriptors before the other view is known, (B, N, D)."""
    fine: Tensor
    """Descriptors of fine cells, (B, 4 N, D'), row-major."""


class Chosen(NamedTuple):
    """Which cells of a view match which of the other one, the most mutual first."""

    cells1: Tensor
    """Of this view, (B, K)."""
    cells2: Tensor
    """Of the other view, (B, K)."""
    sure: Tensor
    """Log-probability of the pair, (B, K)."""


class Matches(NamedTuple):
    """Matches of the cells of a view in the other one, the most mutual first."""

    here: Tensor
    """Columns and rows of this view's cells, pixels, (B, K, 2)."""
    there: Tensor
    """Where the other view shows them, pixels, (B, K, 2)."""
    features: Tensor
    """How sure: log-probability of the pair, log of the spread in pixels, (B, K, 2)."""
    cells: Tensor
    """Which cells of this view, (B, K)."""


class ConvEmbed(nn.Module):
    """Tokens and descriptors of an image by the convolutional stem."""

    def __init__(self, dim: int, descriptor_dim: int) -> None:
        super().__init__()
        self.stem = EfficientNetLite0()
        channels = FEATURES[8] + 4 * FEATURES[4]
        self.norm = nn.LayerNorm(FEATURES[16])
        self.proj = nn.Linear(FEATURES[16], dim)
        self.coarse_norm = nn.LayerNorm(channels)
        self.coarse = nn.Linear(channels, descriptor_dim)
        self.fine_norm = nn.LayerNorm(FEATURES[4])
        self.fine_mix = nn.Conv2d(FEATURES[4] + FEATURES[8], FINE_INNER_DIM, 3, padding=1)
        self.fine_out = nn.Conv2d(FINE_INNER_DIM, FINE_DIM, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Described]:
        """Map RGB (B, 3, H, W) to tokens (B, H W / 256, C), row-major, and descriptors."""
        features = self.stem(image)
        tokens = self.proj(self.norm(_rows(features.sixteenth)))
        both = torch.cat((features.eighth, nn.functional.pixel_unshuffle(features.quarter, 2)), 1)
        coarse = self.coarse(self.coarse_norm(_rows(both)))
        fine = self.fine_norm(features.quarter.movedim(1, -1)).movedim(-1, 1)
        around = nn.functional.interpolate(features.eighth / EIGHTH_SCALE, scale_factor=2)
        fine = nn.functional.gelu(self.fine_mix(torch.cat((fine, around), 1)))
        return tokens, Described(coarse, _rows(self.fine_out(fine)))


class Matcher(nn.Module):
    """Compare two views, given what the decoder made of their tokens."""

    def __init__(self, token_dim: int, descriptor_dim: int) -> None:
        super().__init__()
        self.context = nn.Linear(token_dim, 4 * descriptor_dim)
        self.out = nn.Linear(descriptor_dim, descriptor_dim)
        self.sharpness = nn.Parameter(torch.tensor([10.0, 10.0]).log())

    def describe(self, coarse: Tensor, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Descriptors (B, N, D) of a view with its decoder tokens (B, N / 4, C), unit length."""
        context = self.context(tokens).mT.unflatten(-1, grid)
        context = _rows(nn.functional.pixel_shuffle(context, 2))
        mixed = self.out(nn.functional.gelu(coarse + context))
        return nn.functional.normalize(mixed.float(), dim=-1)

    def scores(self, coarse1: Tensor, coarse2: Tensor) -> Tensor:
        """Compare all cells of view 1 with all of view 2, (B, N, M); a softmax gives matches."""
        return (coarse1 @ coarse2.mT).float() * self.sharpness[0].float().exp()

    @torch.no_grad()  # which matches and how sure is looked at, not taught
    def choose(self, scores: Tensor) -> tuple[Chosen, Chosen]:
        """Choose the most mutual matches of the cells of either view by scores (B, N, M)."""
        mutual = scores.log_softmax(1).add_(scores.log_softmax(2))
        return _most_mutual(mutual), _most_mutual(mutual.mT)

    def matches(
        self,
        chosen: Chosen,
        fine1: Tensor,
        fine2: Tensor,
        grid1: tuple[int, int],
        grid2: tuple[int, int],
    ) -> Matches:
        """Place the chosen matches of view 1 finely in view 2.

        Args:
            chosen: Those matches.
            fine1: Fine descriptors of view 1, (B, 4 N, D').
            fine2: Fine descriptors of view 2, (B, 4 M, D').
            grid1: Rows and columns of view 1's tokens.
            grid2: Rows and columns of view 2's tokens.
        """
        there, spread = self.place(fine1, fine2, chosen.cells1, chosen.cells2, grid1, grid2)
        return Matches(
            reference_pixels(chosen.cells1, grid1[1]),
            there,
            torch.stack((chosen.sure / 4 + 1, spread.log()), -1),
            chosen.cells1,
        )

    def place(
        self,
        fine1: Tensor,
        fine2: Tensor,
        cell1: Tensor,
        cell2: Tensor,
        grid1: tuple[int, int],
        grid2: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Place matches of cells (B, K) within the neighbourhood of the other view's cells.

        Returns:
            Column and row in the other view in pixels (B, K, 2), and their spread (B, K).
        """
        logits, places = self.fine_scores(fine1, fine2, cell1, cell2, grid1, grid2)
        probability = logits.softmax(-1)
        mean = (probability[..., None] * places).sum(-2)
        variance = (probability * (places - mean[..., None, :]).square().sum(-1)).sum(-1)
        return mean, (variance + 0.1).sqrt()

    def fine_scores(
        self,
        fine1: Tensor,
        fine2: Tensor,
        cell1: Tensor,
        cell2: Tensor,
        grid1: tuple[int, int],
        grid2: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Compare cells of view 1 with the fine cells round cells of view 2.

        Returns:
            Scores before the softmax (B, K, W), and the places compared, pixels (B, K, W, 2).
        """
        rows, columns = 4 * grid2[0], 4 * grid2[1]
        shift = torch.arange(-REACH, REACH + 1, device=cell2.device)
        row = 2 * (cell2 // (2 * grid2[1])) + 1
        column = 2 * (cell2 % (2 * grid2[1])) + 1
        row = (row[..., None] + shift)[..., :, None].expand(*cell2.shape, len(shift), len(shift))
        column = (column[..., None] + shift)[..., None, :].expand_as(row)
        row, column = row.flatten(-2), column.flatten(-2)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        index = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
        own = 2 * (cell1 // (2 * grid1[1])) + 1
        own = own * 4 * grid1[1] + 2 * (cell1 % (2 * grid1[1])) + 1
        query = nn.functional.normalize(_take(fine1, own).float(), dim=-1)
        around = nn.functional.normalize(_take(fine2, index.flatten(1)).float(), dim=-1)
        around = around.unflatten(1, index.shape[1:])
        logits = (around * query[..., None, :]).sum(-1) * self.sharpness[1].float().exp()
        places = torch.stack((column, row), -1) * FINE_CELL + FINE_CELL - 1
        return logits.masked_fill(~inside, OUTSIDE), places.to(logits.dtype)


def reference_pixels(cells: Tensor, token_columns: int) -> Tensor:
    """Column and row (..., 2) of the pixel that a cell (...) stands for.

    Padding as TensorFlow does centres what a cell sees on its last pixel.
    """
    columns = 2 * token_columns
    places = torch.stack((cells % columns, cells // columns), -1)
    return (places * CELL + CELL - 1).float()


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H W, C)."""
    return x.flatten(2).mT


def _most_mutual(mutual: Tensor) -> Chosen:
    """Choose the best partner of each row of (B, N, M), and of these the best."""
    sure, rows = mutual.amax(-1).topk(min(MATCHES, mutual.shape[1]))
    return Chosen(rows, _take(mutual, rows).argmax(-1), sure)


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Rows (B, K, C) of x (B, N, C) by index (B, K)."""
    first = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
    return nn.functional.embedding(index + first, x.flatten(0, 1))  # far faster than gather
