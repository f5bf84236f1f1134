# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network asks of a machine."""

import pytest

from geloc3r_ros.bench.machine import arithmetic
from geloc3r_ros.model import GeLoc3r, ModelConfig


def encoder_by_hand(c, tokens):
    """Products of a view: patches, and a block's qkv, proj, MLP (12 C^2) and attention."""
    patches = 2 * tokens * 3 * c.patch_size**2 * c.encoder_dim
    block = 2 * tokens * 12 * c.encoder_dim**2 + 4 * tokens**2 * c.encoder_dim
    return patches + c.encoder_depth * block


def test_the_large_network_is_counted_in_full():
    config = ModelConfig.large()
    pair, stream = (arithmetic(config, (640, 480), new) for new in (2, 1))
    assert pair == pytest.approx(1.505e12, rel=2e-3)
    assert pair - stream == pytest.approx(encoder_by_hand(config, 768), rel=1e-6)


def test_counting_leaves_no_trace():
    config = ModelConfig.tiny()
    arithmetic(config, (640, 480), 2)
    network = GeLoc3r(config)
    image = network.decoder_embed.weight.new_zeros(1, 3, 192, 256)
    view = network.encode(image)
    assert view.tokens.isfinite().all()
    assert all(raw.isfinite().all() for raw in network.decode(view, view))
