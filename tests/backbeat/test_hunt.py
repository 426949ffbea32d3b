"""A trial ends when its time is over: between the steps of a fit that tells them, anywhere in one that does not."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

from backbeat.hunt import Clock, OutOfTime
from models.base import Interactions
from models.learners import Learner
from models.popularity import Popularity, fit_popularity
from models.progress import Checkpoint, Progress
from tests.models.contract import checkerboard

begun: list[int] = []


def by_steps(interactions: Interactions, progress: Progress) -> Popularity:
    for step in range(3):
        begun.append(step)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        progress.keep(Checkpoint(step + 1, {"state": np.zeros(1)}))
    return fit_popularity(interactions)


def at_once(_interactions: Interactions) -> Popularity:
    time.sleep(60)
    raise AssertionError("nothing ended it")


def test_a_fit_that_tells_its_steps_is_ended_after_one_and_by_no_signal() -> None:
    known = Learner("by steps", f"{__name__}:by_steps")
    begun.clear()
    with pytest.raises(OutOfTime):
        Clock(0.0).fitted(known, checkerboard(), known.settings())
    assert begun == [0]


def test_a_fit_with_time_left_comes_to_its_end() -> None:
    known = Learner("by steps", f"{__name__}:by_steps")
    begun.clear()
    Clock(3600.0).fitted(known, checkerboard(), known.settings())
    assert begun == [0, 1, 2]


def test_a_fit_without_steps_is_ended_where_it_is() -> None:
    known, before = Learner("at once", f"{__name__}:at_once"), signal.getsignal(signal.SIGALRM)
    with pytest.raises(OutOfTime):
        Clock(0.05).fitted(known, checkerboard(), known.settings())
    assert signal.getsignal(signal.SIGALRM) is before
