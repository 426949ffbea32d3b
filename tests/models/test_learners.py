"""What a fit is given, and what no learner is fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base import Interactions
from models.learners import Learner, SettingsWrong, learner
from models.popularity import Popularity, fit_popularity
from models.progress import Progress
from tests.models.contract import checkerboard


class Heard(Progress):
    """Remembers the points of curves."""

    def __init__(self) -> None:
        self.points: list[tuple[str, int, float]] = []

    def tell(self, curve: str, step: int, value: float) -> None:
        self.points.append((curve, step, value))


def watched(interactions: Interactions, progress: Progress) -> Popularity:
    progress.tell("loss", 1, 0.5)
    return fit_popularity(interactions)


def test_a_fit_that_asks_for_a_progress_is_given_it() -> None:
    found, heard = Learner("watched", f"{__name__}:watched"), Heard()
    found.fitted(checkerboard(), found.settings(), heard)
    assert heard.points == [("loss", 1, 0.5)]
    learner("popularity").fitted(checkerboard(), learner("popularity").settings(), heard)
    assert len(heard.points) == 1


@pytest.mark.parametrize("seed", [-1, 2**31, 10**30])
@pytest.mark.parametrize("name", ["als", "sasrec", "item-knn"])
def test_a_seed_that_some_library_would_not_take_is_refused_by_all(name: str, seed: int) -> None:
    with pytest.raises(SettingsWrong, match=f"found seed {seed}; wanted a whole number from 0 to 2147483647"):
        learner(name).settings(seed=seed)
    assert learner(name).settings(seed=7)


@pytest.mark.parametrize("part", ["weights", "transitions", "popularity", "times"])
def test_nan_is_refused_with_the_part_that_has_it(part: str) -> None:
    interactions = checkerboard()
    assert interactions.sequences is not None
    values = {
        "weights": interactions.weights.data,
        "transitions": interactions.transitions.data,
        "popularity": interactions.popularity,
        "times": interactions.sequences.started_s,
    }
    values[part][0] = np.nan
    with pytest.raises(ValueError, match=f"{part} with 1 of "):
        learner("popularity").fitted(replace(interactions), learner("popularity").settings())
