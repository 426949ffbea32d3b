from __future__ import annotations

from itertools import pairwise

import pytest

from warehouse.rules.decay import HALF_LIFE_DAYS, HALF_LIVES, OLDEST_AGE, UNIT, decay_weights


def test_a_play_of_today_weighs_one_unit() -> None:
    assert decay_weights()[0] == UNIT


@pytest.mark.parametrize("half_life_days", [1, 30, HALF_LIFE_DAYS])
def test_each_half_life_halves_a_weight_exactly(half_life_days: int) -> None:
    weights = decay_weights(half_life_days)
    assert [weights[n * half_life_days] for n in range(HALF_LIVES + 1)] == [UNIT >> n for n in range(HALF_LIVES + 1)]


def test_weights_never_rise_with_age_and_end_in_the_nothing_of_the_oldest() -> None:
    weights = decay_weights()
    assert all(older <= newer for newer, older in pairwise(weights))
    assert weights[-2:] == (1, 0)
    assert len(weights) == OLDEST_AGE + 1


def test_weights_are_whole_numbers() -> None:
    assert {type(weight) for weight in decay_weights()} == {int}
