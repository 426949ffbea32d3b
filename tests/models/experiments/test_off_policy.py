"""Off-policy estimates on logs whose truth is known: unbiased, rightly unsure, honest about what was not shown."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import Floats
from models.experiments.off_policy import (
    Predicted,
    Rounds,
    direct_method,
    doubly_robust,
    expected,
    inverse_propensity,
    self_normalised,
    support,
)
from models.experiments.reward_model import cross_fitted, fit_rewards
from models.ranking.rerank import explored

TRACKS, SLOTS = 8, 3
WORTH = np.linspace(0.05, 0.6, TRACKS)
LOGGED = np.linspace(2.0, 1.0, TRACKS) / np.linspace(2.0, 1.0, TRACKS).sum()
TARGET = np.linspace(1.0, 4.0, TRACKS) / np.linspace(1.0, 4.0, TRACKS).sum()
TRUTH = float(TARGET @ WORTH)


def log_of(random: np.random.Generator, rounds: int, target: Floats = TARGET) -> tuple[Rounds, np.ndarray]:
    """Rounds of listeners who play more or less, three slots each, and the tracks that they were shown."""
    tracks = random.choice(TRACKS, rounds, p=LOGGED)
    units = np.arange(rounds) // SLOTS
    keen = np.repeat(random.choice([0.5, 1.5], -(-rounds // SLOTS)), SLOTS)[:rounds]
    rewards = (random.random(rounds) < WORTH[tracks] * keen).astype(np.float64)
    return Rounds(rewards, LOGGED[tracks], target[tracks], units), tracks


def predicted(tracks: np.ndarray, worth: Floats) -> Predicted:
    return Predicted(worth[tracks], np.full(len(tracks), float(TARGET @ worth)))


def test_ips_and_doubly_robust_are_right_on_average_and_their_intervals_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    bad_model = np.full(TRACKS, 0.3)
    held = {"ips": 0, "snips": 0, "doubly robust": 0}
    values: dict[str, list[float]] = {name: [] for name in held}
    for _ in range(400):
        log, tracks = log_of(random, 1_500)
        estimates = {
            "ips": inverse_propensity(log),
            "snips": self_normalised(log),
            "doubly robust": doubly_robust(log, predicted(tracks, bad_model)),
        }
        for name, estimate in estimates.items():
            interval = estimate.normal()
            held[name] += interval.low <= TRUTH <= interval.high
            values[name].append(estimate.value)
    for name in held:
        error = np.std(values[name]) / np.sqrt(len(values[name]))
        assert abs(np.mean(values[name]) - TRUTH) < 4 * error, name
        assert 0.92 < held[name] / 400 < 0.98, name


def chances_in_lists(scores: Floats, lists: np.ndarray) -> Floats:
    """How likely each slot of lists [lists, slots] is, given those above it, where tracks are drawn by exp(score)."""
    masses = np.exp(scores)[lists]
    return masses / (np.exp(scores).sum() - np.cumsum(masses, axis=1) + masses)


def test_lists_drawn_without_replacement_tell_what_another_draw_would_earn() -> None:
    running, other = np.linspace(0.0, 0.8, TRACKS), np.linspace(1.5, 0.0, TRACKS)
    every = np.array(list(permutations(range(TRACKS), SLOTS)))
    truth = float(chances_in_lists(other, every).prod(axis=1) @ WORTH[every].mean(axis=1))
    random = np.random.default_rng(8)
    drawn = [explored(running, SLOTS, 1.0, random) for _ in range(6_000)]
    tracks, propensities = np.array([one.places for one in drawn]), np.array([one.propensities for one in drawn])
    np.testing.assert_allclose(propensities, chances_in_lists(running, tracks))
    targets = chances_in_lists(other, tracks)
    weights = np.cumprod(targets / propensities, axis=1)
    above = np.hstack([np.ones((len(drawn), 1)), weights[:, :-1]])
    rewards = (random.random(tracks.shape) < WORTH[tracks]).astype(np.float64)
    units = np.repeat(np.arange(len(drawn)), SLOTS)
    log = Rounds(rewards.ravel(), propensities.ravel(), targets.ravel(), units, above.ravel())

    left = np.exp(other) * np.stack([~np.isin(range(TRACKS), shown[:at]) for shown in tracks for at in range(SLOTS)])
    wrong = WORTH[::-1]
    foretold = Predicted(wrong[tracks].ravel(), left @ wrong / left.sum(axis=1))
    for estimate in (inverse_propensity(log), self_normalised(log), doubly_robust(log, foretold)):
        found = estimate.normal()
        error = (found.high - found.low) / 3.92
        assert abs(found.mean - truth) < 4 * error
    alone = inverse_propensity(Rounds(log.rewards, log.propensities, log.targets, log.units)).normal()
    assert not alone.low < truth < alone.high  # slots weighed each for itself
    assert support(log).mean_weight == pytest.approx(1.0, abs=0.05)


def test_a_good_model_makes_doubly_robust_surer_than_ips() -> None:
    log, tracks = log_of(np.random.default_rng(2), 6_000)
    ips, robust = inverse_propensity(log).normal(), doubly_robust(log, predicted(tracks, WORTH)).normal()
    assert robust.high - robust.low < ips.high - ips.low
    assert direct_method(log, predicted(tracks, WORTH)).value == pytest.approx(TRUTH)


def test_bootstrap_and_normal_approximation_agree() -> None:
    log, _ = log_of(np.random.default_rng(3), 6_000)
    for estimate in (inverse_propensity(log), self_normalised(log)):
        drawn, normal = estimate.bootstrap(seed=1), estimate.normal()
        assert drawn.mean == normal.mean
        assert drawn.high - drawn.low == pytest.approx(normal.high - normal.low, rel=0.15)


def test_rounds_of_one_listener_count_as_one() -> None:
    log, _ = log_of(np.random.default_rng(4), 300)
    rewards, propensities, targets = (np.repeat(told, 2) for told in (log.rewards, log.propensities, log.targets))
    twice = Rounds(rewards, propensities, targets, np.repeat(log.units, 2))
    assert inverse_propensity(twice).normal() == inverse_propensity(log).normal()


@given(st.integers(1, 200), st.integers(0, 10_000))
def test_the_policy_that_was_logged_is_worth_what_was_earned(rounds: int, seed: int) -> None:
    log, tracks = log_of(np.random.default_rng(seed), rounds, LOGGED)
    earned = pytest.approx(log.rewards.mean())
    assert inverse_propensity(log).value == earned
    assert self_normalised(log).value == earned
    assert doubly_robust(log, Predicted(WORTH[tracks], WORTH[tracks])).value == earned
    carries = support(log)
    assert carries.effective_rounds == pytest.approx(rounds)
    assert (carries.mean_weight, carries.clipped) == (1.0, 0.0)


def test_clipping_is_told_and_takes_variance_for_bias() -> None:
    log, _ = log_of(np.random.default_rng(5), 6_000)
    free, cut = support(log), support(log, clip=1.5)
    assert cut.clipped > 0
    assert cut.effective_rounds > free.effective_rounds
    assert free.largest_weight == cut.largest_weight == pytest.approx((TARGET / LOGGED).max())
    assert inverse_propensity(log, clip=1.5).value < inverse_propensity(log).value


def test_a_policy_that_shows_what_was_never_shown_has_no_support() -> None:
    elsewhere = np.zeros(TRACKS)
    log, _ = log_of(np.random.default_rng(6), 60, elsewhere)
    carries = support(log)
    assert (carries.mean_weight, carries.effective_rounds, carries.never_target) == (0.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="nothing that was logged"):
        self_normalised(log)


def test_an_expectation_is_over_the_choices_of_each_round() -> None:
    found = expected(2, np.array([0, 0, 1]), np.array([0.2, 0.6, 0.5]), np.array([1.0, 0.0, 0.7]))
    assert found.tolist() == pytest.approx([0.25, 0.7])
    with pytest.raises(ValueError, match="round 1 without a choice"):
        expected(2, np.array([0]), np.array([1.0]), np.array([1.0]))


@pytest.mark.parametrize(
    ("rewards", "propensities", "targets", "said"),
    [
        ([1.0], [0.0], [0.5], "propensity of 0.0"),
        ([1.0], [0.5], [1.5], "target of 1.5"),
        ([np.nan], [0.5], [0.5], "not finite"),
        ([], [], [], "1 round or more"),
        ([1.0], [np.nan], [0.5], "propensity of nan"),
    ],
)
def test_a_log_that_cannot_be_says_why(
    rewards: list[float], propensities: list[float], targets: list[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Rounds(np.array(rewards), np.array(propensities), np.array(targets), np.arange(len(rewards)))


def test_what_is_above_a_round_weighs_from_nothing_on() -> None:
    one = np.ones(1)
    with pytest.raises(ValueError, match="from 0 on"):
        Rounds(one, one, one, np.zeros(1, np.int64), -one)


def test_a_model_of_rewards_learns_what_slots_and_tracks_are_worth() -> None:
    random = np.random.default_rng(7)
    tracks, slots = random.integers(0, TRACKS, 40_000), random.integers(0, SLOTS, 40_000)
    rewards = (random.random(40_000) < WORTH[tracks] * (1 - 0.1 * slots)).astype(float)
    model = fit_rewards(tracks, slots, rewards, catalog=TRACKS + 1)
    assert model.predict(np.arange(TRACKS), np.ones(TRACKS, np.int64)) == pytest.approx(WORTH * 0.9, abs=0.04)
    assert model.predict(np.array([TRACKS]), np.array([9])) == pytest.approx(model.of_slot[-1:])


def test_no_round_is_predicted_from_its_own_reward() -> None:
    tracks, slots, units = np.array([0, 1, 0, 1]), np.zeros(4, np.int64), np.array([0, 1, 2, 3])
    rewards = np.array([1.0, 0.0, 1.0, 0.0])
    before = cross_fitted(tracks, slots, rewards, units, 2).predict(tracks, slots, units)
    changed = cross_fitted(tracks, slots, np.array([0.0, 0.0, 1.0, 0.0]), units, 2).predict(tracks, slots, units)
    assert before[0] == changed[0]
    assert before[1] != changed[1]
    with pytest.raises(ValueError, match="of even and of odd number"):
        cross_fitted(tracks, slots, rewards, np.zeros(4, np.int64), 2)
