"""Inference that may be looked at daily: its errors over many simulated experiments, and what CUPED takes away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from models.base import Floats, Positions
from models.experiments.cuped import cuped
from models.experiments.sequential import ConfidenceSequence, Moments, confidence_sequence, spread_at_plan

DAYS, A_DAY = 28, 100  # listeners a day and arm
LOOKS = np.arange(1, DAYS + 1, dtype=np.int64) * A_DAY
PLANNED = 2 * DAYS * A_DAY
Draw = Callable[[np.random.Generator, int], Floats]

# What listeners do is skewed and full of zeros: so are these, of deviations 1 to about 3.
METRICS: dict[str, Draw] = {
    "normal": lambda random, count: random.normal(size=count),
    "played or not, one in ten": lambda random, count: (random.random(count) < 0.1).astype(float),
    "plays a week": lambda random, count: random.poisson(random.gamma(0.5, 6.0, count)).astype(float),
}


def looked_at(control: Floats, treatment: Floats, looks: Positions = LOOKS) -> ConfidenceSequence:
    return confidence_sequence(Moments.of(control, looks), Moments.of(treatment, looks), PLANNED)


@pytest.mark.parametrize("metric", METRICS)
def test_daily_peeking_finds_what_is_not_there_less_often_than_alpha(metric: str) -> None:
    random, draw = np.random.default_rng(7), METRICS[metric]
    runs = [looked_at(draw(random, LOOKS[-1]), draw(random, LOOKS[-1])) for _ in range(1_500)]
    assert np.mean([run.decided_at is not None for run in runs]) < 0.05


@pytest.mark.parametrize("metric", METRICS)
def test_all_intervals_of_an_experiment_hold_the_truth_at_once(metric: str) -> None:
    random, draw = np.random.default_rng(8), METRICS[metric]
    runs = [looked_at(draw(random, LOOKS[-1]), draw(random, LOOKS[-1]) + 0.3) for _ in range(1_000)]
    missed = [bool(((run.low > 0.3) | (run.high < 0.3)).any()) for run in runs]
    assert np.mean(missed) < 0.05


def test_a_fixed_test_looked_at_daily_would_be_wrong_far_more_often() -> None:
    random = np.random.default_rng(9)
    wrong = []
    for _ in range(400):
        a, b = (Moments.of(random.normal(size=LOOKS[-1]), LOOKS) for _ in range(2))
        z = (b.mean - a.mean) / np.sqrt(a.variance / a.count + b.variance / b.count)
        wrong.append((2 * norm.sf(np.abs(z)) < 0.05).any())
    assert np.mean(wrong) > 0.2


def test_an_effect_planned_for_is_found_mostly_and_a_large_one_early() -> None:
    random = np.random.default_rng(10)
    error = np.sqrt(2 / LOOKS[-1])
    planned = [looked_at(*random.normal([[0.0], [4.2 * error]], 1.0, (2, LOOKS[-1]))) for _ in range(300)]
    large = [looked_at(*random.normal([[0.0], [8 * error]], 1.0, (2, LOOKS[-1]))) for _ in range(300)]
    assert np.mean([run.decided_at is not None for run in planned]) > 0.85  # a fixed test at the end: .987
    assert np.median([run.decided_at if run.decided_at is not None else DAYS for run in large]) < DAYS / 2


@given(st.floats(0.001, 0.2))
def test_the_mixture_is_narrowest_where_it_was_planned(alpha: float) -> None:
    def half2(log_width: float) -> float:
        width = np.exp(log_width)
        return float((1 + 1 / width) * (np.log1p(width) - 2 * np.log(alpha)))

    best = minimize_scalar(half2, bounds=(-3, 8), method="bounded")
    assert half2(np.log(spread_at_plan(alpha))) == pytest.approx(best.fun, rel=1e-6)


@given(st.integers(0, 1_000_000))
def test_the_first_look_whose_interval_leaves_out_nothing_is_the_one_where_p_falls_to_alpha(seed: int) -> None:
    random = np.random.default_rng(seed)
    run = looked_at(random.normal(size=LOOKS[-1]), random.normal(0.08, size=LOOKS[-1]))
    outside = (run.low > 0) | (run.high < 0)
    assert run.decided_at == (int(outside.argmax()) if outside.any() else None)
    assert (np.diff(run.p_value) <= 0).all()


def test_nothing_is_said_before_the_burn_in() -> None:
    looks = np.array([0, 1, 99, 100])
    run = looked_at(np.zeros(100), np.arange(100.0) + 500, looks)
    assert np.isinf(run.high[:3]).all()
    assert (run.p_value[:3] == 1).all()
    assert run.decided_at == 3


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_moments_so_far_are_those_of_the_values_so_far(values: list[float]) -> None:
    told = np.array(values)
    moments = Moments.of(told, np.arange(2, len(told) + 1))
    scale = float(np.abs(told).max()) + 1e-6
    for place, size in enumerate(moments.count):
        assert moments.mean[place] == pytest.approx(told[:size].mean(), abs=1e-12 * scale)
        assert moments.variance[place] == pytest.approx(told[:size].var(ddof=1), abs=1e-12 * scale**2)


def test_arms_that_are_equal_but_for_rounding_never_differ() -> None:
    values = np.full(LOOKS[-1], 0.1)
    assert (looked_at(values, values + 1e-17 * np.arange(len(values))).p_value == 1).all()
    other = confidence_sequence(Moments.of(values[:500], LOOKS[:5]), Moments.of(values, LOOKS[:5]), PLANNED)
    assert (other.p_value == 1).all()


def test_arms_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="wanted finite ones"):
        Moments.of(np.array([1.0, np.nan]), np.array([2]))
    with pytest.raises(ValueError, match="shrinks"):
        Moments.of(np.ones(5), np.array([3, 2]))
    arm = Moments.of(np.ones(5), np.array([2, 5]))
    with pytest.raises(ValueError, match="0 listeners planned"):
        confidence_sequence(arm, arm, planned=0)


def test_cuped_leaves_the_part_of_the_variance_that_the_past_does_not_tell() -> None:
    random = np.random.default_rng(11)
    before = random.gamma(2.0, 5.0, 50_000)
    values = 0.8 * before + random.normal(0, before.std() * 0.6, len(before))
    found = cuped(values, before)
    assert found.theta == pytest.approx(0.8, abs=0.02)
    assert found.kept == pytest.approx(1 - np.corrcoef(values, before)[0, 1] ** 2, rel=1e-6)
    assert found.values.mean() == pytest.approx(values.mean())


def test_cuped_moves_no_difference_on_average_and_daily_looks_stay_honest() -> None:
    random = np.random.default_rng(12)
    runs = []
    for _ in range(600):
        before = random.poisson(random.gamma(1.0, 5.0, 2 * LOOKS[-1])).astype(float)
        adjusted = cuped(random.poisson(before + 1.0).astype(float), before).values
        runs.append(looked_at(adjusted[::2], adjusted[1::2]))
    assert np.mean([run.decided_at is not None for run in runs]) < 0.05
    last = np.array([run.difference[-1] for run in runs])
    assert abs(last.mean()) < 4 * last.std() / np.sqrt(len(last))


def test_cuped_of_a_past_that_says_nothing_changes_nothing() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert cuped(values, np.full(3, 7.0)).values.tolist() == values.tolist()
    with pytest.raises(ValueError, match="0 for who is new"):
        cuped(values, np.array([1.0, np.nan, 2.0]))
