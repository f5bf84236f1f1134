# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The equations of ReLoc3R's network written plainly, to check and to time the real one against.

One view at a time, one side at a time, attention spelt out, rotary angles computed at every use,
1x1 convolutions as convolutions, all in the precision of the weights. It works on the state dict
of a network and shares no code with it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from geloc3r_ros.model import ModelConfig

__all__ = ["decode", "encode", "poses"]

Weights = dict[str, Tensor]


def rotary(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Rotate x (B, heads, N, D): rows turn the first half of D, columns the second."""
    rows, columns = grid
    y = torch.arange(rows, device=x.device).repeat_interleave(columns)
    x_position = torch.arange(columns, device=x.device).repeat(rows)
    halves = []
    for part, position in zip(x.chunk(2, -1), (y, x_position), strict=True):
        d = part.shape[-1]
        frequency = 100.0 ** (-torch.arange(0, d, 2, device=x.device) / d)
        angle = position[:, None] * frequency
        angle = torch.cat((angle, angle), -1)
        a, b = part.chunk(2, -1)
        halves.append(part * angle.cos() + torch.cat((-b, a), -1) * angle.sin())
    return torch.cat(halves, -1).to(x.dtype)


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    """A linear layer."""
    return nn.functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def norm(w: Weights, name: str, x: Tensor) -> Tensor:
    """A LayerNorm."""
    shape = x.shape[-1:]
    return nn.functional.layer_norm(x, shape, w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)


def mlp(w: Weights, name: str, x: Tensor) -> Tensor:
    """Two linear layers with an exact GELU between."""
    return linear(w, f"{name}.fc2", nn.functional.gelu(linear(w, f"{name}.fc1", x)))


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, grid_q, grid_k) -> Tensor:
    """Attention of q (B, N, C) over k, v (B, M, C), spelt out."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = rotary(q, grid_q) @ rotary(k, grid_k).mT / q.shape[-1] ** 0.5
    return (torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2)


def self_attention(w: Weights, name: str, x: Tensor, heads: int, grid) -> Tensor:
    """Attention of tokens over themselves."""
    q, k, v = linear(w, f"{name}.qkv", x).chunk(3, -1)
    return linear(w, f"{name}.proj", attention(q, k, v, heads, grid, grid))


def encode(config: ModelConfig, w: Weights, image: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """Tokens (B, N, C) of images (B, 3, H, W), and their grid of rows and columns."""
    p = config.patch_size
    grid = (image.shape[2] // p, image.shape[3] // p)
    patches = nn.functional.unfold(image, p, stride=p).mT
    x = nn.functional.linear(
        patches, w["patch_embed.proj.weight"].flatten(1), w["patch_embed.proj.bias"]
    )
    for i in range(config.encoder_depth):
        name = f"enc_blocks.{i}"
        x = x + self_attention(
            w, f"{name}.attn", norm(w, f"{name}.norm1", x), config.encoder_heads, grid
        )
        x = x + mlp(w, f"{name}.mlp", norm(w, f"{name}.norm2", x))
    return norm(w, "enc_norm", x), grid


def decoder_block(w: Weights, name: str, x: Tensor, memory: Tensor, heads: int, grid, grid_m):
    """One side of a decoder block, given the other side's tokens."""
    x = x + self_attention(w, f"{name}.attn", norm(w, f"{name}.norm1", x), heads, grid)
    y = norm(w, f"{name}.norm_y", memory)
    cross = f"{name}.cross_attn"
    q = linear(w, f"{cross}.projq", norm(w, f"{name}.norm2", x))
    k, v = linear(w, f"{cross}.projk", y), linear(w, f"{cross}.projv", y)
    x = x + linear(w, f"{cross}.proj", attention(q, k, v, heads, grid, grid_m))
    return x + mlp(w, f"{name}.mlp", norm(w, f"{name}.norm3", x))


def decode(config: ModelConfig, w: Weights, view1, view2) -> tuple[Tensor, Tensor]:
    """Decoder tokens of either side, of two views that ``encode`` returned."""
    (x1, grid1), (x2, grid2) = view1, view2
    x1, x2 = linear(w, "decoder_embed", x1), linear(w, "decoder_embed", x2)
    for i in range(config.decoder_depth):
        name, heads = f"dec_blocks.{i}", config.decoder_heads
        old1, old2 = x1, x2
        x1 = decoder_block(w, name, old1, old2, heads, grid1, grid2)
        x2 = decoder_block(w, name, old2, old1, heads, grid2, grid1)
    return norm(w, "dec_norm", x1), norm(w, "dec_norm", x2)


def pose(w: Weights, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
    """Transforms (B, 4, 4), float32, of decoder tokens (B, N, C)."""
    tokens = tokens.to(w["pose_head.proj.weight"].dtype)
    x = linear(w, "pose_head.proj", tokens).mT.unflatten(-1, grid)
    for i in range(2):
        y = x
        for k in (1, 2, 3):
            name = f"pose_head.res_conv.{i}.res_conv{k}"
            y = torch.relu(nn.functional.conv2d(y, w[f"{name}.weight"], w[f"{name}.bias"]))
        x = x + y
    x = x.mean((2, 3))
    for i in (0, 2):
        x = torch.relu(linear(w, f"pose_head.more_mlps.{i}", x))
    T = torch.eye(4, device=x.device).repeat(len(x), 1, 1)
    T[:, :3, 3] = linear(w, "pose_head.fc_t", x)
    M = linear(w, "pose_head.fc_rot", x).unflatten(-1, (3, 3))
    N = M / M.norm(dim=-1, keepdim=True)
    U, _, Vt = torch.linalg.svd(N.mT)
    D = torch.diag_embed(x.new_ones(len(x), 3))
    D[:, 2, 2] = torch.linalg.det(Vt.mT @ U.mT)
    T[:, :3, :3] = Vt.mT @ D @ U.mT
    return T


def poses(config: ModelConfig, w: Weights, image1: Tensor, image2: Tensor):
    """Return ``T_2_1`` and ``T_1_2`` (B, 4, 4)."""
    view1, view2 = encode(config, w, image1), encode(config, w, image2)
    tokens1, tokens2 = decode(config, w, view1, view2)
    return pose(w, tokens1, view1[1]), pose(w, tokens2, view2[1])
