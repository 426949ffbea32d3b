"""Stacked learners under the contract, what their forest is told, and that it learns what no member can say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.base import Interactions, ModelBroken, Positions, Recent, Sequences, Taste, TrackPosition
from models.evaluation.datasets import in_order
from models.evaluation.metrics import accuracy
from models.evaluation.splits import SessionPlays
from models.evaluation.timed import moment_split
from models.files import read_json, write_arrays, write_json
from models.learners import learner
from models.members import Part
from models.popularity import Popularity
from models.ranking.forest_training import TooLittleHistory
from models.stacked import DAY_S, FACTS, NEVER_DAYS, Said, Stacked, StackedConfig, described, facts_of
from models.stacked_training import fit_stacked, lesson, windows
from tests.models.contract import TRACKS, ModelContract, checkerboard, missing

NEIGHBOURS = (Part("item-knn"), Part("stan"))
DAILY = StackedConfig(NEIGHBOURS, new_only=True, windows=3, days=1.0, passed_over=1.0, trees=20)


def day_after_day() -> Interactions:
    """The checkerboard, everybody playing a track a day."""
    found = checkerboard()
    assert found.sequences is not None
    day = np.arange(len(found.sequences.tracks)) - found.sequences.starts[found.sequences.listeners]
    return replace(found, sequences=replace(found.sequences, started_s=(day * DAY_S).astype(np.float64)))


class TestStacked(ModelContract):
    @pytest.fixture
    def interactions(self) -> Interactions:
        return day_after_day()

    def fit(self, interactions: Interactions) -> Stacked:
        return fit_stacked(interactions, DAILY)

    def known_answer(self, _taste: Taste, listener: int) -> set[int]:
        return {int(missing(np.array([listener]))[0])}


def said(scores: np.ndarray) -> Said:
    """Members that say something of every track."""
    return Said(scores, np.ones(scores.shape, bool))


def test_facts_are_of_the_last_play() -> None:
    days = np.array([0, 10, 36, 40, 40])
    sequences = Sequences(np.array([0, 3, 5]), np.array([0, 1, 0, 0, 2]), np.arange(5), days * float(DAY_S))
    plays, listeners, recent, latest, repeated, age = facts_of(sequences, 4).T
    np.testing.assert_allclose(plays, np.log1p([3, 1, 1, 0]), rtol=1e-6)
    np.testing.assert_allclose(listeners, np.log1p([2, 1, 1, 0]), rtol=1e-6)
    np.testing.assert_allclose(recent, [3 / 6, 1 / 4, 2 / 4, 0], rtol=1e-6)  # from the 10th day on, itself not
    np.testing.assert_allclose(latest, [3 / 5, 1 / 3, 2 / 4, 0], rtol=1e-6)
    np.testing.assert_allclose(repeated, [3 / 2, 1, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(age, [40, 30, 0, 0], rtol=1e-6)


def test_a_rank_is_how_many_are_higher_whatever_the_order() -> None:
    scores = np.array([[[0.5, 2.0, 0.5, -1.0]], [[0.0, 0.0, 0.0, 0.0]]], np.float32)
    assert said(scores).ranks.tolist() == [[[1, 0, 1, 3]], [[0, 0, 0, 0]]]


def test_a_row_holds_scores_ranks_facts_and_what_the_listener_did() -> None:
    config = StackedConfig((Part("als"), Part("repeat")))
    scores = np.array([[[1.0, 3.0, 2.0]], [[0.0, 0.0, 0.0]]], np.float32)
    facts = np.arange(3 * len(FACTS), dtype=np.float32).reshape(3, -1)
    recent = Recent(np.array([2, 1, 2]), np.array([9.0, 5.0, 2.0]) * DAY_S, 0)
    taste = Taste(np.array([2, 1]), np.array([3.0, 1.0]), None, recent)
    rows = described(said(scores), facts, [taste], np.ones((1, 3), bool))
    by_name = dict(zip(config.columns, rows.T, strict=True))
    np.testing.assert_allclose(by_name["score of 1"], np.array([-1, 1, 0]) / np.sqrt(2 / 3), rtol=1e-6)
    np.testing.assert_allclose(by_name["rank of 1"], np.log1p([2, 0, 1]), rtol=1e-6)
    assert not by_name["score of 2"].any()
    assert by_name["age"].tolist() == facts[:, -1].tolist()
    assert by_name["own plays"].tolist() == [0.0, 1.0, 3.0]
    assert by_name["own ago"].tolist() == [NEVER_DAYS, 5.0, 2.0]
    assert by_name["own share"].tolist() == [0.0, 0.25, 0.75]
    assert described(said(scores), facts, [taste], np.array([[False, True, False]])).tolist() == rows[1:2].tolist()


@pytest.mark.parametrize("at", range(DAILY.windows))
def test_nothing_that_was_played_later_changes_what_a_window_is_told(at: int) -> None:
    config = replace(DAILY, new_only=False)
    told = day_after_day()
    assert told.sequences is not None
    later = told.sequences.started_s > (at + 1) * DAY_S  # the windows are the last three of five days
    other = np.where(later, (told.sequences.tracks + 1) % TRACKS, told.sequences.tracks)
    changed = replace(told, sequences=replace(told.sequences, tracks=other))
    ours, theirs = (lesson([*windows(each, config)][at], config, at) for each in (told, changed))
    np.testing.assert_array_equal(ours["rows"], theirs["rows"])
    assert ours["played"].tolist() != theirs["played"].tolist()


def test_windows_are_the_same_where_each_listener_numbers_sessions_anew() -> None:
    told = day_after_day()
    assert told.sequences is not None
    anew = replace(told.sequences, sessions=told.sequences.sessions * 0)
    ours, theirs = (list(windows(each, DAILY)) for each in (told, replace(told, sequences=anew)))
    for one, other in zip(ours, theirs, strict=True):
        assert one.train.transitions.toarray().tolist() == other.train.transitions.toarray().tolist()


def fashion(seed: int = 5, periods: int = 8, listeners: int = 60) -> SessionPlays:
    """Each month brings ten new tracks, and everybody plays five of them, and one of any earlier month."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, int]] = []
    for month in range(periods):
        for listener in range(listeners):
            new = 10 * month + random.permutation(10)[:5]
            chosen: Positions = np.append(new, random.integers(0, 10 * (month + 1), 1))
            begins = round(DAY_S * 1000 * (30 * month + 25 * random.random()))
            session = month * listeners + listener
            rows += [(listener, int(track), session, begins + 1000 * place) for place, track in enumerate(chosen)]
    table = np.array(rows)
    return SessionPlays(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def test_what_is_new_is_learned_where_no_member_knows_of_time() -> None:
    month = 30 * DAY_S * 1000
    split = moment_split(fashion(), 7 * month + month // 2, new_only=True)
    members: list[dict[str, Any]] = [{"learner": "item-knn"}, {"learner": "popularity"}]
    found: dict[str, float] = {}
    for name, settings in (("item-knn", {}), ("popularity", {}), ("stacked", {"members": members, "new_only": True})):
        known = learner(name)
        model = known.fitted(split.train, known.settings(settings))
        lists = model.recommend_many(split.cases.fresh, 10, new_only=True)
        found[name] = float(accuracy(lists, split.cases, 10)["recall@10"].mean())
    assert found["stacked"] > 1.2 * max(found["item-knn"], found["popularity"])


def test_listeners_who_never_come_back_teach_too_little() -> None:
    with pytest.raises(TooLittleHistory, match=r"listeners came back .* wanted 20"):
        fit_stacked(checkerboard(), DAILY)


def test_a_short_history_has_shorter_windows() -> None:
    told = day_after_day()
    assert told.sequences is not None
    hourly = replace(told, sequences=replace(told.sequences, started_s=told.sequences.started_s / 24))
    assert [len(split.cases) for split in windows(hourly, DAILY)] == [24, 24, 24]


def test_places_in_an_order_are_no_times() -> None:
    random = np.random.default_rng(1)
    sequences = [random.permutation(50)[:10] for _ in range(200)]
    with pytest.raises(TooLittleHistory, match="listeners came back"):
        fit_stacked(in_order(sequences, 50), StackedConfig(NEIGHBOURS))


def test_what_a_member_says_nothing_of_is_not_put_forward_and_has_its_lowest_score() -> None:
    """Also where all that it says is below 0."""
    members = (Below(),)
    taste = Taste(np.array([0]), np.array([1.0]))
    found = Said.of(StackedConfig((Part("als"),), new_only=True), members, [taste])
    assert found.scores[0, 0].tolist() == [-4.0, -1.0, -4.0, -4.0]  # of 0 is the taste, of 2 nothing is said
    assert found.put_forward(1)[0].tolist() == [False, True, False, False]
    assert found.put_forward(4)[0].tolist() == [False, True, False, True]


class Below(Popularity):
    """Its scores are below 0, and it says nothing of track 2."""

    def __init__(self) -> None:
        super().__init__(np.ones(4))

    def scores(self, _taste: Taste, items: Positions) -> np.ndarray:
        return np.array([-0.5, -1.0, -np.inf, -4.0])[items]


def test_the_only_play_of_a_taste_is_cited() -> None:
    model = fit_stacked(day_after_day(), DAILY)
    taste = Taste(np.array([2]), np.array([1.0]), TrackPosition(2), Recent.in_order(np.array([2]), 1))
    items = model.recommend(taste, 3).items
    found = model.explain(taste, items, np.array([1.0]))
    assert found.places[:, 0].tolist() == [0, 0, 0]
    assert (found.drops[:, 0] > 0).all()


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        fit_stacked(replace(day_after_day(), sequences=None), DAILY)


@pytest.mark.parametrize(
    "settings", [{"members": []}, {"windows": 0}, {"days": 0.0}, {"trees": 0}, {"leaves": 1}, {"passed_over": 0.0}]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="wanted"):
        learner("stacked").settings(settings)


@pytest.mark.parametrize("damaged", ["forest", "facts", "config", "member"])
def test_a_damaged_file_is_told(damaged: str, tmp_path: Path) -> None:
    fit_stacked(day_after_day(), DAILY).save(tmp_path)
    config = read_json(tmp_path / "config.json")
    if damaged == "forest":  # of another number of columns
        write_json(tmp_path / "config.json", {**config, "members": config["members"][:1]})
    elif damaged == "facts":
        write_arrays(tmp_path / "arrays.npz", {"facts": np.zeros((3, 2), np.float32)})
    elif damaged == "config":
        write_json(tmp_path / "config.json", {**config, "members": [{"learner": "nobody"}]})
    else:
        (tmp_path / "2-stan" / "arrays.npz").write_bytes(b"PK")
    with pytest.raises(ModelBroken):
        Stacked.load(tmp_path)
