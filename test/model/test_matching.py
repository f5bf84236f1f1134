# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from geloc3r_ros.model.matching import CELL, FINE_CELL, Matcher, reference_pixels

GRID1, GRID2 = (3, 4), (4, 5)  # tokens; cells are twice as many either way


@pytest.fixture
def matcher():
    matcher = Matcher(8, 16)
    with torch.no_grad():
        matcher.sharpness.fill_(5.0)
    return matcher


def maps(shape, channels, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, *shape, channels, generator=generator)


def test_a_shifted_view_is_matched_to_the_pixel(matcher):
    # View 2 shows what view 1 shows two cells further right and one further down.
    coarse1 = torch.nn.functional.normalize(maps((6, 8), 16, 0), dim=-1)
    fine1 = maps((12, 16), 32, 1)
    coarse2 = torch.nn.functional.normalize(maps((8, 10), 16, 2), dim=-1)
    coarse2[:, 1:7, 2:10] = coarse1
    fine2 = maps((16, 20), 32, 3)
    fine2[:, 2:14, 4:20] = fine1
    scores = matcher.scores(coarse1.flatten(1, 2), coarse2.flatten(1, 2))
    assert scores.shape == (1, 48, 80)
    with torch.no_grad():
        chosen1, chosen2 = matcher.choose(scores)
        fine1, fine2 = fine1.flatten(1, 2), fine2.flatten(1, 2)
        side1 = matcher.matches(chosen1, fine1, fine2, GRID1, GRID2)
        side2 = matcher.matches(chosen2, fine2, fine1, GRID2, GRID1)
    assert side1.here.shape == (1, 48, 2)
    shift = torch.tensor([2.0 * CELL, 1.0 * CELL])
    torch.testing.assert_close(side1.there, side1.here + shift, atol=0.05, rtol=0)
    # The surest of side 2 are those that view 1 shows, and they are found where they came from.
    torch.testing.assert_close(side2.there[:, :40], side2.here[:, :40] - shift, atol=0.05, rtol=0)


def test_matches_are_placed_between_cells(matcher):
    # Two fine cells beside each other are equally like: the match lies between them.
    fine1, fine2 = maps((12, 16), 32, 1).flatten(1, 2), maps((16, 20), 32, 3)
    cell1, cell2 = torch.tensor([[9]]), torch.tensor([[34]])  # row 1, column 1; row 3, column 4
    own = fine1[0, 3 * 16 + 3]
    fine2[0, 7, 9] = fine2[0, 7, 10] = own
    with torch.no_grad():
        there, spread = matcher.place(fine1, fine2.flatten(1, 2), cell1, cell2, GRID1, GRID2)
    expected = [9.5 * FINE_CELL + FINE_CELL - 1, 7 * FINE_CELL + FINE_CELL - 1]
    assert there[0, 0].tolist() == pytest.approx(expected, abs=0.05)
    assert spread.item() == pytest.approx((4 + 0.1) ** 0.5, abs=0.05)  # two pixels either way


def test_nothing_is_found_beyond_the_edge(matcher):
    fine1, fine2 = maps((12, 16), 32, 1).flatten(1, 2), maps((16, 20), 32, 3).flatten(1, 2)
    cells, corners = torch.tensor([[0, 9, 30, 47]]), torch.tensor([[0, 9, 70, 79]])
    scores, places = matcher.fine_scores(fine1, fine2, cells, corners, GRID1, GRID2)
    outside = (places < 0).any(-1) | (places[..., 0] >= 80) | (places[..., 1] >= 64)
    assert outside.any()
    assert (scores.softmax(-1)[outside] == 0).all()


def test_reference_pixels():
    # Three token columns are six cells; cell 8 is row 1, column 2.
    assert reference_pixels(torch.tensor([0, 8]), 3).tolist() == [[7, 7], [23, 15]]
