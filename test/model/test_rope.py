# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest
import torch

from geloc3r_ros.model.rope import rotary_table, rotate

CPU = torch.device("cpu")


def test_turns_by_hand_computed_angles():
    # Eight channels: pairs (0, 2) and (1, 3) turn with the row by y and y / 10 radians,
    # pairs (4, 6) and (5, 7) with the column by x and x / 10.
    table = rotary_table((2, 3), 8, torch.float64, CPU)
    x = torch.zeros(6, 1, 8, dtype=torch.float64)
    x[:, :, [0, 1, 4, 5]] = 1
    turned = rotate(x, table)[5, 0]  # the last token: row 1, column 2
    angles = torch.tensor([1, 0.1, 2, 0.2], dtype=torch.float64)
    torch.testing.assert_close(turned[[0, 1, 4, 5]], angles.cos())
    torch.testing.assert_close(turned[[2, 3, 6, 7]], angles.sin())


def test_quarter_turn_maps_the_pair_a_b_to_minus_b_a():
    cos, sin = torch.zeros(1, 1, 4), torch.tensor([-1.0, 1, -1, 1]).view(1, 1, 4)
    turned = rotate(torch.tensor([[[1.0, 2, 3, 4]]]), rotary_table((1, 1), 4, torch.float32, CPU))
    assert turned.flatten().tolist() == [1, 2, 3, 4]  # the first token stands at the origin
    table = rotary_table((1, 1), 4, torch.float32, CPU)._replace(cos=cos, signed_sin=sin)
    assert rotate(torch.tensor([[[1.0, 2, 3, 4]]]), table).flatten().tolist() == [-2, 1, -4, 3]


def test_products_depend_on_relative_position_only():
    torch.manual_seed(0)
    q, k = torch.randn(2, 16, dtype=torch.float64)
    table = rotary_table((5, 6), 16, torch.float64, CPU)
    rotated_q = rotate(q.expand(30, 1, 16), table).view(5, 6, 16)
    rotated_k = rotate(k.expand(30, 1, 16), table).view(5, 6, 16)
    assert rotated_q[1, 2] @ rotated_k[3, 3] == pytest.approx(
        (rotated_q[2, 4] @ rotated_k[4, 5]).item(), abs=1e-12
    )
    assert math.isclose(rotated_q[4, 5].norm(), q.norm())


def test_table_made_in_inference_mode_serves_training():
    with torch.inference_mode():
        table = rotary_table((7, 9), 12, torch.float32, CPU)
    x = torch.ones(63, 1, 12, requires_grad=True)
    rotate(x, table).sum().backward()
    assert x.grad.isfinite().all()
    assert rotary_table((7, 9), 12, torch.float32, CPU) is table
