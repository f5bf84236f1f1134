# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from geloc3r_ros.model.matching import CELL, FINE_CELL, FINEST_CELL, Matcher
from geloc3r_training.correlation import Drawn, coarse_loss, draw, draw_lots, fine_loss
from geloc3r_training.matching import token_matches

GRID = (6, 8)  # cells of the wall: 48 x 64 pixels
MIDDLE = torch.full((1, 1, 2), 0.5)


@pytest.fixture
def matcher():
    matcher = Matcher(8, 16)
    with torch.no_grad():
        matcher.sharpness.fill_(4.0)
        matcher.finest_sharpness.fill_(4.0)
    return matcher


def drawn_of(wall, step=0):
    truth = token_matches(wall, CELL, CELL - 1)
    return draw(truth, slice(0, 1), 48, draw_lots(truth, wall.ids, step, 0)[0])


def test_lots_belong_to_pair_and_step(wall):
    cells = drawn_of(wall).cells
    assert torch.equal(drawn_of(wall).cells, cells)
    assert not torch.equal(drawn_of(wall, step=1).cells, cells)


def test_the_wall_moves_two_cells(wall):
    # Half a metre at two metres and a focal length of 64 is 16 pixels to the left in view 2.
    drawn = drawn_of(wall)
    assert drawn.counts.sum() == 6 * 6  # two columns of eight leave the image
    cells = drawn.cells[drawn.counts]
    expected = torch.stack((cells % 8 - 2, cells // 8), -1).float()
    torch.testing.assert_close(drawn.place[drawn.counts], expected)


def test_true_matches_cost_little_and_wrong_ones_much(matcher, wall):
    drawn = drawn_of(wall)
    here = torch.nn.functional.normalize(torch.randn(1, *GRID, 16), dim=-1)
    there = torch.nn.functional.normalize(torch.randn(1, *GRID, 16), dim=-1)
    wrong, _ = coarse_loss(matcher, here.flatten(1, 2), there.flatten(1, 2), drawn, GRID)
    there[:, :, :6] = here[:, :, 2:]
    right, distance = coarse_loss(matcher, here.flatten(1, 2), there.flatten(1, 2), drawn, GRID)
    assert right < 0.1 < 3 < wrong
    assert distance[drawn.counts].max() == 0


def test_a_place_between_cells_is_shared_by_them(matcher):
    drawn = Drawn(
        torch.tensor([[0]]), torch.tensor([[[2.5, 1.0]]]), torch.tensor([[True]]), MIDDLE
    )
    here, there = torch.zeros(1, 48, 16), torch.zeros(1, 48, 16)
    here[..., 0] = 1.0
    there[0, 8 + 2, 0] = there[0, 8 + 3, 0] = 1.0  # both are like it
    loss, _ = coarse_loss(matcher, here, there, drawn, GRID)
    assert loss.item() == pytest.approx(torch.tensor(2.0).log().item(), abs=0.01)


@pytest.mark.parametrize("lot", [0.0, 0.5, 1.0])  # how far beside its place it is looked for
@pytest.mark.parametrize("cell", [FINE_CELL, FINEST_CELL])
def test_the_fine_place_is_taught(matcher, cell, lot):
    torch.manual_seed(0)
    # Cell 9 (row 1, column 1) stands for pixel (15, 15), which view 2 shows a fine cell further
    # right and two further down.
    side = 16 // cell
    map1, map2 = torch.randn(1, 3 * side, 4 * side, 32), torch.randn(1, 3 * side, 4 * side, 32)
    own = side - 1  # row and column
    map2[0, own + 2, own + 1] = map1[0, own, own]
    place = torch.tensor([[[1 + cell / CELL, 1 + 2 * cell / CELL]]])
    lots = torch.full((1, 1, 2), lot)
    drawn = Drawn(torch.tensor([[9]]), place, torch.tensor([[True]]), lots)
    grids = (3, 4), (3, 4)
    loss, distance = fine_loss(
        matcher, cell, map1.flatten(1, 2), map2.flatten(1, 2), drawn, *grids
    )
    assert distance.item() < 0.5
    assert loss < 0.2
    map2[0, own + 2, own + 1] = -map1[0, own, own]
    loss, _ = fine_loss(matcher, cell, map1.flatten(1, 2), map2.flatten(1, 2), drawn, *grids)
    assert loss > 3


def test_what_nobody_sees_teaches_nothing(matcher):
    drawn = Drawn(torch.zeros(1, 3).long(), torch.zeros(1, 3, 2), torch.zeros(1, 3).bool(), MIDDLE)
    loss, _ = coarse_loss(matcher, torch.randn(1, 48, 16), torch.randn(1, 48, 16), drawn, GRID)
    assert loss == 0
