"""From candidates to a list: what is drawn is drawn by the chances that are logged."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from models.base import Positions, Taste
from serving.service.asking import Artists, Asked
from serving.service.listening import Listening, Weighed
from warehouse.reading import CurrentTaste

NOTHING = np.empty(0, np.int64)
ITEMS, SCORES = np.array([7, 3, 9, 4, 5]), np.array([2.0, 1.8, 1.5, 1.0, 0.2])
ARTISTS = {7: "a", 3: "a", 9: "a", 4: "b", 5: None, 8: "b", 6: "b"}
DRAWS = 8_000


def artists(items: Positions) -> list[str | None]:
    return [ARTISTS[item] for item in items.tolist()]


def asked(count: int, seed: int, *before: int, temperature: float | None = 0.8, by: Artists | None = artists) -> Asked:
    known = Weighed(
        Listening(CurrentTaste((), (), {})), Taste.unknown(), (), np.empty(0), NOTHING, NOTHING, None, Taste.unknown()
    )
    return Asked(known, NOTHING, count, seed, temperature, np.array(before, np.int64), by)


@pytest.mark.parametrize(("before", "pool"), [((), [7, 3, 4, 5]), ((6, 8), [7, 3, 5])])
def test_a_list_is_drawn_from_what_the_cap_leaves_by_exactly_the_chances_that_it_tells(
    before: tuple[int, ...], pool: list[int]
) -> None:
    scores = dict(zip(ITEMS.tolist(), SCORES.tolist(), strict=True))
    scale = 0.8 * float(np.std([scores[item] for item in pool]))
    worth = {item: float(np.exp(scores[item] / scale)) for item in pool}
    lists = [asked(2, seed, *before).chosen(ITEMS, SCORES) for seed in range(DRAWS)]
    drawn = Counter(tuple(one.items.tolist()) for one in lists)
    told = {tuple(one.items.tolist()): one.propensities for one in lists}
    assert set(drawn) <= set(permutations(pool, 2))
    for first, second in permutations(pool, 2):
        total = sum(worth.values())
        chances = [worth[first] / total, worth[second] / (total - worth[first])]
        assert drawn[first, second] / DRAWS == pytest.approx(np.prod(chances), abs=0.02)
        if (first, second) in told:
            assert told[first, second] == pytest.approx(chances)


def test_what_the_first_page_left_by_bad_luck_opens_the_second_as_often_as_its_chances_tell() -> None:
    items, scores = np.arange(12), np.linspace(3.0, 0.0, 12)
    opened, chances = [], []
    for seed in range(2_000):
        shown = asked(3, seed, by=None).chosen(items, scores).items
        if 0 in shown:  # the best of all
            continue
        left = np.setdiff1d(items, shown)
        page = asked(3, seed, *shown.tolist(), by=None).chosen(left, scores[left])
        worth = np.exp(scores[left] / (0.8 * np.std(scores[left])))
        first = np.searchsorted(left, page.items[0])
        assert page.propensities is not None
        assert page.propensities[0] == pytest.approx(worth[first] / worth.sum())
        opened.append(first == 0)
        chances.append(worth[0] / worth.sum())
    deviation = np.sqrt(sum(chance * (1 - chance) for chance in chances))
    assert abs(sum(opened) - sum(chances)) < 5 * deviation


@pytest.mark.parametrize("before", [(), (6, 8)])
def test_with_a_seed_each_page_is_drawn_the_same_each_time(before: tuple[int, ...]) -> None:
    one, again = (asked(3, 7, *before).chosen(ITEMS, SCORES).items.tolist() for _ in range(2))
    assert one == again


def test_where_the_cap_leaves_too_few_the_best_of_the_others_are_drawn_too() -> None:
    shown = asked(4, 1, 6, 8).chosen(ITEMS, SCORES)
    assert sorted(shown.items.tolist()) == [3, 5, 7, 9]
    assert shown.propensities is not None
    assert shown.propensities[-1] == 1.0


def test_pages_before_count_for_their_artists() -> None:
    assert asked(3, 1, 6, 8, temperature=None).chosen(ITEMS, SCORES).items.tolist() == [7, 3, 5]
