"""What is asked of an experiment: arms counted day by day, treatments beside the control, alpha shared among them."""

from __future__ import annotations

import numpy as np
import pytest

from models.experiments.assignment import Arm, Experiment
from models.experiments.ratio import Ratio
from models.experiments.study import arm_numbers, checked_sizes, compared, sizes_so_far

THREE = Experiment("three", (Arm("control", 5_000), Arm("same", 2_500), Arm("better", 2_500)))


def test_arms_are_counted_so_far_at_each_day_that_has_listeners() -> None:
    arms = arm_numbers(THREE, ["control", None, "better", "same", "control"])
    assert arms.tolist() == [0, -1, 2, 1, 0]
    assert sizes_so_far(arms, np.array([9, 10, 9, 12, 12]), 3).tolist() == [[1, 0, 1], [2, 1, 1]]


def test_sizes_are_held_to_the_shares() -> None:
    random = np.random.default_rng(1)
    days = np.arange(8_000) // 400
    right, wrong = (random.choice(3, 8_000, p=shares) for shares in ([0.5, 0.25, 0.25], [0.5, 0.3, 0.2]))
    assert checked_sizes(THREE, right, days).verdict is Ratio.SOUND
    assert checked_sizes(THREE, wrong, days).verdict is Ratio.MISMATCH
    with pytest.raises(ValueError, match="wanted one at least"):
        checked_sizes(THREE, np.full(5, -1), np.zeros(5, np.int64))


def test_the_better_arm_is_found_and_the_same_one_is_not() -> None:
    random = np.random.default_rng(2)
    arms, days = random.choice(3, 12_000, p=THREE.shares), np.arange(12_000) // 500
    before = random.gamma(2.0, 3.0, 12_000)
    values = before + random.normal(0.0, 2.0, 12_000) + 0.4 * (arms == 2)
    found = compared(THREE, arms, days, values, before, planned=12_000)
    same, better = found.compared
    assert (same.arm, same.sequence.decided_at) == ("same", None)
    assert better.sequence.decided_at is not None
    assert better.sequence.low[-1] < 0.4 < better.sequence.high[-1]
    assert better.sequence.alpha == 0.025
    assert found.kept < 0.3
    assert better.listeners == (int((arms == 0).sum()), int((arms == 2).sum()))
    plain = compared(THREE, arms, days, values, None, planned=12_000)
    assert plain.kept == 1.0
    assert np.ptp([plain.compared[1].sequence.low[-1], plain.compared[1].sequence.high[-1]]) > np.ptp(
        [better.sequence.low[-1], better.sequence.high[-1]]
    )


def test_fewer_listeners_than_two_arms_need_cannot_be_planned() -> None:
    with pytest.raises(ValueError, match="1 listeners planned; wanted 2 at least"):
        compared(THREE, np.array([0, 1, 2]), np.array([1, 1, 1]), np.ones(3), None, planned=1)
