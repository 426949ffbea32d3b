"""On the world whose truth is planted: what was shown teaches to recommend, what was played next does not as well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from jobs.world import WorldConfig
from jobs.world.shelves import SLOTS, looked_at
from models.base import Floats, Positions, Taste
from models.evaluation.bootstrap import paired
from models.ranking.pseudo import taste_at, weights_at
from models.ranking.training import fit_plays
from models.ranking.two_stage import TwoStage, TwoStageConfig
from notebooks.seeded_world import SeededWorld, seeded_world

pytestmark = pytest.mark.slow
WORLD = WorldConfig(listeners=1_500, tracks=1_500, plays=120_000, days=90)
CONFIG = TwoStageConfig(decayed=True, moments=1_500)
ASKED = 400


@dataclass(frozen=True)
class Asked:
    """Some listeners at the end of their plays, and what each track is worth to each [listeners, tracks]."""

    tastes: list[Taste]
    worth: Floats

    def value(self, lists: Positions) -> Floats:
        """The expected share of the slots that are looked at whose track is played through [listeners]."""
        looked = looked_at(np.arange(SLOTS)) / looked_at(np.arange(SLOTS)).sum()
        return (np.where(lists >= 0, np.take_along_axis(self.worth, lists, axis=1), 0.0) * looked).sum(axis=1)


@pytest.fixture(scope="module")
def made() -> SeededWorld:
    return seeded_world(WORLD)


@pytest.fixture(scope="module")
def model(made: SeededWorld) -> TwoStage:
    plays = made.in_order()
    end_s = WORLD.end_ms / 1_000
    found, learned = fit_plays(plays, weights_at(plays, end_s, WORLD.tracks, CONFIG), CONFIG, made.shown.settled(end_s))
    assert learned.logged > 1_000
    return found


@pytest.fixture(scope="module")
def asked(made: SeededWorld) -> Asked:
    plays = made.in_order()
    who = np.sort(np.random.default_rng(1).permutation(np.unique(plays.listeners))[:ASKED])
    last = np.searchsorted(plays.listeners, who, side="right") - 1
    return Asked([taste_at(plays, int(at), CONFIG) for at in last], made.worth(who))


def test_answers_teach_to_recommend_what_is_played_through(model: TwoStage, asked: Asked) -> None:
    of_shown = asked.value(model.recommending.recommend_many(asked.tastes, SLOTS, new_only=True))
    of_next = asked.value(model.recommend_many(asked.tastes, SLOTS, new_only=True))
    gained = paired(of_shown, of_next, np.ones(ASKED))
    assert gained.low > 0.02, gained


def test_either_forest_recommends_better_than_popularity(model: TwoStage, asked: Asked) -> None:
    popular = model.corpus.popular
    famous = np.array([popular[~np.isin(popular, taste.tracks)][:SLOTS] for taste in asked.tastes])
    for one in (model, model.recommending):
        lists = one.recommend_many(asked.tastes, SLOTS, new_only=True)
        gained = paired(asked.value(lists), asked.value(famous), np.ones(ASKED))
        assert gained.low > 0.2, gained
