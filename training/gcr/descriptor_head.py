# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Local-feature head of MASt3R (Leroy et al., ECCV 2024, arXiv 2406.09756): dense descriptors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DESCRIPTOR_DIM", "DescriptorHead"]

DESCRIPTOR_DIM = 24


class DescriptorHead(nn.Module):
    """Read a descriptor and its confidence off the tokens of a view, for every pixel.

    Its weights load from the keys ``downstream_head1.head_local_features.*`` (view 1) and
    ``downstream_head2.head_local_features.*`` (view 2) of a MASt3R checkpoint.
    """

    def __init__(
        self, encoder_dim: int, decoder_dim: int, patch_size: int, hidden_factor: int = 4
    ) -> None:
        super().__init__()
        dim = encoder_dim + decoder_dim
        self.patch_size = patch_size
        self.fc1 = nn.Linear(dim, hidden_factor * dim)
        self.fc2 = nn.Linear(hidden_factor * dim, (DESCRIPTOR_DIM + 1) * patch_size**2)

    def forward(
        self, encoder_tokens: Tensor, decoder_tokens: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Describe a view.

        Args:
            encoder_tokens: (B, N, C_enc), as ``GeLoc3r.encode`` gives them.
            decoder_tokens: (B, N, C_dec), as ``GeLoc3r.decode_tokens`` gives them.
            grid: Rows and columns of tokens.

        Returns:
            Descriptors (B, H, W, 24) of unit length and confidences (B, H, W) > 0.
        """
        x = torch.cat((encoder_tokens, decoder_tokens), -1)
        x = self.fc2(nn.functional.gelu(self.fc1(x)))
        x = nn.functional.pixel_shuffle(x.mT.unflatten(-1, grid), self.patch_size)
        x = x.permute(0, 2, 3, 1)
        descriptors = nn.functional.normalize(x[..., :DESCRIPTOR_DIM], dim=-1)
        return descriptors, x[..., DESCRIPTOR_DIM].exp()
