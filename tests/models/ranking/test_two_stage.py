"""The two stages: what they recommend, what they say of the past, and that they know nothing of the future."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.base import Interactions, ModelBroken, Sequences, Taste
from models.history import History
from models.learners import learner
from models.ranking.candidates import SOURCES, Depth
from models.ranking.counting import Plays
from models.ranking.features import NAMES, features, features_less
from models.ranking.forest import Forest
from models.ranking.forest_training import TooLittleHistory
from models.ranking.logged import Shown
from models.ranking.pseudo import corpus_before, moments_between, taste_at, weights_at
from models.ranking.training import fit_two_stage, lessons
from models.ranking.two_stage import TwoStage
from tests.models.contract import assert_citations_hold
from tests.models.contract import files as contents
from tests.models.ranking.listening import CONFIG, EACH, LENGTH, TRACKS, listening, of_plays, taste_of
from warehouse.reading import taste_now
from warehouse.rules.decay import UNIT
from warehouse.rules.quantity import DAY_MS, HOUR_MS, SECOND_MS
from warehouse.taste import Entry, TasteBase


@pytest.fixture(scope="module")
def history() -> Interactions:
    return listening()


@pytest.fixture(scope="module")
def model(history: Interactions) -> TwoStage:
    return fit_two_stage(history, CONFIG)


def following(track: int) -> int:
    return track // EACH * EACH + (track + 1) % EACH


def test_the_next_track_of_the_album_leads(model: TwoStage, history: Interactions) -> None:
    led = 0
    for listener in range(20):
        taste = taste_of(history, listener)
        assert taste.current is not None
        led += following(taste.current) in model.recommend(taste, 2).items
    assert led >= 18


def test_a_stranger_gets_nothing(model: TwoStage) -> None:
    assert len(model.recommend(Taste.unknown(), 5)) == 0
    assert (model.scores(Taste.unknown(), np.arange(TRACKS)) == 0).all()
    assert (model.explain(Taste.unknown(), np.arange(3), np.empty(0)).places == -1).all()


def test_excluded_tracks_are_not_recommended(model: TwoStage, history: Interactions) -> None:
    taste = taste_of(history, 4)
    best = model.recommend(taste, 2).items
    found = model.recommend(taste, TRACKS, best).items
    assert len(found)
    assert not set(found.tolist()) & set(best.tolist())


def test_scores_fall_and_are_those_that_it_ranks_by(model: TwoStage, history: Interactions) -> None:
    taste = taste_of(history, 5)
    found = model.recommend(taste, 20)
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_allclose(found.scores, model.scores(taste, found.items), rtol=1e-5)


def test_many_answers_are_the_single_answers(model: TwoStage, history: Interactions) -> None:
    tastes = [taste_of(history, listener) for listener in range(5)] + [Taste.unknown()]
    for new_only in (False, True):
        lists = model.recommend_many(tastes, 6, new_only=new_only)
        for taste, items in zip(tastes, lists, strict=True):
            alone = model.recommend(taste, 6, taste.tracks if new_only else None).items
            assert items[items >= 0].tolist() == alone.tolist()


def test_every_candidate_names_the_source_that_proposed_it(model: TwoStage, history: Interactions) -> None:
    taste = taste_of(history, 6)
    (evidence,) = model.read(taste)
    found = model.propose(evidence, TRACKS, np.empty(0, np.int64))
    assert set(found.sources) <= set(SOURCES)
    assert "repeat" in found.sources
    unheard = model.propose(evidence, TRACKS, taste.tracks)
    assert len(unheard.sources)
    assert "repeat" not in unheard.sources
    assert not set(unheard.items.tolist()) & set(taste.tracks.tolist())


def test_sources_go_on_where_more_are_wanted_and_what_they_found_first_keeps_its_source(
    model: TwoStage, history: Interactions
) -> None:
    few = replace(model, config=replace(CONFIG, depth=Depth(*[1] * len(SOURCES))))
    (evidence,) = few.read(taste_of(history, 6))
    barred = np.array([3, 17])
    first = few.propose(evidence, TRACKS, barred)
    assert 0 < len(first.items) < 12
    for enough in (len(first.items), len(first.items) + 1, TRACKS - 2, 2 * TRACKS):
        found = few.propose(evidence, TRACKS, barred, enough)
        assert min(enough, TRACKS - 2) <= len(found.items) == len(set(found.items.tolist()))
        assert not set(barred.tolist()) & set(found.items.tolist())
        assert (np.diff(found.scores) <= 0).all()
        sources = dict(zip(found.items.tolist(), found.sources, strict=True))
        assert [sources[item] for item in first.items.tolist()] == list(first.sources)
    assert few.propose(evidence, TRACKS, barred, len(first.items)).items.tolist() == first.items.tolist()


@pytest.mark.parametrize("listener", [0, 7, 19])
def test_every_cited_play_lowers_the_score_when_taken_back(
    model: TwoStage, history: Interactions, listener: int
) -> None:
    taste = taste_of(history, listener)
    items = model.recommend(taste, 12).items
    plays = np.where(np.arange(len(taste.tracks)) % 2, 1.0, 0.4)
    found = model.explain(taste, items, plays)
    assert (found.places >= 0).any()
    assert_citations_hold(model, taste, items, plays, found.places, found.drops)


@pytest.mark.parametrize("listener", [0, 7, 19])
def test_what_a_track_cites_does_not_depend_on_what_is_shown_beside_it(
    model: TwoStage, history: Interactions, listener: int
) -> None:
    taste = taste_of(history, listener)
    plays = np.ones(len(taste.tracks))
    whole = model.explain(taste, np.arange(TRACKS), plays)
    assert (whole.places >= 0).any(axis=1).sum() > TRACKS // 2
    for some in (np.arange(5), np.arange(0, TRACKS, 7), *np.arange(TRACKS)[:, None]):
        found = model.explain(taste, some, plays)
        assert found.places.tolist() == whole.places[some].tolist()


@pytest.mark.parametrize("listener", [2, 11])
def test_rows_less_a_play_are_the_rows_of_the_taste_without_it(
    model: TwoStage, history: Interactions, listener: int
) -> None:
    taste, items = taste_of(history, listener), np.arange(TRACKS)
    (evidence,) = model.read(taste)
    rows = features(model.corpus, evidence, items)
    for place in range(len(taste.tracks)):
        without = taste.without(place, 1.0)
        (less,), (afresh,) = model.read(without, like=evidence), model.read(without)
        for some in (items, np.setdiff1d(items, taste.tracks)):
            after = features_less(model.corpus, evidence, rows[some], less, some)
            np.testing.assert_allclose(after, features(model.corpus, afresh, some), rtol=1e-6, atol=1e-6)


def test_the_same_plays_and_seed_give_the_same_bytes_and_they_load(
    model: TwoStage, history: Interactions, tmp_path: Path
) -> None:
    model.save(tmp_path / "first")
    fit_two_stage(history, CONFIG).save(tmp_path / "second")
    loaded = TwoStage.load(tmp_path / "first")
    loaded.save(tmp_path / "third")
    assert contents(tmp_path / "first") == contents(tmp_path / "second") == contents(tmp_path / "third")
    taste = taste_of(history, 8)
    assert loaded.recommend(taste, 9).items.tolist() == model.recommend(taste, 9).items.tolist()


@pytest.mark.parametrize("damaged", ["forest.txt", "config.json", "corpus.npz"])
def test_a_damaged_file_is_told(model: TwoStage, tmp_path: Path, damaged: str) -> None:
    model.save(tmp_path)
    (tmp_path / damaged).write_text("not this\n")
    with pytest.raises(ModelBroken):
        TwoStage.load(tmp_path)


def test_features_that_are_no_numbers_are_refused(model: TwoStage) -> None:
    with pytest.raises(ValueError, match="NaN"):
        model.forest.scores(np.full((1, len(NAMES)), np.nan, np.float32))
    with pytest.raises(ValueError, match="wanted"):
        model.forest.scores(np.zeros((1, 2), np.float32))
    with pytest.raises(ModelBroken, match="text model"):
        Forest("nothing")


def test_too_little_history_to_rank_from_is_told() -> None:
    with pytest.raises(TooLittleHistory, match="wanted"):
        fit_two_stage(listening(), replace(CONFIG, moments=5))


def test_plays_without_an_order_are_refused(history: Interactions) -> None:
    unordered = Interactions(history.weights, history.transitions, history.popularity)
    with pytest.raises(ValueError, match="in order"):
        fit_two_stage(unordered, CONFIG)


def test_it_is_a_learner_with_settings() -> None:
    known = learner("two-stage")
    assert known.settings({"trees": 7}, seed=3).trees == 7
    assert known.settings(seed=3).seed == 3


def test_what_comes_after_a_moment_changes_neither_candidates_nor_features(history: Interactions) -> None:
    plays = Plays.of(history)
    moment_s = float(np.quantile(plays.started_s, 0.6))
    at = int(moments_between(plays, moment_s, np.inf)[0])
    later = Plays.of(changed_after(history, plays.started_s[at]))
    assert (later.tracks != plays.tracks).any()
    rows = []
    for told in (plays, later):
        corpus = corpus_before(told, moment_s, TRACKS, CONFIG)
        (read,) = TwoStage(CONFIG, corpus, Forest.__new__(Forest)).read(taste_at(told, at, CONFIG))
        rows.append(features(corpus, read, np.arange(TRACKS)))
    np.testing.assert_array_equal(rows[0], rows[1])


def test_the_label_is_the_track_that_was_played_next(history: Interactions) -> None:
    told, _ = lessons(Plays.of(history), TRACKS, CONFIG, Shown.nothing())
    ends = np.cumsum(told.sizes)
    labels = np.split(told.played, ends[:-1])
    assert [int(one.sum()) for one in labels] == [1] * len(labels)
    assert told.rows.shape == (ends[-1], len(NAMES))
    assert len(told) > 0.9 * told.asked


def test_a_taste_at_a_moment_is_the_listeners_plays_up_to_it(history: Interactions) -> None:
    plays = Plays.of(history)
    at = 3 * LENGTH + 2  # the first listener's fourth session, its third play
    taste = taste_at(plays, at, CONFIG)
    assert taste.current == plays.tracks[at]
    assert taste.weights.sum() == at + 1
    assert taste.recent.tracks.tolist() == plays.tracks[: at + 1].tolist()
    assert taste.recent.session == 3
    assert taste.recent.ago_s[-1] == 0


@pytest.mark.parametrize("hours_later", [0.5, 1.5, 2.0, 24.0, 26.0])
def test_a_taste_at_a_moment_weighs_plays_by_utc_days_as_serving_does(hours_later: float) -> None:
    first_ms = 19_000 * DAY_MS + 23 * HOUR_MS  # an hour before midnight
    at_ms = first_ms + int(hours_later * HOUR_MS)
    plays = Plays(np.zeros(2, np.int64), np.arange(2), np.arange(2), np.array([first_ms, at_ms]) / SECOND_MS)
    entries = tuple(Entry(f"t{at}", ms // DAY_MS, 1, 0, None, None) for at, ms in enumerate((first_ms, at_ms)))
    served = taste_now(TasteBase(entries), ()).weights(at_ms // DAY_MS)
    taste = taste_at(plays, 1, replace(CONFIG, decayed=True))
    assert (taste.weights * UNIT).tolist() == [served["t0"], served["t1"]]


def test_a_corpus_as_of_a_midnight_weighs_plays_as_the_matrix_of_that_day_does() -> None:
    midnight_ms = 19_000 * DAY_MS
    started_ms = np.array([midnight_ms - HOUR_MS, midnight_ms - DAY_MS, midnight_ms - DAY_MS - 1])
    plays = Plays(np.zeros(3, np.int64), np.arange(3), np.arange(3), started_ms / SECOND_MS)
    weights = weights_at(plays, midnight_ms / SECOND_MS, 3, replace(CONFIG, decayed=True)).toarray()
    known = History.from_plays(np.array(["ada"] * 3), np.array(["t0", "t1", "t2"]), started_ms)
    as_of = date(1970, 1, 1) + timedelta(days=19_000)
    np.testing.assert_array_equal(weights, known.known_before(as_of).interactions.weights.toarray())


def changed_after(history: Interactions, moment_s: float) -> Interactions:
    """Other tracks in all plays that began later."""
    sequences = history.sequences
    assert isinstance(sequences, Sequences)
    tracks = np.where(sequences.started_s > moment_s, (sequences.tracks * 5 + 11) % TRACKS, sequences.tracks)
    return of_plays(tracks, sequences.sessions, sequences.started_s)
