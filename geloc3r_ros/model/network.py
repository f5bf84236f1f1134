# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network that regresses the relative pose of two views.

It is ReLoc3R's (Dong et al., CVPR 2025, arXiv 2412.08376, sections 3.1 and 3.2): a ViT encodes
each view, a decoder lets the two views look at each other, a head reads a pose off each side.
GeLoc3r (arXiv 2509.23038) changes how it is trained, not what runs. The design ``matching``, for
small networks, has a pretrained convolutional stem before the encoder and compares the two views
explicitly before the head.

Shapes: B batch, H and W height and width in pixels, N = H W / patch_size^2 tokens, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geloc3r_ros.errors import ImageError
from geloc3r_ros.model.blocks import NORM_EPS, DecoderBlock, EncoderBlock
from geloc3r_ros.model.config import ModelConfig
from geloc3r_ros.model.match_head import MatchPoseHead, Side, rays
from geloc3r_ros.model.matching import Chosen, ConvEmbed, Described, Matcher
from geloc3r_ros.model.pose_head import PoseHead, pose_from_raw
from geloc3r_ros.model.rope import RotaryTable, rotary_table

__all__ = ["EncodedView", "GeLoc3r", "usual_focal"]

USUAL_FIELD_OF_VIEW = 60.0
"""Of the longer side, degrees: what a camera is taken to have whose intrinsics are not known."""


Evidence = tuple[Tensor, ...]
"""Arguments of the pose head for one side."""


class EncodedView(NamedTuple):
    """Encoder tokens of a batch of views of one shape; good for any number of pairs."""

    tokens: Tensor
    """(B, N, C), row-major."""
    grid: tuple[int, int]
    """Rows and columns of tokens."""
    focal: Tensor
    """Focal length in pixels, (B,); design ``matching`` alone makes use of it."""
    described: Described | None = None
    """Descriptors, in design ``matching``."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that it holds on the device."""
        return (self.tokens, self.focal, *(self.described or ()))

    @staticmethod
    def of_tensors(tensors: Sequence[Tensor], grid: tuple[int, int]) -> EncodedView:
        """Views of this grid by their :attr:`tensors`."""
        tokens, focal, *described = tensors
        return EncodedView(tokens, grid, focal, Described(*described) if described else None)

    def of(self, rows: slice | Tensor) -> EncodedView:
        """Some of the views, by rows or their numbers."""
        described = self.described and Described(*(part[rows] for part in self.described))
        return EncodedView(self.tokens[rows], self.grid, self.focal[rows], described)

    @staticmethod
    def cat(views: Sequence[EncodedView]) -> EncodedView:
        """Views of one shape as one batch."""
        described = [view.described for view in views if view.described]
        return EncodedView(
            torch.cat([view.tokens for view in views]),
            views[0].grid,
            torch.cat([view.focal for view in views]),
            Described(*map(torch.cat, zip(*described, strict=True))) if described else None,
        )


def usual_focal(size: tuple[int, int]) -> float:
    """Focal length in pixels of an image of this height and width, where nobody knows it."""
    return max(size) / 2 / math.tan(math.radians(USUAL_FIELD_OF_VIEW / 2))


class PatchEmbed(nn.Module):
    """Cut an image into patches and embed each as one token."""

    def __init__(self, patch_size: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch_size, patch_size)

    def forward(self, image: Tensor) -> tuple[Tensor, None]:
        """Map an image (B, 3, H, W) to tokens (B, N, C) in row-major order; no descriptors."""
        return self.proj(image).flatten(2).mT, None


class GeLoc3r(nn.Module):
    """Two views in, their relative pose out, in both directions.

    ``.to(dtype)`` sets the precision of all but the pose head, which stays in float32.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        matching = config.design == "matching"
        self.patch_embed: PatchEmbed | ConvEmbed = (
            ConvEmbed(config.encoder_dim, config.head_dim)
            if matching
            else PatchEmbed(config.patch_size, config.encoder_dim)
        )
        self.enc_blocks = nn.ModuleList(
            EncoderBlock(config.encoder_dim, config.encoder_heads)
            for _ in range(config.encoder_depth)
        )
        self.enc_norm = nn.LayerNorm(config.encoder_dim, eps=NORM_EPS)
        self.decoder_embed = nn.Linear(config.encoder_dim, config.decoder_dim)
        self.dec_blocks = nn.ModuleList(
            DecoderBlock(config.decoder_dim, config.decoder_heads)
            for _ in range(config.decoder_depth)
        )
        self.dec_norm = nn.LayerNorm(config.decoder_dim, eps=NORM_EPS)
        self.matcher = Matcher(config.decoder_dim, config.head_dim) if matching else None
        self.pose_head: PoseHead | MatchPoseHead = (
            MatchPoseHead(config.decoder_dim)
            if matching
            else PoseHead(config.decoder_dim, config.head_dim)
        )
        self.apply(_initialise)

    def encode(self, image: Tensor, focal: Tensor | None = None) -> EncodedView:
        """Encode views.

        Args:
            image: RGB in [-1, 1], (B, 3, H, W), H and W multiples of the patch size.
            focal: Focal length in pixels, (B,); that of a field of view of 60 degrees by default.

        Raises:
            ImageError: if the shape is another.
        """
        patch = self.config.patch_size
        if (
            image.ndim != 4
            or image.shape[1] != 3
            or image.shape[2] % patch
            or image.shape[3] % patch
        ):
            raise ImageError(
                f"image has shape {tuple(image.shape)}; it must be (B, 3, H, W) "
                f"with H and W multiples of {patch}: scale and crop it first"
            )
        grid = (image.shape[2] // patch, image.shape[3] // patch)
        if focal is None:
            focal = image.new_full((len(image),), usual_focal((image.shape[2], image.shape[3])))
        image = image.to(self.patch_embed.proj.weight.dtype)
        x, described = self.patch_embed(image)
        table = self._table(grid, self.config.encoder_dim // self.config.encoder_heads)
        for block in self.enc_blocks:
            x = block(x, table)
        return EncodedView(self.enc_norm(x), grid, focal, described)

    def encode_pixels(self, pixels: Tensor, focal: Tensor | None = None) -> EncodedView:
        """:meth:`encode` views as images have them: RGB, uint8, (B, H, W, 3)."""
        return self.encode(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1.0, focal)

    def encode_pair(
        self,
        image1: Tensor,
        image2: Tensor,
        focal1: Tensor | None = None,
        focal2: Tensor | None = None,
    ) -> tuple[EncodedView, EncodedView]:
        """Encode two views (B, 3, H, W), in one batch where their shapes are equal."""
        if image1.shape != image2.shape:
            return self.encode(image1, focal1), self.encode(image2, focal2)
        focal = None if focal1 is None or focal2 is None else torch.cat((focal1, focal2))
        both = self.encode(torch.cat((image1, image2)), focal)
        return both.of(slice(len(image1))), both.of(slice(len(image1), None))

    def decode_tokens(self, view1: EncodedView, view2: EncodedView) -> tuple[Tensor, Tensor]:
        """Let two views look at each other: decoder tokens (B, N, C) of either side."""
        head_size = self.config.decoder_dim // self.config.decoder_heads
        table1, table2 = self._table(view1.grid, head_size), self._table(view2.grid, head_size)
        if view1.grid == view2.grid:
            # The weights of both sides are the same, so two sides are one batch of twice the size.
            x = self.decoder_embed(torch.stack((view1.tokens, view2.tokens)).flatten(0, 1))
            for block in self.dec_blocks:
                x = block(x, x.unflatten(0, (2, -1)).flip(0).flatten(0, 1), table1, table2)
            x1, x2 = self.dec_norm(x).unflatten(0, (2, -1)).unbind()
            return x1, x2
        x1, x2 = self.decoder_embed(view1.tokens), self.decoder_embed(view2.tokens)
        for block in self.dec_blocks:
            x1, x2 = block(x1, x2, table1, table2), block(x2, x1, table2, table1)
        return self.dec_norm(x1), self.dec_norm(x2)

    def decode(self, view1: EncodedView, view2: EncodedView) -> tuple[Tensor, Tensor]:
        """Regress the raw numbers (B, 12 or 53), float32, of ``T_2_1`` and of ``T_1_2``."""
        raw1, raw2 = self.regress(view1, view2, *self.decode_tokens(view1, view2))
        return raw1[-1], raw2[-1]

    def decode_tensors(
        self, grids: tuple[tuple[int, int], tuple[int, int]], *tensors: Tensor
    ) -> tuple[Tensor, Tensor]:
        """:meth:`decode` views of these grids: the ``tensors`` of views 1, then of views 2."""
        half = len(tensors) // 2
        view1, view2 = map(EncodedView.of_tensors, (tensors[:half], tensors[half:]), grids)
        return self.decode(view1, view2)

    def regress(
        self, view1: EncodedView, view2: EncodedView, tokens1: Tensor, tokens2: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Read poses off the decoder tokens (B, N, C) of both sides.

        Returns:
            Raw numbers of ``T_2_1`` and of ``T_1_2`` after each round of the head, the last of
            which count, (rounds, B, 12) float32. In design ``matching`` what the matches say of
            the last pose follows, and the pose that the side found alone, (rounds, B, 53).
        """
        return self.read(*self.evidence(view1, view2, tokens1, tokens2))

    def evidence(
        self, view1: EncodedView, view2: EncodedView, tokens1: Tensor, tokens2: Tensor
    ) -> tuple[Evidence, Evidence]:
        """What the pose head is given for ``T_2_1`` and for ``T_1_2``: its arguments."""
        if self.matcher is None:
            return (tokens1,), (tokens2,)
        if view1.grid == view2.grid:
            # Two sides are one batch of twice the size, as in the decoder.
            both = EncodedView.cat((view1, view2))
            tokens = torch.cat((tokens1, tokens2))
            cells1, cells2 = self._describe(both, tokens).unflatten(0, (2, -1)).unbind()
            side1, side2 = self.matcher.choose(self.matcher.scores(cells1, cells2))
            found = self._on_rays(
                Chosen(*map(torch.cat, zip(side1, side2, strict=True))),
                both,
                EncodedView.cat((view2, view1)),
                tokens,
            )
            evidence1, evidence2 = zip(*(x.unflatten(0, (2, -1)).unbind() for x in found))
            return evidence1, evidence2
        scores = self.matcher.scores(
            self._describe(view1, tokens1), self._describe(view2, tokens2)
        )
        side1, side2 = self.matcher.choose(scores)
        return (
            self._on_rays(side1, view1, view2, tokens1),
            self._on_rays(side2, view2, view1, tokens2),
        )

    def read(self, side1: Evidence, side2: Evidence) -> tuple[Tensor, Tensor]:
        """Regress from the evidence; returns what :meth:`regress` does."""
        if isinstance(self.pose_head, MatchPoseHead):
            return self.pose_head(Side(*side1), Side(*side2))
        if side1[0].shape[1:] == side2[0].shape[1:]:
            # The weights of both sides are the same, so two sides are one batch.
            raw1, raw2 = self.pose_head(torch.cat((*side1, *side2))).unflatten(0, (2, -1)).unbind()
        else:
            raw1, raw2 = self.pose_head(*side1), self.pose_head(*side2)
        return raw1[None], raw2[None]

    def _describe(self, view: EncodedView, tokens: Tensor) -> Tensor:
        assert self.matcher
        assert view.described
        return self.matcher.describe(view.described.coarse, tokens, view.grid)

    def _on_rays(
        self, chosen: Chosen, here: EncodedView, there: EncodedView, tokens: Tensor
    ) -> Evidence:
        """Matches of one side as the head of design ``matching`` takes them."""
        assert self.matcher
        assert here.described
        assert there.described
        matches = self.matcher.matches(
            chosen, here.described, there.described, here.grid, there.grid
        )
        patch, columns = self.config.patch_size, here.grid[1]
        token = matches.cells // (4 * columns) * columns + matches.cells % (2 * columns) // 2
        return (
            rays(matches.here, here.focal, (here.grid[0] * patch, columns * patch)),
            rays(matches.there, there.focal, (there.grid[0] * patch, there.grid[1] * patch)),
            matches.features,
            tokens.gather(1, token[..., None].expand(-1, -1, tokens.shape[-1])),
        )

    def forward(
        self,
        image1: Tensor,
        image2: Tensor,
        focal1: Tensor | None = None,
        focal2: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Estimate ``T_2_1`` and ``T_1_2``, (B, 4, 4) each, in float32.

        Side 1 tells where camera 1 stands in camera 2, and side 2 the reverse; nothing makes the
        two agree. A translation is a direction: its length carries no meaning.

        Args:
            image1: First view, RGB in [-1, 1], (B, 3, H, W).
            image2: Second view, (B, 3, H, W); its H and W may differ from the first view's.
            focal1: Focal lengths in pixels, (B,), see :meth:`encode`.
            focal2: Those of the second view.

        Raises:
            ImageError: if a side is no multiple of the patch size.
        """
        raw_2_1, raw_1_2 = self.decode(*self.encode_pair(image1, image2, focal1, focal2))
        return pose_from_raw(raw_2_1), pose_from_raw(raw_1_2)

    def _table(self, grid: tuple[int, int], head_size: int) -> RotaryTable:
        weight = self.decoder_embed.weight
        kind = weight.device.type
        autocast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else weight.dtype
        return rotary_table(grid, head_size, dtype, weight.device)


def _initialise(module: nn.Module) -> None:
    """Give a linear layer the initial values of the first ViT (arXiv 2010.11929)."""
    if isinstance(module, MatchPoseHead):
        module.start_still()
    elif isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
