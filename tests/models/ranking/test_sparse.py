"""What sources say of tracks: sums, ranks and the best of each, however the terms come."""

from __future__ import annotations

import numpy as np
import pytest

from models.ranking.sparse import UNRANKED, Named, Term, in_order

TRACKS = 50
NONE = np.empty(0, np.int64)


def named() -> Named:
    terms = [
        Term(2, np.array([7, 3]), np.array([1.0, 5.0])),
        Term(0, np.array([4, 9, 4]), np.array([1.0, 2.5, 1.0])),
        Term(0, np.array([9, 8]), np.array([1.0, 4.0]), 0.5),
    ]
    return Named.summed(3, TRACKS, terms)


def test_scores_of_a_track_that_a_source_names_again_are_added() -> None:
    found = named()
    places = found.places(np.array([9, 4, 3, 8]))
    np.testing.assert_array_equal(found.at(places), [[3, 2, 0, 2], [0, 0, 0, 0], [0, 0, 5, 0]])
    np.testing.assert_array_equal(found.totals, [7, 0, 6])
    assert found.counts.tolist() == [3, 0, 2]


def test_ranks_are_among_all_that_a_source_names_and_ties_go_by_position() -> None:
    found = named()
    ranks = found.ranks(found.places(np.array([9, 4, 8, 3])))
    np.testing.assert_array_equal(ranks[0], [0, 1, 2, UNRANKED])
    np.testing.assert_array_equal(ranks[1], [UNRANKED] * 4)
    np.testing.assert_array_equal(ranks[2], [UNRANKED] * 3 + [0])


def test_the_best_of_each_source_leave_the_barred_out_and_end_at_its_depth() -> None:
    items, sources, ranks = named().best(np.array([2, 9, 9]), np.array([3, 4]))
    assert items.tolist() == [9, 8, 7]
    assert sources.tolist() == [0, 0, 2]
    assert ranks.tolist() == [0, 1, 0]
    items, _, _ = named().best(np.array([1, 0, 0]), NONE)
    assert items.tolist() == [9]


def test_parts_say_what_the_whole_says() -> None:
    parts = named().split(1)
    assert [part.keys.tolist() for part in parts] == [[4, 8, 9], [], [3, 7]]
    assert parts[2].scores.tolist() == [5, 1]


def test_sources_that_name_nothing_have_no_best_and_score_nothing() -> None:
    nothing = Named.summed(2, TRACKS, [Term(1, NONE, np.empty(0))])
    assert (nothing.at(nothing.places(np.arange(3))) == 0).all()
    assert (nothing.ranks(nothing.places(np.arange(3))) == UNRANKED).all()
    assert not len(nothing.best(np.array([5, 5]), NONE)[0])
    assert Named.summed(0, TRACKS, []).split(3) == []


def test_as_many_as_a_long_session_and_its_removals_name_are_ordered() -> None:
    size, random = 2**20 + 1, np.random.default_rng(4)
    scores = random.random(size)
    found = Named(2, size, np.sort(random.choice(2 * size, size, replace=False)), scores)
    np.testing.assert_array_equal(found.order, np.lexsort((-scores, found.source_of)))


@pytest.mark.parametrize("size", [0, 1, 1_000, 2**20 + 1])
def test_equal_numbers_stay_in_the_order_in_which_they_come(size: int) -> None:
    keys = np.random.default_rng(3).integers(0, 90, size)
    np.testing.assert_array_equal(in_order(keys), np.argsort(keys, kind="stable"))
