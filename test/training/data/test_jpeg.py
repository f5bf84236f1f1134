# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tensor version of JPEG against the bytes that OpenCV writes."""

import cv2
import numpy as np
import pytest
import torch

from geloc3r_training.data.jpeg import jpeg
from geloc3r_training.data.procedural_textures import procedural_texture


def by_opencv(image, quality):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    _, data = cv2.imencode(".jpg", image[:, :, ::-1], options)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1]


def both(image, quality):
    batch = torch.from_numpy(image / 255.0).permute(2, 0, 1)[None].float()
    ours = 255 * jpeg(batch, torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy()
    return ours, by_opencv(image, quality).astype(float)


@pytest.mark.parametrize("quality", [20, 50, 90])
@pytest.mark.parametrize("kind", ["landscape", "fabric"])
def test_grey_is_what_opencv_writes_and_colour_is_near_to_it(kind, quality):
    image = procedural_texture(kind, 0, 100)[:70]
    ours, theirs = both(np.repeat(image[..., 1:2], 3, axis=2), quality)
    assert np.abs(ours - theirs).mean() < 0.4
    ours, theirs = both(image, quality)
    damage = np.abs(theirs - image).mean()
    assert np.abs(ours - theirs).mean() < 0.3 * damage + 0.2
    assert np.abs(ours - image).mean() == pytest.approx(damage, rel=0.1)


def test_each_image_has_its_quality():
    grey = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    image = grey.expand(-1, 3, -1, -1)
    both = jpeg(image.expand(2, -1, -1, -1), torch.tensor([10.0, 95.0]))
    assert torch.equal(both[1:], jpeg(image, torch.tensor([95.0])))
    errors = (both - image).abs().mean(dim=(1, 2, 3))
    assert errors[0] > 3 * errors[1]
