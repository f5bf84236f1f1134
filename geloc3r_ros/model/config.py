# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dimensions of the network and the input it was made for."""

from __future__ import annotations

import dataclasses
from typing import Any

from geloc3r_ros.errors import ConfigError

__all__ = ["ModelConfig"]

CROPS = ("grid", "square")
DESIGNS = ("reloc3r", "matching")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Dimensions of a network and its input policy; ``large`` and ``tiny`` are the two in use.

    Attributes:
        variant: Name of this set of dimensions.
        design: ``reloc3r`` is the public network; ``matching`` has the same encoder and decoder
            between a convolutional stem and an explicit comparison of the views.
        image_size: Side of the input in pixels: the long side under crop ``grid``, both sides
            under crop ``square``. A multiple of ``patch_size``.
        crop: ``grid`` scales the long side to ``image_size`` and centre-crops both sides to
            multiples of ``patch_size`` (a square image to 4:3); ``square`` scales the short side
            to ``image_size`` and centre-crops a square.
        patch_size: Side of a patch in pixels; one token is one patch.
        encoder_dim: Channels of an encoder token.
        encoder_depth: Encoder blocks.
        encoder_heads: Attention heads of an encoder block.
        decoder_dim: Channels of a decoder token.
        decoder_depth: Decoder blocks.
        decoder_heads: Attention heads of a decoder block.
        head_dim: Channels of the pose head, ``4 * patch_size**2`` in ReLoc3R; of a descriptor in
            ``matching``.

    Raises:
        ConfigError: if a field has a wrong type or value.
    """

    variant: str
    design: str = "reloc3r"
    image_size: int
    crop: str
    patch_size: int
    encoder_dim: int
    encoder_depth: int
    encoder_heads: int
    decoder_dim: int
    decoder_depth: int
    decoder_heads: int
    head_dim: int

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and not (type(value) is int and value > 0):
                raise ConfigError(f"{field.name} is {value!r}; it must be a positive integer")
        if self.crop not in CROPS:
            raise ConfigError(f"crop is {self.crop!r}; it must be one of {', '.join(CROPS)}")
        if self.design not in DESIGNS:
            raise ConfigError(f"design is {self.design!r}; it must be one of {', '.join(DESIGNS)}")
        if self.design == "matching" and self.patch_size != 16:
            raise ConfigError(f"patch_size is {self.patch_size}; the stem of matching has 16")
        if self.image_size % self.patch_size:
            raise ConfigError(
                f"image_size is {self.image_size}; "
                f"it must be a multiple of patch_size {self.patch_size}"
            )
        for part in ("encoder", "decoder"):
            dim, heads = getattr(self, f"{part}_dim"), getattr(self, f"{part}_heads")
            # Two halves of a head, one an image axis, each rotate pairs of channels.
            if dim % (4 * heads):
                raise ConfigError(
                    f"{part}_dim is {dim}; it must be a multiple of 4 x {part}_heads = {4 * heads}"
                )

    @classmethod
    def large(cls) -> ModelConfig:
        """ReLoc3R-512 (arXiv 2412.08376): 426.5 M parameters, 1.5 TFLOP a pair at 512x384."""
        return cls(
            variant="large",
            image_size=512,
            crop="grid",
            patch_size=16,
            encoder_dim=1024,
            encoder_depth=24,
            encoder_heads=16,
            decoder_dim=768,
            decoder_depth=12,
            decoder_heads=12,
            head_dim=1024,
        )

    @classmethod
    def large_224(cls) -> ModelConfig:
        """ReLoc3R-224: the dimensions of ``large``, made for squares of 224 pixels."""
        return dataclasses.replace(cls.large(), variant="large-224", image_size=224, crop="square")

    @classmethod
    def tiny(cls) -> ModelConfig:
        """For small CPUs: 4.5 M parameters, 14 MB in half but for the head.

        A long side of 256 tiles 4:3 (256x192) and 16:9 (256x144) without losing a row, as 512
        does for ``large``. So small a network learns to compare two views only if it is given the
        comparison: see :mod:`geloc3r_ros.model.matching`.
        """
        return cls(
            variant="tiny",
            design="matching",
            image_size=256,
            crop="grid",
            patch_size=16,
            encoder_dim=128,
            encoder_depth=2,
            encoder_heads=4,
            decoder_dim=128,
            decoder_depth=3,
            decoder_heads=4,
            head_dim=64,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Build the configuration that ``dataclasses.asdict`` wrote.

        Raises:
            ConfigError: if a field is missing, unknown, or has a wrong type or value.
        """
        values = {"design": cls.design, **values}  # files from before there was a choice
        expected = {field.name for field in dataclasses.fields(cls)}
        if values.keys() != expected:
            raise ConfigError(
                f"model configuration: missing {sorted(expected - values.keys())}, "
                f"unknown {sorted(values.keys() - expected)}; "
                f"the fields are {sorted(expected)}"
            )
        return cls(**values)
