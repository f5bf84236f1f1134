# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of Geometric Consistency Regularization (GCR)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

from geloc3r_ros.errors import ConfigError

__all__ = ["GcrConfig"]

MAY_BE_ZERO = {
    "infonce_exclusion",
    "pose_weight",
    "direct_weight",
    "descriptor_weight",
    "fusion_weight",
    "reprojection_weight",
    "warm_up_steps",
    "ramp_steps",
    "min_translation",
}
"""Numbers that may be 0; all others are above it."""


@dataclass(frozen=True, kw_only=True)
class GcrConfig:
    """Every choice of GCR that can be ablated. ``paper()`` and ``tiny()`` are the presets.

    Raises:
        ConfigError: if a value is out of range or no choice of its field.
    """

    observation: Literal["matched", "gt"] = "matched"
    """Where view 2 sees a point: where the teacher's descriptors match it, or truly."""
    weighting: Literal["learned", "uniform_solver", "uniform"] = "learned"
    """Use the FusionTransformer's weights everywhere, everywhere but in the solver, or nowhere."""
    target: Literal["solved", "truth"] = "solved"
    """What L_direct pulls towards: the solved pose, or what a perfect solver would return."""

    points: int = 1024
    """Correspondences drawn for a pair and direction, N."""
    depth_tolerance: float = 0.05
    """Relative difference to the depth of the other view at which a point is hidden, tau_depth."""

    coarse_stride: int = 8
    """Stride of the first search for a match, over the whole of view 2; pixels."""
    fine_radius: int = 6
    """Half the side of the full-resolution window that is searched round the coarse match."""
    temperature: float = 0.05
    """Temperature of the 5x5 soft-argmax that places a match between pixels."""
    infonce_temperature: float = 0.07
    """Temperature of the contrast between descriptors that trains the descriptor head."""
    infonce_exclusion: float = 4.0
    """Distance in view 2 below which another point is no negative, pixels."""

    dim: int = 256
    """Channels of the FusionTransformer."""
    layers: int = 4
    """Layers of the FusionTransformer."""
    heads: int = 8
    """Attention heads of the FusionTransformer."""

    hypotheses: int = 256
    """Minimal sets drawn for a pair, M."""
    candidates: int = 8
    """Hypotheses that are refined, k."""
    threshold: float = 2.0
    """Reprojection error of an inlier, tau_px."""
    gate_condition: float = 1e5
    """Condition number of the normal matrix above which a solved pose is not trusted."""

    pose_weight: float = 1.0
    """Weight of L_pose."""
    direct_weight: float = 0.5
    """Weight of L_direct, a."""
    descriptor_weight: float = 0.1
    """Weight of L_descriptor, b."""
    fusion_weight: float = 1.0
    """Weight of L_fusion, c."""
    fusion_rate: float = 1.0
    """Learning rate of the FusionTransformer over that of the stage: it starts from random values
    beside a network that is trained."""
    reprojection_weight: float = 0.0
    """Weight of a plain reprojection loss, for comparison; image diagonals."""
    warm_up_steps: int = 1000
    """Steps before L_direct, L_descriptor and the reprojection loss set in."""
    ramp_steps: int = 1000
    """Steps over which their weights grow from 0 to full."""

    min_translation: float = 0.02
    """Baseline over median depth below which the direction of translation is undefined."""
    true_match: float = 2.0
    """Distance to the true projection below which a match counts as true, tau_bce; pixels."""
    score_temperature: float = 0.05
    """Temperature of the softmax over the candidates' shares of the weight."""
    huber: float = 4.0
    """Error beyond which the Gauss-Newton step counts a point linearly, pixels."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value, choices = getattr(self, name), get_args(kind)
            if choices:
                if value not in choices:
                    raise ConfigError(f"gcr.{name} is {value!r}; choose one of {list(choices)}")
                continue
            if isinstance(value, bool) or not isinstance(value, (int, kind)):
                raise ConfigError(f"gcr.{name} is {value!r}; give a number ({kind.__name__})")
            if not (value > 0 or (value == 0 and name in MAY_BE_ZERO)):
                limit = ">= 0" if name in MAY_BE_ZERO else "> 0"
                raise ConfigError(f"gcr.{name} is {value}; it must be {limit}")
        if self.points < 4:
            raise ConfigError(f"gcr.points is {self.points}; a pose takes 4 or more")
        if self.dim % self.heads:
            raise ConfigError(
                f"gcr.dim is {self.dim}; it must be a multiple of gcr.heads = {self.heads}"
            )

    @classmethod
    def paper(cls, **changes: Any) -> GcrConfig:
        """Return the settings for the large network."""
        return cls(**changes)

    @classmethod
    def tiny(cls, **changes: Any) -> GcrConfig:
        """Return settings that cost less than a step of the tiny network."""
        small = cls(
            points=256,
            fine_radius=5,
            temperature=0.03,
            dim=64,
            layers=2,
            heads=2,
            hypotheses=64,
            candidates=2,
        )
        return replace(small, **changes)

    def ramp(self, step: int) -> float:
        """Return the factor in [0, 1] of the terms that set in after the warm-up."""
        return min(max((step - self.warm_up_steps) / max(self.ramp_steps, 1), 0.0), 1.0)
