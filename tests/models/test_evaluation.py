"""Splits without leakage, metrics as others compute them, intervals that hold."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pytest
from scipy.sparse import csr_array

from models.base import Interactions, Taste
from models.evaluation.bootstrap import interval, paired
from models.evaluation.metrics import accuracy, gini, spread
from models.evaluation.run import Contestant, evaluate
from models.evaluation.splits import (
    Cases,
    SessionPlays,
    Split,
    SplitImpossible,
    default_split_day,
    last_session,
    time_split,
)
from models.history import History, day_of
from models.popularity import fit_popularity
from models.repeat import fit_repeat

DAY_MS = 86_400_000


def cases_of(relevant: list[list[int]]) -> Cases:
    starts = np.cumsum([0, *map(len, relevant)])
    return Cases(np.arange(len(relevant)), starts, np.concatenate(relevant), (), ())


def random_cases(cases: int, tracks: int, k: int) -> tuple[np.ndarray, Cases]:
    random = np.random.default_rng(8)
    lists = np.stack([random.choice(tracks, k, replace=False) for _ in range(cases)])
    relevant = [sorted(random.choice(tracks, random.integers(1, 30), replace=False)) for _ in range(cases)]
    lists[3, 4:] = -1  # a short list
    return lists, cases_of(relevant)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("hit", "hit_rate"), ("recall", "recall"), ("ndcg", "ndcg"), ("mrr", "mrr")]
)
@pytest.mark.slow  # ranx compiles itself for most of a minute
@pytest.mark.parametrize("k", [1, 5, 20])
def test_ranking_metrics_equal_those_of_ranx(ours: str, theirs: str, k: int) -> None:
    lists, cases = random_cases(60, 90, 20)
    relevant = np.split(cases.relevant, cases.starts[1:-1])
    scored = {
        str(case): {str(track): float(20 - place) for place, track in enumerate(items) if track >= 0}
        for case, items in enumerate(lists)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes in its strings, and integers that its compiler finds unsafe
        import ranx

        qrels = ranx.Qrels({str(case): {str(track): 1 for track in tracks} for case, tracks in enumerate(relevant)})
        wanted = ranx.evaluate(qrels, ranx.Run(scored), f"{theirs}@{k}", return_mean=False)
    order = [int(case) for case in qrels.qrels.keys()]  # noqa: SIM118 (a typed numba dict, which iterates by keys() alone)
    np.testing.assert_allclose(accuracy(lists, cases, k)[f"{ours}@{k}"][order], wanted, atol=1e-12)


def test_a_relevant_track_that_training_never_saw_counts_as_missed() -> None:
    lists = np.array([[0, 1]])
    assert accuracy(lists, cases_of([[0, 7]]), 2)["recall@2"].tolist() == [0.5]


def test_an_empty_list_scores_nothing() -> None:
    scores = accuracy(np.full((1, 3), -1), cases_of([[0]]), 3)
    assert {name: values.tolist() for name, values in scores.items()} == {
        "hit@3": [0.0],
        "recall@3": [0.0],
        "ndcg@3": [0.0],
        "mrr@3": [0.0],
    }


def test_showing_everybody_the_most_popular_is_narrow_popular_and_unsurprising() -> None:
    popularity = np.array([8.0, 4.0, 2.0, 2.0])
    same, mixed = spread(np.zeros((10, 1), int), popularity), spread(np.arange(4)[:, None], popularity)
    assert (same["coverage"], mixed["coverage"]) == (0.25, 1.0)
    assert same["popularity_percentile"] == pytest.approx(0.875)
    assert mixed["popularity_percentile"] == pytest.approx(0.5)
    assert same["novelty"] < mixed["novelty"]
    assert [same["gini"], mixed["gini"]] == pytest.approx([0.75, 0.0])


def test_gini_of_one_owner_and_of_equals() -> None:
    assert gini(np.array([0.0, 0, 0, 5])) == pytest.approx(0.75)
    assert gini(np.array([2.0, 2, 2])) == pytest.approx(0.0)


def sessions(rows: list[tuple[str, str, int, int]]) -> SessionPlays:
    listeners, tracks, names, started = (np.array(column) for column in zip(*rows, strict=True))
    return SessionPlays(listeners, tracks, names, started)


ADA = [("ada", "a", 1, 10), ("ada", "b", 1, 20), ("ada", "b", 2, 30)]
ADA += [("ada", "a", 3, 41), ("ada", "z", 3, 42), ("ada", "b", 3, 43)]
BEN = [("ben", "c", 4, 50), ("ben", "a", 5, 60), ("ben", "c", 5, 61)]


def test_the_last_session_of_who_has_three_is_held_out_and_all_else_trains() -> None:
    split = last_session(sessions(BEN + ADA))
    assert (len(split.cases), split.known, split.activity.tolist()) == (2, 3, [3])
    assert split.train.weights.toarray().tolist() == [[1, 2, 0], [1, 0, 2]]
    assert split.train.popularity.tolist() == [2, 2, 2]
    assert split.train.transitions.toarray().tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


def test_each_step_asks_for_the_next_track_and_an_unknown_one_lies_beyond_the_catalog() -> None:
    cases = last_session(sessions(ADA + BEN)).cases
    assert cases.relevant.tolist() == [3, 1]
    assert [taste.current for taste in cases.trained] == [0, None]  # nothing is known of z
    assert cases.trained[0].tracks.tolist() == [0, 1]
    assert cases.trained[0].weights.tolist() == [1, 2]


def test_a_fresh_taste_holds_the_session_up_to_the_current_track_and_no_further() -> None:
    cases = last_session(sessions(ADA + BEN)).cases
    assert [taste.weights.tolist() for taste in cases.fresh] == [[2, 2], [2, 2]]


def test_a_taste_is_in_the_order_of_first_hearing() -> None:
    plays = [("ada", "b", 1, 10), ("ada", "a", 1, 20), *ADA[2:]]
    assert last_session(sessions(plays)).cases.trained[0].tracks.tolist() == [1, 0]


def test_nobody_with_three_sessions_cannot_be_split() -> None:
    with pytest.raises(SplitImpossible, match="nobody has 3"):
        last_session(sessions(BEN))


def test_last_sessions_of_one_play_each_ask_for_nothing_and_are_told() -> None:
    plays = [("ada", str(at), at, at * 1_000) for at in range(3)]
    with pytest.raises(SplitImpossible, match="found 1 with a single play each; wanted one with a play and a next"):
        last_session(SessionPlays(*(np.array(column) for column in zip(*plays, strict=True))))


def history(rows: list[tuple[str, str, int]]) -> History:
    """Of (listener, track, day)."""
    listeners, tracks, days = (np.array(column) for column in zip(*rows, strict=True))
    return History.from_plays(listeners, tracks, days * DAY_MS + np.arange(len(rows)) * 1_000)


def test_what_is_played_after_the_split_day_reaches_no_training_array() -> None:
    rows = [("ada", "a", 1), ("ada", "b", 2), ("ben", "a", 3), ("ada", "c", 5), ("cid", "b", 5), ("ada", "a", 6)]
    split = time_split(history(rows), date(1970, 1, 5), date(1970, 1, 7))
    without = time_split(history([*rows[:3], ("ben", "b", 5)]), date(1970, 1, 5), date(1970, 1, 7))
    assert split.train.weights.toarray().tolist() == without.train.weights.toarray().tolist()
    assert split.train.transitions.toarray().tolist() == without.train.transitions.toarray().tolist()
    assert split.train.popularity.tolist() == without.train.popularity.tolist()


def test_after_the_split_each_listener_is_asked_for_all_that_they_play() -> None:
    rows = [("ada", "a", 1), ("ada", "b", 2), ("ben", "a", 3), ("ada", "c", 5), ("cid", "b", 5), ("ada", "a", 6)]
    rows.append(("ada", "b", 9))
    split = time_split(history(rows), date(1970, 1, 5), date(1970, 1, 8))
    assert np.split(split.cases.relevant, split.cases.starts[1:-1])[0].tolist() == [0, 2]  # c lies beyond the catalog
    assert split.activity.tolist() == [2, 0]
    assert [len(taste.tracks) for taste in split.cases.trained] == [2, 0]
    assert split.cases.trained[0].current == 1
    assert "1970-01-05" in split.boundary


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(1970, 1, 20)])
def test_a_split_with_an_empty_side_is_refused(day: date) -> None:
    with pytest.raises(SplitImpossible, match="one side"):
        time_split(history([("ada", "a", 1), ("ada", "b", 5)]), day, date(1970, 1, 20))


@pytest.mark.parametrize(("days", "tested"), [(365, 36), (30, 7), (10, 5), (2, 1)])
def test_a_tenth_of_even_days_tests_a_week_at_least_and_never_more_than_half(days: int, tested: int) -> None:
    played = np.arange(days)
    assert default_split_day(played, np.ones_like(played)) == day_of(days - tested)


def test_a_tenth_of_the_plays_tests_whatever_days_they_are_on() -> None:
    days, plays = np.arange(100), np.where(np.arange(100) < 50, 40, 10)  # half the days have a fifth of the plays
    assert default_split_day(days, plays) == day_of(75)


def test_a_stray_play_long_after_the_rest_leaves_the_test_to_the_rest() -> None:
    days, plays = np.append(np.arange(100), 250), np.append(np.full(100, 30), 1)
    assert default_split_day(days, plays) == day_of(90)


def test_one_day_cannot_be_split() -> None:
    with pytest.raises(SplitImpossible, match="two at least to split"):
        default_split_day(np.array([4, 4]), np.array([1, 1]))


def small_split() -> Split:
    interactions = Interactions(csr_array(np.eye(3, 4, dtype=np.float32)), csr_array((4, 4)), np.array([1.0, 1, 1, 0]))
    known, unknown = Taste(np.array([0]), np.array([1.0])), Taste.unknown()
    tastes = (known, known, unknown)
    cases = Cases(np.array([0, 0, 1]), np.arange(4), np.array([0, 1, 1]), tastes, tastes)
    return Split("time", "here", 4, interactions, cases, np.array([1, 0]))


def test_where_a_model_has_nothing_to_say_popularity_answers() -> None:
    split = small_split()
    found = evaluate([Contestant(fit_repeat(split.train), False, "own plays")], split, 2).of("repeat")
    assert found.lists.tolist() == [[0, -1], [0, -1], [0, 1]]
    assert found.by_listener("hit@2").tolist() == [0.5, 1.0]


def test_the_document_has_each_model_with_intervals_segments_and_its_difference() -> None:
    split = small_split()
    contestants = [Contestant(fit(split.train), False, "training data") for fit in (fit_popularity, fit_repeat)]
    document = evaluate(contestants, split, 2).document()
    assert (document["listeners"], document["warm_listeners"], document["steps"]) == (2, 1, 3)
    figures = document["models"]["repeat"]
    assert figures["hit@2"] == pytest.approx(2 / 3)
    assert figures["intervals"]["hit@2"][0] <= figures["hit@2"] <= figures["intervals"]["hit@2"][1]
    assert figures["segments"]["cold: no play"]["listeners"] == 1
    assert figures["ndcg@2 minus popularity"]["mean"] < 0


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(6)
    found = [interval(random.exponential(1.0, 200), resamples=300) for _ in range(200)]
    covered = np.mean([bounds.low <= 1.0 <= bounds.high for bounds in found])
    assert 0.88 <= covered <= 0.99


def test_pairing_finds_a_small_difference_that_unpaired_means_hide() -> None:
    random = np.random.default_rng(7)
    baseline = random.random(500)
    candidate = baseline + 0.01 + random.normal(0, 0.01, 500)
    assert paired(candidate, baseline).low > 0
    assert interval(candidate).low < interval(baseline).high


def test_an_interval_is_the_same_every_time() -> None:
    values = np.random.default_rng(9).random(50)
    assert interval(values) == interval(values)
