# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import torch
from safetensors.torch import load_file

from geloc3r_training.gcr.descriptor_head import DescriptorHead

DATA = Path(__file__).parents[2] / "data"


def test_parity_with_the_public_reference():
    reference = load_file(DATA / "mast3r_descriptor_head_small.safetensors")
    head = DescriptorHead(encoder_dim=64, decoder_dim=48, patch_size=4)
    head.load_state_dict(
        {
            name.removeprefix("weights."): tensor
            for name, tensor in reference.items()
            if name.startswith("weights.")
        }
    )
    descriptors, confidences = head(reference["encoder"], reference["decoder"], (6, 8))
    torch.testing.assert_close(descriptors, reference["desc"], rtol=0, atol=1e-5)
    torch.testing.assert_close(confidences, reference["desc_conf"], rtol=1e-5, atol=1e-5)
