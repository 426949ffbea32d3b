"""Logged impressions: as they looked at their moment, with labels from what became of them, and nothing later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.base import Interactions
from models.ranking.counting import Plays
from models.ranking.features import NAMES
from models.ranking.lists import Lists
from models.ranking.logged import Shown, last_before, logged
from models.ranking.pseudo import corpus_before
from models.ranking.training import ENOUGH, fit_plays, fit_shown_forest
from models.ranking.two_stage import TwoStage
from tests.models.contract import files as contents
from tests.models.ranking.listening import CONFIG, LISTENERS, TRACKS, listening
from warehouse.rules.outcomes import OUTCOME_WINDOW_MS

SLOTS = 4


@pytest.fixture(scope="module")
def history() -> Interactions:
    return listening()


def shown_at(moments_s: np.ndarray, listeners: np.ndarray) -> Shown:
    """An answer of some tracks at each moment; the one in slot 1 was played."""
    answers = np.repeat(np.arange(len(moments_s)), SLOTS)
    slots = np.tile(np.arange(SLOTS), len(moments_s))
    tracks = (7 * answers + 11 * slots) % TRACKS
    played = (slots == 1).astype(np.int64)
    return Shown(answers, np.repeat(listeners, SLOTS), tracks, slots, np.repeat(moments_s, SLOTS), played)


def test_what_comes_after_an_answer_changes_nothing_of_how_it_looked(history: Interactions) -> None:
    plays = Plays.of(history)
    began_s, moment_s = np.quantile(plays.started_s, [0.6, 0.8]).tolist()
    shown = shown_at(np.full(LISTENERS, moment_s), np.arange(LISTENERS))
    later = plays.started_s >= moment_s
    other = replace(plays, tracks=np.where(later, (plays.tracks * 5 + 11) % TRACKS, plays.tracks))
    assert (other.tracks != plays.tracks).any()
    found, changed = (logged(corpus_before(one, began_s, TRACKS, CONFIG), one, shown, CONFIG) for one in (plays, other))
    assert len(found) > LISTENERS / 2
    np.testing.assert_array_equal(found.rows, changed.rows)


def test_a_play_just_before_an_answer_is_known_and_one_at_its_moment_is_not(history: Interactions) -> None:
    plays = Plays.of(history)
    first = int(np.searchsorted(plays.listeners, 3))
    assert last_before(plays, 3, float(plays.started_s[first + 2])) == first + 1
    assert last_before(plays, 3, float(plays.started_s[first + 2]) + 1) == first + 2
    assert last_before(plays, 3, float(plays.started_s[first])) is None
    assert last_before(plays, LISTENERS + 5, np.inf) is None


def test_labels_and_slots_are_those_of_the_answer(history: Interactions) -> None:
    plays = Plays.of(history)
    began_s, moment_s = np.quantile(plays.started_s, [0.6, 0.8]).tolist()
    shown = shown_at(np.array([moment_s]), np.array([5]))
    found = logged(corpus_before(plays, began_s, TRACKS, CONFIG), plays, shown, CONFIG)
    assert (found.played.tolist(), found.slots.tolist()) == ([0, 1, 0, 0], [0, 1, 2, 3])
    assert (found.listeners.tolist(), found.pairs.tolist()) == ([5], [3])


def test_only_what_had_been_shown_for_a_day_is_settled() -> None:
    window_s = OUTCOME_WINDOW_MS / 1_000
    shown = shown_at(np.array([0.0, 10.0]), np.array([0, 1]))
    assert len(shown.settled(window_s)) == 1
    assert len(shown.settled(window_s + 10)) == 2
    assert len(shown.settled(0.0)) == 0


@pytest.mark.parametrize("answers", [ENOUGH - 1, ENOUGH])
def test_few_answers_teach_no_forest_of_their_own(history: Interactions, answers: int) -> None:
    plays = Plays.of(history)
    shown = shown_at(np.full(answers, plays.started_s.max()), np.arange(answers) % LISTENERS)
    model, learned = fit_plays(plays, history.weights, CONFIG, shown)
    assert learned.logged == (answers if answers >= ENOUGH else 0)
    assert learned.replayed > 100
    assert (model.of_shown is None) == (answers < ENOUGH)
    assert (model.recommending is model) == (answers < ENOUGH)


def test_a_forest_of_answers_is_saved_with_the_model_and_made_the_same_again(
    history: Interactions, tmp_path: Path
) -> None:
    plays = Plays.of(history)
    shown = shown_at(np.full(ENOUGH, plays.started_s.max()), np.arange(ENOUGH) % LISTENERS)
    for name in ("first", "second"):
        fit_plays(plays, history.weights, CONFIG, shown)[0].save(tmp_path / name)
    loaded = TwoStage.load(tmp_path / "first")
    loaded.save(tmp_path / "third")
    assert contents(tmp_path / "first") == contents(tmp_path / "second") == contents(tmp_path / "third")
    assert "forest_of_shown.txt" in contents(tmp_path / "first")


def test_a_slot_that_is_looked_at_less_takes_nothing_from_its_tracks() -> None:
    """Two kinds of tracks, one twice as good, the good ones always low down: the forest ranks them by kind."""
    random = np.random.default_rng(4)
    kind = np.tile([0, 1], 4_000)
    slots = np.where(kind == 1, random.integers(0, 2, len(kind)), 0)
    played = (random.random(len(kind)) < np.array([0.2, 0.4])[kind] * np.array([1.0, 0.3])[slots]).astype(np.int64)
    rows = np.zeros((len(kind), len(NAMES)), np.float32)
    rows[:, 0] = kind
    sizes = np.full(len(kind) // 2, 2)
    lists = Lists(rows, played, slots, sizes, np.zeros(len(sizes), np.int64), len(sizes))
    poor, good = fit_shown_forest(lists, CONFIG).scores(rows[:2])
    assert played[kind == 1].mean() < 1.4 * played[kind == 0].mean()
    assert np.exp(good - poor) > 1.6


def test_pairs_in_the_right_order_are_counted_as_by_hand() -> None:
    played, scores = np.array([1, 0, 0, 1, 0, 1]), np.array([0.5, 0.5, 0.1, 0.2, 0.9, 0.3])
    nothing, sizes = np.zeros(6, np.int64), np.array([3, 3])
    lists = Lists(np.zeros((6, len(NAMES)), np.float32), played, nothing, sizes, nothing[:2], 2)
    assert lists.pairs.tolist() == [2, 2]
    assert lists.ordered_rightly(scores).tolist() == [1.5, 0]
