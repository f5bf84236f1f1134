# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Explicit correlation: where one view shows what the other shows, for the pose head to read.

A small network does not learn from poses alone to compare places; it is given the comparison.
Every cell of 8x8 pixels has a descriptor, all of view 1 are compared with all of view 2, the most
mutual pairs are kept, and finer descriptors place each in two steps, of 4 and of 2 pixels, to a
fraction of a pixel. It is a network as any other, and differentiable; nothing is solved for. After
LoFTR (arXiv 2104.00680, sections 3.3 and 3.4) in its simplest form.

Shapes: B pairs; N and M cells of a view; K matches of a side; D channels of a descriptor.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.model.efficientnet import FEATURES, EfficientNetLite0

__all__ = ["CELL", "FINE_CELL", "ConvEmbed", "Described", "Matcher", "Matches", "reference_pixels"]

CELL, FINE_CELL, FINEST_CELL = 8, 4, 2
"""Pixels between coarse, between fine and between finest descriptors."""
FINE_DIM, FINE_INNER_DIM = 32, 48
"""Channels of a fine descriptor, and of the layer before it."""
FINEST_DIM = 16
"""Channels of a finest descriptor, and of the layer before it."""
HALF_SCALE, EIGHTH_SCALE = 6.0, 7.0
"""Usual size of the stem's features at strides 2 and 8."""
REACH = 2
"""Fine cells that a match may lie from where it is looked for, either way."""
OUTSIDE = -1e4
"""Score of a fine cell beyond the edge of the image."""
MATCHES = 320
"""Matches of a side that the pose head reads, at most."""


class Described(NamedTuple):
    """What the stem says of a batch of views, beside their tokens."""

    coarse: Tensor
    """Descriptors before the other view is known, (B, N, D)."""
    fine: Tensor
    """Descriptors of fine cells, (B, 4 N, 32), row-major."""
    finest: Tensor
    """Descriptors of finest cells, (B, 16 N, 16), row-major."""


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
        self.finest_context = nn.Conv2d(FINE_INNER_DIM, FINEST_DIM, 1)
        self.finest_mix = nn.Conv2d(FEATURES[2], FINEST_DIM, 3, padding=1)
        self.finest_out = nn.Conv2d(FINEST_DIM, FINEST_DIM, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Described]:
        """Map RGB (B, 3, H, W) to tokens (B, H W / 256, C), row-major, and descriptors."""
        features = self.stem(image)
        tokens = self.proj(self.norm(_rows(features.sixteenth)))
        both = torch.cat((features.eighth, nn.functional.pixel_unshuffle(features.quarter, 2)), 1)
        coarse = self.coarse(self.coarse_norm(_rows(both)))
        fine = self.fine_norm(features.quarter.movedim(1, -1)).movedim(-1, 1)
        around = nn.functional.interpolate(features.eighth / EIGHTH_SCALE, scale_factor=2)
        fine = nn.functional.gelu(self.fine_mix(torch.cat((fine, around), 1)))
        context = nn.functional.interpolate(self.finest_context(fine), scale_factor=2)
        finest = nn.functional.gelu(self.finest_mix(features.half / HALF_SCALE) + context)
        return tokens, Described(
            coarse, _rows(self.fine_out(fine)), _rows(self.finest_out(finest))
        )


class Matcher(nn.Module):
    """Compare two views, given what the decoder made of their tokens."""

    def __init__(self, token_dim: int, descriptor_dim: int) -> None:
        super().__init__()
        self.context = nn.Linear(token_dim, 4 * descriptor_dim)
        self.out = nn.Linear(descriptor_dim, descriptor_dim)
        self.sharpness = nn.Parameter(torch.tensor([10.0, 10.0]).log())
        self.finest_sharpness = nn.Parameter(torch.tensor(10.0).log())

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
        here: Described,
        there: Described,
        grid1: tuple[int, int],
        grid2: tuple[int, int],
    ) -> Matches:
        """Place the chosen matches of view 1 finely in view 2.

        Args:
            chosen: Those matches.
            here: Descriptors of view 1.
            there: Descriptors of view 2.
            grid1: Rows and columns of view 1's tokens.
            grid2: Rows and columns of view 2's tokens.
        """
        own = reference_pixels(chosen.cells1, grid1[1])
        place = reference_pixels(chosen.cells2, grid2[1])
        place, spread = self.place(FINE_CELL, here.fine, there.fine, own, place, grid1, grid2)
        finest = here.finest, there.finest
        place, _ = self.place(FINEST_CELL, *finest, own, place.detach(), grid1, grid2)
        features = torch.stack((chosen.sure / 4 + 1, spread.log()), -1)
        return Matches(own, place, features, chosen.cells1)

    def place(
        self,
        cell: int,
        described1: Tensor,
        described2: Tensor,
        own: Tensor,
        near: Tensor,
        grid1: tuple[int, int],
        grid2: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Place pixels of view 1 in the neighbourhood of pixels of view 2; see :meth:`compare`.

        Returns:
            Column and row in view 2 in pixels (B, K, 2), and their spread (B, K).
        """
        scores, places = self.compare(cell, described1, described2, own, near, grid1, grid2)
        probability = scores.softmax(-1)
        mean = (probability[..., None] * places).sum(-2)
        variance = (probability * (places - mean[..., None, :]).square().sum(-1)).sum(-1)
        return mean, (variance + 0.1).sqrt()

    def compare(
        self,
        cell: int,
        described1: Tensor,
        described2: Tensor,
        own: Tensor,
        near: Tensor,
        grid1: tuple[int, int],
        grid2: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Compare cells of view 1 with the cells round places in view 2.

        Args:
            cell: Pixels between descriptors: ``FINE_CELL`` or ``FINEST_CELL``.
            described1: Descriptors of view 1's cells, (B, N', D').
            described2: Descriptors of view 2's cells, (B, M', D').
            own: Column and row in view 1, pixels, (B, K, 2).
            near: Where to look for it in view 2, (B, K, 2).
            grid1: Rows and columns of view 1's tokens.
            grid2: Rows and columns of view 2's tokens.

        Returns:
            Scores before the softmax (B, K, W), and the places compared, pixels (B, K, W, 2).
        """
        cells_a_token = 2 * CELL // cell
        rows, columns = (cells_a_token * count for count in grid2)
        column, row = _cells(near, cell).unbind(-1)
        shift = torch.arange(-REACH, REACH + 1, device=near.device)
        row = (row[..., None] + shift)[..., :, None].expand(*row.shape, len(shift), len(shift))
        column = (column[..., None] + shift)[..., None, :].expand_as(row)
        row, column = row.flatten(-2), column.flatten(-2)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        index = row.clamp(0, rows - 1) * columns + column.clamp(0, columns - 1)
        own_column, own_row = _cells(own, cell).unbind(-1)
        own_index = own_row * cells_a_token * grid1[1] + own_column
        query = nn.functional.normalize(_take(described1, own_index).float(), dim=-1)
        around = nn.functional.normalize(_take(described2, index.flatten(1)).float(), dim=-1)
        around = around.unflatten(1, index.shape[1:])
        sharpness = self.sharpness[1] if cell == FINE_CELL else self.finest_sharpness
        scores = (around * query[..., None, :]).sum(-1) * sharpness.float().exp()
        places = torch.stack((column, row), -1) * cell + cell - 1
        return scores.masked_fill(~inside, OUTSIDE), places.to(scores.dtype)


def reference_pixels(cells: Tensor, token_columns: int) -> Tensor:
    """Column and row (..., 2) of the pixel that a cell (...) stands for.

    Padding as TensorFlow does centres what a cell sees on its last pixel.
    """
    columns = 2 * token_columns
    places = torch.stack((cells % columns, cells // columns), -1)
    return (places * CELL + CELL - 1).float()


def _cells(pixels: Tensor, cell: int) -> Tensor:
    """Column and row (..., 2) of the cells that stand for the pixels nearest to these."""
    return ((pixels - cell + 1) / cell).round().long()


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
