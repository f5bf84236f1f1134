# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of a mixture of real datasets: which, where they are, and how often each is drawn.

In YAML::

    mixture:
      parts:
        - {dataset: co3d, root: /data/co3d, pairs: 50000}
        - {dataset: scannetpp, root: /data/scannetpp, pairs: 25000}
      cache: /data/pairs
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from geloc3r_ros.errors import ConfigError
from geloc3r_training.data.pair_selection import PairConfig
from geloc3r_training.typed_yaml import Range

__all__ = ["MixtureConfig", "PartConfig"]


@dataclass(frozen=True, kw_only=True)
class PartConfig:
    """A dataset of a mixture."""

    dataset: str
    """Its name, as in docs/datasets.md."""
    root: str
    """Its folder."""
    pairs: Annotated[int, Range(1)]
    """How many pairs of an epoch are of it, on average: how often it is drawn."""
    split: str | None = None
    """Its split; the first it has where left out."""


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """Real pairs and how they are cut and coloured."""

    parts: tuple[PartConfig, ...]
    """The datasets."""
    cache: str
    """Folder of the selected pairs."""
    sizes: tuple[tuple[int, int], ...] = (
        (384, 512),
        (336, 512),
        (288, 512),
        (256, 512),
        (160, 512),
    )
    """Heights and widths of images, landscape; a batch has one, turned for portrait views."""
    zoom: Annotated[float, Range(1.0, 4.0)] = 1.3
    """Largest factor by which the part that is cut is smaller than it could be."""
    colour: Annotated[float, Range(0.0, 1.0)] = 1.0
    """Strength of the change of colours."""
    selection: PairConfig = field(default_factory=PairConfig)
    """What was asked of ``geloc3r-data prepare``."""
    workers: Annotated[int, Range(0)] = 2
    """Processes that read pairs; 0 reads them in the training process."""

    def __post_init__(self) -> None:
        if not self.parts or not self.sizes:
            raise ConfigError("a mixture needs at least one part and one of sizes")
        if tall := [size for size in self.sizes if size[0] > size[1]]:
            raise ConfigError(f"sizes holds {list(tall[0])}; write landscape, [height, width]")
