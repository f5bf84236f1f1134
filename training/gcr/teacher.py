# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frozen teacher, whose descriptors GCR trusts: our own first stage, or MASt3R.

Descriptors never come from the tokens that are being trained, or they would drift with them.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model import EncodedView, GeLoc3r, ModelConfig
from geloc3r_ros.model.matching import FINE_CELL, FINE_DIM
from geloc3r_ros.model.tensor_files import read_tensors
from geloc3r_training.gcr.descriptor_head import DESCRIPTOR_DIM, DescriptorHead
from geloc3r_training.gcr.descriptors import DescriptorMap

__all__ = ["DescriptorHeads", "Teacher", "load_mast3r"]


class DescriptorHeads(nn.Module):
    """A descriptor head for either view, to be trained by ``infonce`` in the first stage.

    Args:
        config: Dimensions of the trunk.
        hidden_factor: Channels of the heads' hidden layer over those of their input. MASt3R's 4
            costs more than the whole trunk where that is ``tiny``; there 1 is enough.
    """

    def __init__(self, config: ModelConfig, hidden_factor: int = 4) -> None:
        super().__init__()
        dims = (config.encoder_dim, config.decoder_dim, config.patch_size, hidden_factor)
        self.view_1, self.view_2 = DescriptorHead(*dims), DescriptorHead(*dims)

    def forward(
        self, views: tuple[EncodedView, EncodedView], decoded: tuple[Tensor, Tensor]
    ) -> tuple[DescriptorMap, DescriptorMap]:
        """Describe both views in float32, given their encoder and decoder tokens (B, N, C)."""
        maps = []
        for head, view, tokens in zip((self.view_1, self.view_2), views, decoded, strict=True):
            descriptors, confidence = head(view.tokens, tokens, view.grid)
            maps.append(DescriptorMap(descriptors.movedim(-1, 1).float(), confidence.float()))
        return maps[0], maps[1]


class Teacher(nn.Module):
    """A trunk with its descriptors, frozen: no gradient, no dropout, no drift.

    Args:
        trunk: The network; it is copied.
        heads: What was trained to describe its tokens; it is copied. A network of design
            ``matching`` needs none: what it compares the views by is what the teacher says.
    """

    def __init__(self, trunk: GeLoc3r, heads: DescriptorHeads | None = None) -> None:
        super().__init__()
        assert heads or trunk.matcher
        self.trunk, self.heads = copy.deepcopy(trunk), copy.deepcopy(heads)
        self.requires_grad_(False)
        self.train(False)

    @property
    def channels(self) -> int:
        """Channels of a descriptor."""
        return DESCRIPTOR_DIM if self.heads else self.trunk.config.head_dim + FINE_DIM

    def train(self, mode: bool = True) -> Teacher:
        """Stay in evaluation mode, whatever the mode of the training."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor, places: Tensor) -> tuple[DescriptorMap, DescriptorMap]:
        """Describe every pixel of both views of B pairs.

        Args:
            images: Each view once, RGB in [-1, 1], (V, 3, H, W).
            places: Which two of them make a pair, (B, 2).
        """
        encoded = self.trunk.encode(images)
        views = encoded.of(places[:, 0]), encoded.of(places[:, 1])
        tokens = self.trunk.decode_tokens(*views)
        if self.heads:
            return self.heads(views, tokens)
        first, second = (self._compared(view, side) for view, side in zip(views, tokens))
        return first, second

    def _compared(self, view: EncodedView, tokens: Tensor) -> DescriptorMap:
        """What the network compares a view by, coarse and fine, each as it counts there."""
        matcher, described = self.trunk.matcher, view.described
        assert matcher is not None
        assert described is not None
        share = matcher.sharpness.float().softmax(0).sqrt()
        coarse = matcher.describe(described.coarse, tokens, view.grid).mT
        rows, columns = 2 * view.grid[0], 2 * view.grid[1]
        coarse = functional.interpolate(coarse.unflatten(-1, (rows, columns)), scale_factor=2)
        fine = functional.normalize(described.fine.float().mT, dim=1)
        both = torch.cat((share[0] * coarse, share[1] * fine.unflatten(-1, coarse.shape[2:])), 1)
        return DescriptorMap(both, torch.ones_like(both[:, 0]), FINE_CELL, (FINE_CELL - 1) / 2)


class Mast3rTrunk(GeLoc3r):
    """MASt3R's trunk (arXiv 2406.09756): ours, but for a decoder of its own for view 2."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        del self.pose_head
        self.dec_blocks2 = copy.deepcopy(self.dec_blocks)

    def decode_tokens(self, view1: EncodedView, view2: EncodedView) -> tuple[Tensor, Tensor]:
        """Let two views look at each other: decoder tokens (B, N, C) of either side."""
        head_size = self.config.decoder_dim // self.config.decoder_heads
        table1, table2 = self._table(view1.grid, head_size), self._table(view2.grid, head_size)
        x1, x2 = self.decoder_embed(view1.tokens), self.decoder_embed(view2.tokens)
        for block1, block2 in zip(self.dec_blocks, self.dec_blocks2, strict=True):
            x1, x2 = block1(x1, x2, table1, table2), block2(x2, x1, table2, table1)
        return self.dec_norm(x1), self.dec_norm(x2)


def load_mast3r(path: Path, config: ModelConfig | None = None) -> Teacher:
    """Make a teacher of a MASt3R checkpoint; its point and pose heads are left alone.

    Args:
        path: ``.pth`` or ``.safetensors`` with MASt3R's own names.
        config: Its dimensions; those of ``large`` by default.

    Raises:
        WeightsError: if the file cannot be read, or lacks a tensor or has one of another shape.
    """
    config = config or ModelConfig.large()
    trunk, heads = Mast3rTrunk(config), DescriptorHeads(config)
    tensors = read_tensors(path).tensors
    for module, renamed in (
        (trunk, ""),
        (heads.view_1, "downstream_head1.head_local_features."),
        (heads.view_2, "downstream_head2.head_local_features."),
    ):
        state = {}
        for name, ours in module.state_dict().items():
            theirs = tensors.get(renamed + name)
            if theirs is None or theirs.shape != ours.shape:
                found = "nothing" if theirs is None else f"shape {tuple(theirs.shape)}"
                raise WeightsError(
                    f"weights {path} are not MASt3R's: {renamed + name} must have shape "
                    f"{tuple(ours.shape)}, found {found}; give a MASt3R checkpoint"
                )
            state[name] = theirs
        module.load_state_dict(state)
    return Teacher(trunk, heads)
