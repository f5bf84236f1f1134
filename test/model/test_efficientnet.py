# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.nn import functional

from geloc3r_ros.model.efficientnet import FEATURES, EfficientNetLite0, SameConv


@pytest.mark.parametrize(
    ("kernel", "stride", "before", "after"), [(3, 2, 0, 1), (5, 2, 1, 2), (5, 1, 2, 2)]
)
def test_padding_is_that_of_tensorflow(kernel, stride, before, after):
    # TensorFlow pads (out - 1) stride + kernel - in pixels in all, the odd one at the end.
    convolution = SameConv(2, 3, kernel, stride)
    x = torch.randn(1, 2, 8, 12)
    padded = functional.pad(x, (before, after, before, after))
    expected = functional.conv2d(padded, convolution.weight, convolution.bias, stride)
    torch.testing.assert_close(convolution(x), expected)
    assert expected.shape[2:] == (8 // stride, 12 // stride)


def test_what_a_cell_sees_is_centred_on_its_last_pixel():
    stem = EfficientNetLite0()
    with torch.no_grad():  # averages, so that what is seen has a centre of mass
        for parameter in stem.parameters():
            parameter.fill_(1 / parameter[0].numel() if parameter.ndim == 4 else 0.01)
    image = torch.zeros(1, 3, 448, 448, requires_grad=True)
    pixels = torch.arange(448.0)
    for stride, features in zip((2, 4, 8, 16), stem(image), strict=True):
        cell = 224 // stride
        (seen,) = torch.autograd.grad(features[0, :, cell, cell].sum(), image, retain_graph=True)
        weight = seen[0].sum((0, 2))
        centre = (weight * pixels).sum() / weight.sum()
        assert centre.item() == pytest.approx(stride * cell + stride - 1, abs=0.01)


def test_maps_have_the_promised_shapes():
    features = EfficientNetLite0()(torch.zeros(2, 3, 48, 64))
    for stride, features_map in zip((2, 4, 8, 16), features, strict=True):
        assert features_map.shape == (2, FEATURES[stride], 48 // stride, 64 // stride)
