"""The alarm for arms of the wrong sizes: silent for years where they are right, loud within days where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import Positions
from models.experiments.ratio import Ratio, log_evidence, sequential

HALVES = np.array([0.5, 0.5])


def days(random: np.random.Generator, days: int, a_day: int, shares: list[float]) -> Positions:
    """Counts so far, after each day [days, arms]."""
    return np.cumsum(random.multinomial(a_day, shares, size=days), axis=0)


def test_the_worked_example_of_a_mismatch() -> None:
    # Kohavi, Tang and Xu 2020, chapter 21: clearly wrong, though it is 50.2 to 49.8.
    found = sequential(np.array([[821_588, 815_482]]), HALVES)
    assert found.verdict is Ratio.MISMATCH
    assert "821,588 / 815,482" in found.told
    assert "Do not read" in found.told


def test_right_sizes_are_sound_and_few_listeners_say_nothing() -> None:
    assert sequential(np.array([[5_040, 4_960]]), HALVES).verdict is Ratio.SOUND
    assert sequential(np.array([[3, 2]]), HALVES).verdict is Ratio.TOO_FEW


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.9, 0.1], [0.2, 0.3, 0.5]])
def test_daily_looks_raise_a_false_alarm_less_often_than_alpha(shares: list[float]) -> None:
    random, wanted = np.random.default_rng(3), np.array(shares)
    experiments = [days(random, 60, 300, shares) for _ in range(2_000)]
    alarms = np.mean([sequential(looks, wanted, alpha=0.05).verdict is Ratio.MISMATCH for looks in experiments])
    assert alarms < 0.05


def test_one_listener_in_thirty_who_is_lost_is_found_within_a_fortnight() -> None:
    random = np.random.default_rng(5)
    shares = [30 / 59, 29 / 59]
    found = [sequential(days(random, 14, 10_000, shares), HALVES).verdict for _ in range(100)]
    assert np.mean([verdict is Ratio.MISMATCH for verdict in found]) > 0.95


def test_an_alarm_stays() -> None:
    looks = np.array([[1_000, 0], [1_000, 1_000], [50_000, 50_000]])
    assert sequential(looks, HALVES).verdict is Ratio.MISMATCH


@given(st.lists(st.integers(0, 400), min_size=2, max_size=4), st.integers(1, 5))
def test_the_evidence_is_a_mean_of_one_under_the_right_shares(weights: list[int], listeners: int) -> None:
    # Over all sequences of so many listeners: the definition of a test martingale, by counting.
    shares = np.array(weights, float) + 1
    shares /= shares.sum()
    counts = np.zeros((1, len(shares)), np.int64)
    chances = np.ones(1)
    for _ in range(listeners):
        counts = (counts[:, None, :] + np.eye(len(shares), dtype=np.int64)).reshape(-1, len(shares))
        chances = (chances[:, None] * shares).ravel()
    assert chances @ np.exp(log_evidence(counts, shares)) == pytest.approx(1.0)


def test_counts_and_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="wanted a sum of 1"):
        sequential(np.array([[1, 2]]), np.array([0.5, 0.6]))
    with pytest.raises(ValueError, match="for 2 arms"):
        sequential(np.array([[1, 2, 3]]), HALVES)
    with pytest.raises(ValueError, match="oldest first"):
        sequential(np.array([[5, 5], [4, 6]]), HALVES)
