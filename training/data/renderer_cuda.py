# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The renderer's two passes as CUDA kernels: one thread a pixel, the same functions as on the CPU.

Needs numba-cuda and a CUDA device. Launches go to the default stream, as PyTorch's do unless told
otherwise, so the tensors that come back need no further synchronisation.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from numba import cuda

from geloc3r_training.data.raycast import Buffers
from geloc3r_training.data.renderer import look, look_again, on_edge

__all__ = ["render_cuda"]

THREADS = 128


@cuda.jit
def _first_pass(buffers, scene_of_view, cameras, radiance, depth, keys):
    index: int = cuda.grid(1)  # type: ignore[call-arg]
    views, h, w = depth.shape
    if index >= views * h * w:
        return
    view, pixel = index // (h * w), index % (h * w)
    v, u = pixel // w, pixel % w
    scene, camera = scene_of_view[view], cameras[view]
    r, g, b, z, key = look(buffers, scene, camera, np.float32(u), np.float32(v), -1)
    radiance[view, v, u, 0] = r
    radiance[view, v, u, 1] = g
    radiance[view, v, u, 2] = b
    depth[view, v, u], keys[view, v, u] = z, key


@cuda.jit
def _second_pass(buffers, scene_of_view, cameras, radiance, keys):
    index: int = cuda.grid(1)  # type: ignore[call-arg]
    views, h, w = keys.shape
    if index >= views * h * w:
        return
    view, pixel = index // (h * w), index % (h * w)
    v, u = pixel // w, pixel % w
    if on_edge(keys[view], u, v):
        scene, camera = scene_of_view[view], cameras[view]
        look_again(buffers, scene, camera, u, v, keys[view, v, u], radiance[view])


def render_cuda(
    buffers: Buffers,
    scene_of_view: npt.NDArray[np.int32],
    cameras: npt.NDArray[np.float32],
    radiance: torch.Tensor,
    depth: torch.Tensor,
) -> None:
    """Fill ``radiance`` (V, H, W, 3) and ``depth`` (V, H, W), which lie on a CUDA device.

    ``buffers.texels`` lies on the same device already; the rest is small and is copied there.
    """
    device = depth.device
    on_device = Buffers(*(_uploaded(array, device) for array in buffers))
    scenes, eyes = _uploaded(scene_of_view, device), _uploaded(cameras, device)
    keys = torch.empty(depth.shape, dtype=torch.int32, device=device)
    out, z, key = (cuda.as_cuda_array(tensor) for tensor in (radiance, depth, keys))
    blocks = (depth.numel() + THREADS - 1) // THREADS
    with torch.cuda.device(device):
        _first_pass[blocks, THREADS](on_device, scenes, eyes, out, z, key)
        _second_pass[blocks, THREADS](on_device, scenes, eyes, out, key)


def _uploaded(array: npt.ArrayLike, device: torch.device) -> npt.ArrayLike:
    tensor = array if torch.is_tensor(array) else torch.from_numpy(np.ascontiguousarray(array))
    return cuda.as_cuda_array(tensor.to(device))
