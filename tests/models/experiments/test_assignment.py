"""Assignment by hash: the same everywhere and for ever, even, independent, and still when traffic grows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from models.experiments.assignment import BASIS_POINTS, Arm, Experiment, assigned, assigned_all, bucket

LISTENERS = [f"listener-{number}" for number in range(20_000)]
CHECKOUT = Path(__file__).resolve().parents[3]
HALVES = (Arm("control", 5_000), Arm("als-v2", 5_000))


def experiment(name: str = "discover-als", traffic_bp: int = BASIS_POINTS, holdout_bp: int = 0) -> Experiment:
    return Experiment(name, HALVES, traffic_bp, holdout_bp)


def test_buckets_are_those_of_the_first_version() -> None:
    assert [bucket("discover-als", "arm", who) for who in ("ada", "noor-1056", "Ólafur", "")] == PINNED


PINNED = [9_924, 3_812, 2_578, 8_022]


def test_another_process_says_the_same_whatever_its_hash_seed() -> None:
    told = (
        "from models.experiments.assignment import *;"
        "print(assigned_all(Experiment('x', (Arm('a', 1000), Arm('b', 9000))), [str(n) for n in range(200)]))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", told],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(answers) == 1


@given(st.text(), st.text("abcé ", min_size=1, max_size=64))
def test_everybody_is_in_one_arm_where_all_take_part(listener_id: str, name: str) -> None:
    assert assigned(experiment(name), listener_id) in {"control", "als-v2"}


@pytest.mark.parametrize("shares", [(5_000, 5_000), (100, 9_900), (3_333, 3_333, 3_334)])
def test_arms_have_their_shares(shares: tuple[int, ...]) -> None:
    arms = tuple(Arm(str(place), share) for place, share in enumerate(shares))
    counts = Counter(assigned_all(Experiment("shares", arms), LISTENERS))
    wanted = np.array(shares) / BASIS_POINTS * len(LISTENERS)
    assert chisquare([counts[arm.name] for arm in arms], wanted).pvalue > 0.001


def test_buckets_are_uniform() -> None:
    counts = np.bincount([bucket("s", "arm", who) // 100 for who in LISTENERS], minlength=100)
    assert chisquare(counts).pvalue > 0.001


def test_arms_of_two_experiments_and_taking_part_are_independent() -> None:
    one = assigned_all(experiment("one"), LISTENERS)
    other = assigned_all(experiment("other"), LISTENERS)
    partly = assigned_all(experiment("other", traffic_bp=3_000), LISTENERS)
    for told in ([arm == "control" for arm in other], [arm is None for arm in partly]):
        pairs = Counter(zip(one, told, strict=True))
        grid = [[pairs[arm, said] for said in (True, False)] for arm in ("control", "als-v2")]
        assert chi2_contingency(grid).pvalue > 0.001


@given(st.lists(st.text(min_size=1), max_size=50), st.integers(0, BASIS_POINTS), st.integers(0, BASIS_POINTS))
def test_more_traffic_takes_in_others_and_moves_nobody(listeners: list[str], one: int, other: int) -> None:
    fewer, more = (assigned_all(experiment(traffic_bp=bp), listeners) for bp in sorted((one, other)))
    assert all(before in (None, after) for before, after in zip(fewer, more, strict=True))


def test_who_is_held_out_is_in_no_experiment() -> None:
    held = [{who for who in LISTENERS if assigned(experiment(name, holdout_bp=500), who) is None} for name in "ab"]
    assert held[0] == held[1]
    assert len(held[0]) == pytest.approx(0.05 * len(LISTENERS), rel=0.1)
    wider = {who for who in LISTENERS if assigned(experiment("a", holdout_bp=600), who) is None}
    assert held[0] < wider


def test_a_salt_draws_again() -> None:
    again = Experiment("discover-als", HALVES, salt="second run")
    same = np.mean([assigned(again, who) == assigned(experiment(), who) for who in LISTENERS])
    assert same == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("arms", "traffic_and_holdout", "said"),
    [
        ((Arm("a", 10_000),), (0, 0), "two arms or more"),
        ((Arm("a", 5_000), Arm("a", 5_000)), (0, 0), "two arms or more"),
        ((Arm("a", 5_000), Arm("b", 4_000)), (0, 0), "wanted a sum of 10000"),
        ((Arm("a", 0), Arm("b", 10_000)), (0, 0), "none 0"),
        ((Arm("a", 5_000), Arm("", 5_000)), (0, 0), "a name of 1 to 64"),
        ((Arm("a", 5_000), Arm("b\n", 5_000)), (0, 0), "a name of 1 to 64"),
        (HALVES, (10_001, 0), "traffic_bp 10001"),
        (HALVES, (10_000, -1), "holdout_bp -1"),
    ],
)
def test_an_experiment_that_cannot_be_says_why(
    arms: tuple[Arm, ...], traffic_and_holdout: tuple[int, int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Experiment("x", arms, *traffic_and_holdout)
