"""The trial of the two stages: fitted before the split, asked after it, beside transitions."""

from __future__ import annotations

import numpy as np
import pytest

from models.ranking.counting import Plays
from models.ranking.forest_training import TooLittleHistory
from models.ranking.training import Learned
from models.ranking.trial import NEXT_TRACK, Trial, trial
from tests.models.ranking.listening import CONFIG, LISTENERS, TRACKS, listening


def test_the_next_track_of_an_album_is_found_after_the_split() -> None:
    plays = Plays.of(listening())
    found = trial(plays, float(np.quantile(plays.started_s, 0.7)), TRACKS, CONFIG)
    figures = found.figures()
    assert figures[NEXT_TRACK] == 1.0
    assert figures["listeners"] == LISTENERS
    assert found.passed


def test_two_stages_that_lose_to_transitions_beyond_chance_do_not_pass() -> None:
    some = np.ones(50)
    learned = Learned(50, 0)
    assert not Trial(0 * some, some, some, learned).passed
    assert Trial(some, some, some, learned).passed


def test_nothing_after_the_split_is_too_little() -> None:
    with pytest.raises(TooLittleHistory, match="0 moments"):
        trial(Plays.of(listening()), np.inf, TRACKS, CONFIG)
