# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From light to the image of a real camera: blur, exposure, colour, vignetting, noise and JPEG.

All of it is torch and runs where the light is. The numbers that a view gets are drawn on the host
and kept with its plan, so they do not depend on the device or on the batch; noise comes from one
generator a view, whose stream differs between the CPU and CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

from geloc3r_training.data.jpeg import jpeg

__all__ = ["Effects", "draw_effects", "photograph"]

GAMMA = 2.2


class Effects(NamedTuple):
    """How one camera took one view."""

    brightness: float  # mean of the exposed linear image
    white: tuple[float, float, float]  # gain of each channel
    contrast: float  # exponent on top of the gamma of displays
    saturation: float
    vignetting: float  # share of light lost in the corners
    blur: tuple[float, float, float]  # deviations along and across in pixels, angle in radians
    shot_noise: float  # variance per unit of linear light
    read_noise: float  # deviation
    quality: float  # of the JPEG; 100 leaves the image as it is
    seed: int  # of the noise


def draw_effects(rng: np.random.Generator, views: int) -> list[Effects]:
    """Effects of the views of one sample: one camera, with exposure and blur of each view."""
    brightness, contrast = rng.uniform(0.12, 0.38), rng.normal(1.0, 0.1)
    white = 1 + rng.normal(0, 0.06, 3)
    saturation, vignetting = rng.uniform(0.5, 1.15), rng.uniform(0, 0.4) * (rng.random() < 0.6)
    noise = 10.0 ** rng.uniform(-5.0, -2.6)
    quality = 100.0 if rng.random() < 0.3 else rng.uniform(35, 97)
    effects = []
    for _ in range(views):
        along = rng.uniform(0.2, 0.6) if rng.random() < 0.8 else rng.uniform(0.6, 1.6)
        across = min(along, rng.uniform(0.2, 0.7))
        effects.append(
            Effects(
                brightness=float(brightness * np.exp(rng.normal(0, 0.12))),
                white=tuple(white * (1 + rng.normal(0, 0.015, 3))),
                contrast=float(np.clip(contrast, 0.75, 1.3)),
                saturation=float(saturation),
                vignetting=float(vignetting),
                blur=(float(along), float(across), float(rng.uniform(0, np.pi))),
                shot_noise=float(noise),
                read_noise=float(noise**0.5 * 0.2),
                quality=float(quality),
                seed=int(rng.integers(2**31)),
            )
        )
    return effects


def photograph(radiance: torch.Tensor, effects: Sequence[Effects]) -> torch.Tensor:
    """Turn linear light (V, H, W, 3) into RGB uint8 images (V, H, W, 3) on the same device."""
    if radiance.device.type == "cpu":  # one view fits into a core's cache, a batch does not
        pairs = zip(radiance.split(1), effects, strict=True)
        return torch.cat([_photograph(light, [effect]) for light, effect in pairs])
    return _photograph(radiance, effects)


def _photograph(radiance: torch.Tensor, effects: Sequence[Effects]) -> torch.Tensor:
    light = radiance.permute(0, 3, 1, 2)

    def column(name: str) -> torch.Tensor:
        return torch.tensor([getattr(e, name) for e in effects], device=light.device).float()

    light = _blurred(light, column("blur"))
    gain = column("brightness") / light.mean(dim=(1, 2, 3)).clamp(min=1e-6)
    light = light * (gain[:, None] * column("white"))[:, :, None, None]
    light = light * _vignette(light, column("vignetting"))
    shot, read = column("shot_noise"), column("read_noise")
    deviation = (light.clamp(min=0) * _wide(shot) + _wide(read) ** 2).sqrt()
    light = (light + deviation * _noise(light, [e.seed for e in effects])).clamp(0, 1)
    image = light ** _wide(column("contrast") / GAMMA)
    grey = image.mean(dim=1, keepdim=True)
    image = (grey + _wide(column("saturation")) * (image - grey)).clamp(0, 1)
    quality = column("quality")
    if float(quality.min()) < 100:
        image = torch.where(_wide(quality) < 100, jpeg(image, quality.clamp(max=99)), image)
    return (255 * image).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _wide(values: torch.Tensor) -> torch.Tensor:
    """(V,) as (V, 1, 1, 1)."""
    return values[:, None, None, None]


def _blurred(light: torch.Tensor, blur: torch.Tensor) -> torch.Tensor:
    """Convolve each view with a Gaussian that is long at its angle: defocus and motion in one."""
    radius = 4 if float(blur[:, :2].max()) > 0.6 else 2  # what lies beyond rounds to nothing
    offset = torch.arange(-radius, radius + 1, device=light.device).float()
    y, x = torch.meshgrid(offset, offset, indexing="ij")
    along, across, angle = blur[:, :, None, None].unbind(1)
    a, b = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    kernel = torch.exp(-0.5 * ((a / along) ** 2 + (b / across) ** 2))
    kernel = kernel / kernel.sum(dim=(1, 2), keepdim=True)
    padded = F.pad(light, (radius,) * 4, mode="replicate").transpose(0, 1)
    return F.conv2d(padded, kernel[:, None], groups=len(kernel)).transpose(0, 1)


def _vignette(light: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
    h, w = light.shape[-2:]
    y = torch.linspace(-1, 1, h, device=light.device)[:, None] ** 2
    x = torch.linspace(-1, 1, w, device=light.device)[None] ** 2
    return 1 - _wide(loss) * (x + y) / 2


def _noise(light: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    device = light.device
    return torch.stack(
        [
            torch.randn(
                light.shape[1:],
                generator=torch.Generator(device).manual_seed(seed),
                device=device,
            )
            for seed in seeds
        ]
    )
