"""The gate passes what is no worse, and says why with numbers."""

from __future__ import annotations

import numpy as np
import pytest

from models.gate import judge


def around(mean: float, seed: int = 1, listeners: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.05, listeners)


def test_the_first_candidate_passes_where_it_beats_popularity() -> None:
    popularity = around(0.1)
    verdict = judge(around(0.2), None, popularity)
    assert verdict.passed
    assert verdict.against_published is None
    assert f"popularity has {popularity.mean():.4f}" in verdict.reasons[0]


def test_losing_to_popularity_is_refused() -> None:
    verdict = judge(around(0.1), None, around(0.2))
    assert not verdict.passed
    assert "worse than popularity" in verdict.reasons[0]


def test_a_clear_loss_to_what_is_published_is_refused_with_the_interval() -> None:
    verdict = judge(around(0.2), around(0.3, seed=2), around(0.1))
    assert not verdict.passed
    assert verdict.against_published is not None
    assert verdict.against_published.high < 0
    assert f"{verdict.against_published.low:+.4f} to {verdict.against_published.high:+.4f}" in verdict.reasons[1]


def test_a_loss_within_chance_passes() -> None:
    published = around(0.2)
    candidate = published + np.random.default_rng(3).normal(-0.001, 0.05, len(published))
    verdict = judge(candidate, published, around(0.1))
    assert verdict.passed
    assert "no loss beyond chance" in verdict.reasons[1]


def test_the_same_configuration_passes() -> None:
    values = around(0.2)
    assert judge(values, values, around(0.1)).passed


def test_a_tie_with_popularity_is_no_loss() -> None:
    values = around(0.2)
    assert judge(values, None, values).passed


def test_no_listener_is_no_verdict() -> None:
    with pytest.raises(ValueError, match="no listener"):
        judge(np.empty(0), None, np.empty(0))


def test_arrays_over_different_listeners_are_refused() -> None:
    with pytest.raises(ValueError, match="same listeners"):
        judge(around(0.2), around(0.2, listeners=3), around(0.1))
