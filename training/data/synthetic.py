# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The dataset of synthetic places: a seed is a sample.

A sample is made in two steps. :meth:`SyntheticScenes.plan` builds the scene and chooses cameras;
it is plain numpy, takes a few milliseconds and runs well in worker processes.
:meth:`SyntheticScenes.render` turns many plans into images, depth and covisibility on the
renderer's device. Neither depends on what else is in the batch.

Training and testing share no scene (seeds are of two ranges) and no texture (see ``textures.py``).

``python -m geloc3r_training.data.synthetic --help`` writes samples to disk and shows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from rich.progress import track

from geloc3r_ros.errors import ConfigError, GeLoc3rError
from geloc3r_training.data.camera_motion import MotionLimits, draw_cameras
from geloc3r_training.data.covisibility import covisibility
from geloc3r_training.data.dataset_report import contact_sheet, print_distributions
from geloc3r_training.data.photometric import Effects, draw_effects, photograph
from geloc3r_training.data.places import make_scene
from geloc3r_training.data.raycast import Buffers
from geloc3r_training.data.renderer import Renderer, pack
from geloc3r_training.data.sample import Sample, Scale, write_sample
from geloc3r_training.data.textures import load_atlas, procedural_atlas

__all__ = ["Plan", "Plans", "SyntheticBatch", "SyntheticConfig", "SyntheticScenes"]

SEEDS = 2**40  # of each split; those of the held-out scenes follow those for training


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """What the samples look like.

    Raises:
        ConfigError: if a value is out of range.
    """

    size: tuple[int, int] = (128, 128)  # height and width, pixels
    views: int = 2  # of each scene; all the others are moved from the first
    field_of_view: tuple[float, float] = (np.radians(45), np.radians(100))  # of the longer side
    limits: MotionLimits = field(default_factory=MotionLimits)
    held_out: bool = False  # scenes for testing instead of those for training

    def __post_init__(self) -> None:
        if min(self.size) < 16:
            raise ConfigError(f"size {self.size} is too small; give at least 16 x 16 pixels")
        if self.views < 1:
            raise ConfigError(f"views is {self.views}; give at least 1")
        low, high = self.field_of_view
        if not 0 < low <= high < np.pi:
            raise ConfigError(f"field_of_view {low, high} must rise within 0 and pi radians")


class Plan(NamedTuple):
    """A sample before it is rendered; V views."""

    name: str
    packed: Buffers  # the scene
    T_world_camera: npt.NDArray[np.float64]  # (V, 4, 4)
    K: npt.NDArray[np.float64]  # (V, 3, 3)
    effects: list[Effects]  # V


class SyntheticBatch(NamedTuple):
    """S samples of V views, on the renderer's device."""

    images: torch.Tensor  # (S, V, H, W, 3) uint8 RGB
    depth: torch.Tensor  # (S, V, H, W) float32 z in metres, 0 at the sky
    K: torch.Tensor  # (S, V, 3, 3) float64 pixels
    T_world_camera: torch.Tensor  # (S, V, 4, 4) float64
    covisibility: torch.Tensor  # (S, V, V) float32
    names: list[str]  # S


class SyntheticScenes(torch.utils.data.Dataset[Sample]):
    """Samples by index, each made when it is asked for; draw indices with a sampler of your own.

    Args:
        config: what they look like.
        renderer: its atlas should be of the same split as ``config``.
    """

    def __init__(self, config: SyntheticConfig, renderer: Renderer) -> None:
        self.config = config
        self.renderer = renderer

    def __len__(self) -> int:
        return SEEDS

    def plan(self, index: int, size: tuple[int, int] | None = None) -> Plan:
        """Build the scene of an index and choose its cameras.

        Args:
            index: 0 to 2^40 - 1.
            size: height and width instead of those of the configuration (a portrait batch).

        Raises:
            IndexError: if the index is out of range.
        """
        if not 0 <= index < SEEDS:
            raise IndexError(f"sample {index} is not in 0 ... {SEEDS - 1}")
        seed = index + SEEDS * self.config.held_out
        h, w = size or self.config.size
        attempt = 0
        while True:
            rng = np.random.default_rng([seed, attempt])
            scene = make_scene(int(rng.integers(2**62)), self.renderer.atlas)
            packed = pack(scene)
            half = np.tan(rng.uniform(*self.config.field_of_view) / 2)
            tangent = half * np.array([w, h]) / max(h, w)
            cameras = draw_cameras(
                scene,
                packed,
                tangent,
                self.config.views,
                self.config.limits,
                rng,
            )
            if cameras is not None:
                focal = max(h, w) / 2 / half
                K = np.array([[focal, 0, (w - 1) / 2], [0, focal, (h - 1) / 2], [0, 0, 1]])
                K = np.tile(K, (self.config.views, 1, 1))
                return Plan(scene.name, packed, cameras, K, draw_effects(rng, self.config.views))
            attempt += 1

    def render(self, plans: Sequence[Plan], size: tuple[int, int] | None = None) -> SyntheticBatch:
        """Render plans that were made for the same size."""
        views, (h, w) = self.config.views, size or self.config.size
        T_world_camera = np.concatenate([plan.T_world_camera for plan in plans])
        K = np.concatenate([plan.K for plan in plans])
        seen = self.renderer.render_packed(
            [plan.packed for plan in plans],
            np.repeat(np.arange(len(plans)), views),
            T_world_camera,
            K,
            (h, w),
        )
        images = photograph(seen.radiance, [e for plan in plans for e in plan.effects])
        device, shape = seen.depth.device, (len(plans), views)
        depth = seen.depth.reshape(*shape, h, w)
        K_tensor = torch.from_numpy(K).to(device).reshape(*shape, 3, 3)
        T_tensor = torch.from_numpy(T_world_camera).to(device).reshape(*shape, 4, 4)
        return SyntheticBatch(
            images=images.reshape(*shape, h, w, 3),
            depth=depth,
            K=K_tensor,
            T_world_camera=T_tensor,
            covisibility=covisibility(depth, K_tensor, T_tensor),
            names=[plan.name for plan in plans],
        )

    def __getitem__(self, index: int) -> Sample:
        plan = self.plan(index)
        batch = self.render([plan])
        split = "test" if self.config.held_out else "train"
        return Sample(
            images=batch.images[0].cpu().numpy(),
            depths=batch.depth[0].cpu().numpy(),
            K=plan.K,
            T_world_camera=plan.T_world_camera,
            scale=Scale.METRIC,
            source=f"synthetic/{split}/{index}/{plan.name}",
            covisibility=batch.covisibility[0].cpu().numpy(),
        )


class Plans(torch.utils.data.Dataset[Plan]):
    """The plans of a dataset: what a loader's workers make where one process renders on a GPU."""

    def __init__(self, dataset: SyntheticScenes) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Plan:
        return self.dataset.plan(index)


app = typer.Typer(add_completion=False)


@app.command()
def write(
    output: Annotated[Path, typer.Argument(help="Folder to write to; it must not exist.")],
    scenes: Annotated[int, typer.Option(min=1, help="How many samples.")] = 64,
    first: Annotated[int, typer.Option(min=0, help="Index of the first.")] = 0,
    views: Annotated[int, typer.Option(min=1, help="Views of each scene.")] = 2,
    height: Annotated[int, typer.Option(help="Pixels.")] = 128,
    width: Annotated[int, typer.Option(help="Pixels.")] = 128,
    textures: Annotated[Path | None, typer.Option(help="Folder of images to use.")] = None,
    held_out: Annotated[bool, typer.Option(help="Scenes and textures for testing.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Write samples as .npz files with a contact sheet, and print how they are distributed."""
    console = Console()
    try:
        config = SyntheticConfig(size=(height, width), views=views, held_out=held_out)
        if output.exists():
            raise ConfigError(f"{output} exists; name a new folder")
        atlas = (
            load_atlas(textures, held_out=held_out)
            if textures
            else procedural_atlas(held_out=held_out)
        )
        dataset = SyntheticScenes(config, Renderer(atlas, device))
        output.mkdir(parents=True)
        samples = []
        for index in track(range(first, first + scenes), "rendering", console=console):
            samples.append(dataset[index])
            write_sample(output / f"{index:09d}.npz", samples[-1])
    except GeLoc3rError as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    sheet = output / "contact_sheet.png"
    cv2.imwrite(str(sheet), contact_sheet(samples[:48])[:, :, ::-1])
    print_distributions(samples, console)
    console.print(f"contact sheet: {sheet}")


if __name__ == "__main__":
    app()
