"""What a fit is offered, and what no learner is fitted on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base import Interactions
from models.learners import Learner, Watch, learner
from models.popularity import Popularity, fit_popularity
from tests.models.contract import checkerboard


def watched(interactions: Interactions, watch: Watch, checkpoints: Path) -> Popularity:
    watch("loss", 1, 0.5)
    (checkpoints / "half way").touch()
    return fit_popularity(interactions)


def test_a_fit_that_asks_for_them_is_given_a_watch_and_a_folder(tmp_path: Path) -> None:
    told: list[tuple[str, int, float]] = []
    found = Learner("watched", f"{__name__}:watched")
    found.fitted(checkerboard(), found.settings(), lambda *point: told.append(point), tmp_path / "own")
    assert told == [("loss", 1, 0.5)]
    assert (tmp_path / "own" / "half way").exists()


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
