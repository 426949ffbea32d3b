"""What every model must hold: a test class inherits `ModelContract` and says how it is fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.base import Interactions, Model, ModelBroken, Recent, Sequences, Taste, TrackPosition

LISTENERS, TRACKS = 24, 12


def checkerboard() -> Interactions:
    """Even listeners play even tracks, odd ones odd tracks; all but one of them, which is what there is to find.

    Within a session a track is followed by the next of its colour, twice by the one after that; each listener has
    played theirs in order of position, in one session.
    """
    rows, columns = np.meshgrid(np.arange(LISTENERS), np.arange(TRACKS), indexing="ij")
    plays = ((rows + columns) % 2 == 0).astype(np.float32)
    plays[np.arange(LISTENERS), missing(np.arange(LISTENERS))] = 0.0
    follows = np.zeros((TRACKS, TRACKS), np.float32)
    follows[np.arange(TRACKS), (np.arange(TRACKS) + 2) % TRACKS] = 1.0
    follows[np.arange(TRACKS), (np.arange(TRACKS) + 4) % TRACKS] = 2.0
    played_by, tracks = np.nonzero(plays)
    starts = np.searchsorted(played_by, np.arange(LISTENERS + 1))
    sequences = Sequences(starts, tracks, played_by, np.arange(len(tracks), dtype=np.float64))
    return Interactions(csr_array(plays), csr_array(follows), plays.sum(axis=0, dtype=np.float64), sequences)


def missing(listeners: np.ndarray) -> np.ndarray:
    """The one track of its colour that each listener has not played."""
    return (2 * (listeners // 2) + listeners % 2) % TRACKS


def taste_of(listener: int, interactions: Interactions) -> Taste:
    """The listener's row, having just played its last track."""
    tracks = np.flatnonzero(interactions.weights.toarray()[listener])
    return Taste(tracks, np.ones(len(tracks)), TrackPosition(int(tracks[-1])), Recent.in_order(tracks, len(tracks)))


class ModelContract(ABC):
    answers_strangers = False  # whether it has something to say where nothing is known

    @abstractmethod
    def fit(self, interactions: Interactions) -> Model:
        """A model as it is used."""

    @abstractmethod
    def known_answer(self, taste: Taste, listener: int, /) -> set[int]:
        """What must lead the recommendations for a listener of the checkerboard."""

    @pytest.fixture
    def interactions(self) -> Interactions:
        return checkerboard()

    @pytest.fixture
    def model(self, interactions: Interactions) -> Model:
        return self.fit(interactions)

    def test_the_checkerboard_has_its_known_answer(self, model: Model, interactions: Interactions) -> None:
        for listener in range(LISTENERS):
            taste = taste_of(listener, interactions)
            wanted = self.known_answer(taste, listener)
            assert set(model.recommend(taste, len(wanted)).items.tolist()) == wanted

    def test_a_stranger_gets_an_answer_or_none_and_no_error(self, model: Model) -> None:
        found = model.recommend(Taste.unknown(), 5)
        assert len(found) == (5 if self.answers_strangers else 0)
        assert np.isfinite(model.scores(Taste.unknown(), np.arange(TRACKS))).all()

    def test_more_than_the_catalog_is_at_most_the_catalog_each_once(
        self, model: Model, interactions: Interactions
    ) -> None:
        items = model.recommend(taste_of(3, interactions), 10 * TRACKS).items
        assert 0 < len(items) <= TRACKS
        assert len(set(items.tolist())) == len(items)

    def test_excluded_tracks_are_not_recommended(self, model: Model, interactions: Interactions) -> None:
        taste = taste_of(3, interactions)
        excluded = model.recommend(taste, 2).items
        found = model.recommend(taste, TRACKS, excluded).items
        assert not set(found.tolist()) & set(excluded.tolist())
        assert found.tolist() == model.recommend(taste, TRACKS).items[2:].tolist()

    def test_scores_fall_are_numbers_and_are_those_it_ranks_by(self, model: Model, interactions: Interactions) -> None:
        taste = taste_of(5, interactions)
        found = model.recommend(taste, TRACKS)
        assert np.isfinite(found.scores).all()
        assert (np.diff(found.scores) <= 0).all()
        np.testing.assert_allclose(found.scores, model.scores(taste, found.items), rtol=1e-5, atol=1e-7)

    def test_equal_scores_are_in_one_order_every_time(self, model: Model, interactions: Interactions) -> None:
        taste = taste_of(4, interactions)
        assert model.recommend(taste, TRACKS).items.tolist() == model.recommend(taste, TRACKS).items.tolist()
        found = model.recommend(taste, TRACKS)
        tied = np.diff(found.scores) == 0
        assert (np.diff(found.items)[tied] > 0).all()

    def test_what_is_saved_is_what_is_loaded(self, model: Model, interactions: Interactions, tmp_path: Path) -> None:
        model.save(tmp_path / "once")
        loaded = type(model).load(tmp_path / "once")
        loaded.save(tmp_path / "twice")
        for listener in range(4):
            before = model.recommend(taste_of(listener, interactions), 5)
            after = loaded.recommend(taste_of(listener, interactions), 5)
            assert before.items.tolist() == after.items.tolist()
            assert before.scores.tolist() == after.scores.tolist()
        assert files(tmp_path / "once") == files(tmp_path / "twice")

    def test_a_second_fit_gives_the_same_bytes(self, interactions: Interactions, tmp_path: Path) -> None:
        self.fit(interactions).save(tmp_path / "first")
        self.fit(interactions).save(tmp_path / "second")
        assert files(tmp_path / "first") == files(tmp_path / "second")

    def test_a_folder_without_a_model_is_refused(self, model: Model, tmp_path: Path) -> None:
        with pytest.raises(ModelBroken):
            type(model).load(tmp_path / "empty")

    def test_many_answers_are_the_single_answers(self, model: Model, interactions: Interactions) -> None:
        tastes = [taste_of(listener, interactions) for listener in range(6)] + [Taste.unknown()]
        lists = model.recommend_many(tastes, 4)
        for taste, items in zip(tastes, lists, strict=True):
            assert items[items >= 0].tolist() == model.recommend(taste, 4).items.tolist()

    def test_many_answers_about_new_tracks_hold_none_of_the_taste_and_score_as_single_ones(
        self, model: Model, interactions: Interactions
    ) -> None:
        tastes = [taste_of(listener, interactions) for listener in range(6)] + [Taste.unknown()]
        for taste, items in zip(tastes, model.recommend_many(tastes, 4, new_only=True), strict=True):
            told = items[items >= 0]
            assert not set(told.tolist()) & set(taste.tracks.tolist())
            single = model.recommend(taste, 4, taste.tracks)
            np.testing.assert_allclose(model.scores(taste, told), single.scores, rtol=1e-5, atol=1e-6)

    def test_every_cited_play_lowers_the_score_when_taken_back(self, model: Model, interactions: Interactions) -> None:
        taste = taste_of(7, interactions)
        items = np.arange(TRACKS)
        plays = np.where(np.arange(len(taste.tracks)) % 2, 1.0, 0.4)
        cited = model.explain(taste, items, plays)
        assert_citations_hold(model, taste, items, plays, cited.places, cited.drops)

    def test_nothing_known_is_nothing_cited(self, model: Model) -> None:
        cited = model.explain(Taste.unknown(), np.arange(3), np.empty(0))
        assert (cited.places == -1).all()


def assert_citations_hold(
    model: Model, taste: Taste, items: np.ndarray, plays: np.ndarray, places: np.ndarray, drops: np.ndarray
) -> None:
    """Each citation, taken back and scored again from nothing, lowers the score by what was said."""
    before = model.scores(taste, items)
    scale = max(1.0, float(np.abs(before).max()))
    for row, item in enumerate(items):
        assert (np.diff(drops[row]) <= 0).all()
        for place, drop in zip(places[row], drops[row], strict=True):
            if place >= 0:
                after = model.scores(taste.without(int(place), float(plays[place])), np.array([item]))[0]
                assert after < before[row]
                assert before[row] - after == pytest.approx(drop, rel=1e-5, abs=1e-9 * scale)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
