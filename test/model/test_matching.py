# SPDX-FileCopyrightText: 2026 The geloc3r_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from geloc3r_ros.model.matching import (
    CELL,
    FINE_CELL,
    FINEST_CELL,
    Described,
    Matcher,
    reference_pixels,
)

GRID1, GRID2 = (3, 4), (4, 5)  # tokens; cells are twice as many either way


@pytest.fixture
def matcher():
    matcher = Matcher(8, 16)
    with torch.no_grad():
        matcher.sharpness.fill_(5.0)
        matcher.finest_sharpness.fill_(5.0)
    return matcher


def maps(shape, channels, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, *shape, channels, generator=generator)


def shifted(shape1, shape2, channels, right, down, seed):
    """Maps of two views, the second of which shows the first so many cells further on."""
    map1, map2 = maps(shape1, channels, seed), maps(shape2, channels, seed + 1)
    map2[:, down : down + shape1[0], right : right + shape1[1]] = map1
    return map1.flatten(1, 2), map2.flatten(1, 2)


def test_a_shifted_view_is_matched_to_the_pixel(matcher):
    # View 2 shows what view 1 shows two cells further right and one further down.
    coarse1, coarse2 = shifted((6, 8), (8, 10), 16, 2, 1, 0)
    coarse1, coarse2 = (torch.nn.functional.normalize(x, dim=-1) for x in (coarse1, coarse2))
    fine1, fine2 = shifted((12, 16), (16, 20), 32, 4, 2, 2)
    finest1, finest2 = shifted((24, 32), (32, 40), 16, 8, 4, 4)
    view1, view2 = Described(coarse1, fine1, finest1), Described(coarse2, fine2, finest2)
    scores = matcher.scores(coarse1, coarse2)
    assert scores.shape == (1, 48, 80)
    with torch.no_grad():
        chosen1, chosen2 = matcher.choose(scores)
        side1 = matcher.matches(chosen1, view1, view2, GRID1, GRID2)
        side2 = matcher.matches(chosen2, view2, view1, GRID2, GRID1)
    assert side1.here.shape == (1, 48, 2)
    shift = torch.tensor([2.0 * CELL, 1.0 * CELL])
    torch.testing.assert_close(side1.there, side1.here + shift, atol=0.05, rtol=0)
    # The surest of side 2 are those that view 1 shows, and they are found where they came from.
    torch.testing.assert_close(side2.there[:, :40], side2.here[:, :40] - shift, atol=0.05, rtol=0)


def test_the_finest_descriptors_have_the_last_word(matcher):
    # They show what the fine ones place right on the cell two pixels further right.
    coarse1, coarse2 = shifted((6, 8), (6, 8), 16, 0, 0, 0)
    fine1, fine2 = shifted((12, 16), (12, 16), 32, 0, 0, 2)
    finest1 = maps((24, 32), 16, 4)
    view1 = Described(coarse1, fine1, finest1.flatten(1, 2))
    view2 = Described(coarse2, fine2, finest1.roll(1, 2).flatten(1, 2))
    with torch.no_grad():
        scores = matcher.scores(
            *(torch.nn.functional.normalize(x, dim=-1) for x in (coarse1, coarse2))
        )
        chosen, _ = matcher.choose(scores)
        side = matcher.matches(chosen, view1, view2, GRID1, GRID1)
    inner = side.here[..., 0] < 63 - 2
    moved = (side.there - side.here)[inner]
    torch.testing.assert_close(moved, torch.tensor([2.0, 0.0]).expand_as(moved), atol=0.05, rtol=0)


@pytest.mark.parametrize("cell", [FINE_CELL, FINEST_CELL])
def test_matches_are_placed_between_cells(matcher, cell):
    # Two cells beside each other are equally like: the match lies between them.
    a_token = 2 * CELL // cell
    rows1, columns1, rows2, columns2 = (a_token * n for n in (*GRID1, *GRID2))
    map1, map2 = maps((rows1, columns1), 32, 1), maps((rows2, columns2), 32, 3)
    map2[0, 7, 9] = map2[0, 7, 10] = map1[0, 3, 2]
    own = torch.tensor([[[2.0, 3.0]]]) * cell + cell - 1
    near = torch.tensor([[[9.0, 8.0]]]) * cell + cell - 1
    with torch.no_grad():
        described = map1.flatten(1, 2), map2.flatten(1, 2)
        there, spread = matcher.place(cell, *described, own, near, GRID1, GRID2)
    expected = [9.5 * cell + cell - 1, 7 * cell + cell - 1]
    assert there[0, 0].tolist() == pytest.approx(expected, abs=0.05)
    assert spread.item() == pytest.approx((cell**2 / 4 + 0.1) ** 0.5, abs=0.05)  # half a cell


def test_nothing_is_found_beyond_the_edge(matcher):
    fine1, fine2 = maps((12, 16), 32, 1).flatten(1, 2), maps((16, 20), 32, 3).flatten(1, 2)
    own = reference_pixels(torch.tensor([[0, 9, 30, 47]]), GRID1[1])
    corners = reference_pixels(torch.tensor([[0, 9, 70, 79]]), GRID2[1])
    scores, places = matcher.compare(FINE_CELL, fine1, fine2, own, corners, GRID1, GRID2)
    outside = (places < 0).any(-1) | (places[..., 0] >= 80) | (places[..., 1] >= 64)
    assert outside.any()
    assert (scores.softmax(-1)[outside] == 0).all()


def test_reference_pixels():
    # Three token columns are six cells; cell 8 is row 1, column 2.
    assert reference_pixels(torch.tensor([0, 8]), 3).tolist() == [[7, 7], [23, 15]]
