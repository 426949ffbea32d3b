"""The arrays that models are fitted on: the same from the matrix that Spark made as from the taste rows themselves."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from jobs.features_matrix import matrix
from jobs.training_data import TrainingData, sequences, shown_slots, training_data
from models.history import History
from models.ranking.logged import Shown
from tests.jobs.tables import DAY, MONDAY, day_of, frame, rows_of
from warehouse.rules.decay import OLDEST_AGE, TASTE_ENTRIES, UNIT, decay_weights
from warehouse.tables import FEATURES_MATRIX, FEATURES_OUTCOMES, FEATURES_TASTE, FEATURES_TRANSITIONS

AS_OF = day_of(MONDAY + DAY)


def entry(listener: str, track: str, days_ago: int, plays: int) -> dict[str, Any]:
    started_ms = MONDAY - days_ago * DAY
    last = {"last_play_id": "p", "last_started_ms": started_ms} if plays else dict.fromkeys(LAST)
    return {"listener_id": listener, "track_id": track, "plays": plays, "skips": 1, **last, "day": day_of(started_ms)}


LAST = ("last_play_id", "last_started_ms")


def step(before: str, after: str, days_ago: int, times: int) -> dict[str, Any]:
    return {"from_track_id": before, "to_track_id": after, "times": times, "day": day_of(MONDAY - days_ago * DAY)}


def matrix_in_python(taste: list[dict[str, Any]]) -> pa.Table:
    """features.matrix of rows that the bound on a taste leaves alone."""
    weights = decay_weights()
    pairs: dict[tuple[str, str], list[int]] = {}
    for row in taste:
        age = (AS_OF - timedelta(days=1) - row["day"]).days
        weight = row["plays"] * weights[min(age, OLDEST_AGE)]
        total = pairs.setdefault((row["listener_id"], row["track_id"]), [0, 0])
        total[0] += weight
        total[1] += row["plays"]
    rows = [
        {"listener_id": who, "track_id": what, "weight": weight, "plays": plays, "last_started_ms": 0}
        for (who, what), (weight, plays) in pairs.items()
        if weight
    ]
    return rows_of(FEATURES_MATRIX, rows)


def assert_equal(made: TrainingData, taste: pa.Table, transitions: pa.Table) -> None:
    """Equal to what `models.history` knows from the same rows, ids, order and bits."""
    history = History.from_tables(taste, transitions)
    known = history.known_before(AS_OF)
    assert made.catalog == history.catalog(known.tracks)
    assert made.listeners == tuple(history.listener_ids[known.listeners])
    for ours, theirs in (
        (made.interactions.weights, known.interactions.weights),
        (made.interactions.transitions, known.interactions.transitions),
    ):
        assert ours.shape == theirs.shape
        assert np.array_equal(ours.toarray(), theirs.toarray())
    np.testing.assert_allclose(made.interactions.popularity, known.interactions.popularity, rtol=1e-12)


NAMES = st.sampled_from(["a", "B", "\u00e9", "z:10", "z:9"])
AGES = st.one_of(st.integers(0, 5), st.sampled_from([OLDEST_AGE - 1, OLDEST_AGE, OLDEST_AGE + 1]))
TASTES = st.lists(
    st.builds(entry, NAMES, NAMES, AGES, st.integers(0, 4)),
    unique_by=lambda row: (row["listener_id"], row["track_id"], row["day"]),
)
STEPS = st.lists(
    st.builds(step, NAMES, NAMES, st.integers(0, 5), st.integers(1, 4)),
    unique_by=lambda row: (row["from_track_id"], row["to_track_id"], row["day"]),
)


@given(TASTES, STEPS)
def test_the_arrays_are_those_that_evaluation_knows_of_the_same_rows(
    tastes: list[dict[str, Any]], steps: list[dict[str, Any]]
) -> None:
    transitions = rows_of(FEATURES_TRANSITIONS, steps)
    made = training_data(matrix_in_python(tastes), transitions)
    assert_equal(made, rows_of(FEATURES_TASTE, tastes), transitions)


def test_the_order_of_rows_does_not_matter() -> None:
    tastes = [entry(who, what, 1, 2) for who in ("ada", "bob") for what in ("t1", "t2", "t3")]
    rows, none = matrix_in_python(tastes), FEATURES_TRANSITIONS.schema.empty_table()
    forward, backward = training_data(rows, none), training_data(rows.take(list(range(rows.num_rows))[::-1]), none)
    assert forward.catalog == backward.catalog
    assert forward.listeners == backward.listeners
    assert np.array_equal(forward.interactions.weights.toarray(), backward.interactions.weights.toarray())


def test_a_transition_of_a_track_that_nobody_is_into_any_more_is_left_out() -> None:
    tastes = [entry("ada", "t1", 0, 1), entry("ada", "t2", 0, 1)]
    steps = [step("t1", "t2", 0, 3), step("t1", "t2", 1, 4), step("gone", "t2", 0, 9)]
    made = training_data(matrix_in_python(tastes), rows_of(FEATURES_TRANSITIONS, steps))
    assert made.interactions.transitions.toarray().tolist() == [[0, 7], [0, 0]]


@pytest.mark.spark
@pytest.mark.xdist_group("spark")
def test_sparks_matrix_gives_the_arrays_that_evaluation_knows_bound_and_decay_included(spark: SparkSession) -> None:
    random = np.random.default_rng(5)
    crowd = {(f"l{who}", f"t{what}", ago) for who, what, ago in random.integers(0, (9, 40, 400), (1_500, 3)).tolist()}
    tastes = [entry(who, what, ago, int(random.integers(0, 3))) for who, what, ago in sorted(crowd)]
    tastes += [entry("keen", f"t{n:05}", n // 100, 1 + n % 3) for n in range(TASTE_ENTRIES + 150)]
    steps = [step(f"t{n % 40}", f"t{n % 7}", n // 40, 1) for n in range(200)]
    made = matrix(frame(spark, FEATURES_TASTE, tastes), AS_OF).toArrow()
    transitions = rows_of(FEATURES_TRANSITIONS, steps)
    assert max(made["weight"].to_pylist()) > UNIT
    assert_equal(training_data(made, transitions), rows_of(FEATURES_TASTE, tastes), transitions)


def test_plays_come_in_order_of_listener_and_start_with_their_sessions_numbered() -> None:
    rows = [
        ("bo", "t2", 9_000, 9_000),
        ("ada", "t2", 2_000, 1_000),
        ("ada", "t1", 1_000, 1_000),
        ("ada", "t1", 8_000, 8_000),
        ("ada", "unknown", 8_500, 8_000),
        ("nobody", "t1", 1_000, 1_000),
    ]
    names = ("listener_id", "track_id", "started_ms", "session_started_ms")
    table = pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})
    made = sequences(table, pa.array(["ada", "bo"]), pa.array(["t1", "t2"]))
    assert made.starts.tolist() == [0, 3, 4]
    assert made.tracks.tolist() == [0, 1, 0, 1]
    assert made.sessions.tolist() == [1, 1, 2, 3]
    assert made.started_s.tolist() == [1.0, 2.0, 8.0, 9.0]


def slot(number: int, **other: object) -> dict[str, object]:
    """A slot of an answer to ada, as features.outcomes has it."""
    told = {"impression_id": "a1", "slot": number, "listener_id": "ada", "track_id": "t1", "shelf": "discover"}
    by = {"source": "als", "model_version": "m", "propensity": 0.5, "shown_ms": 2_000, "outcome": "ignored"}
    return {**told, **by, "day": date(1970, 1, 1), **other}


def shown(*rows: dict[str, object]) -> Shown:
    listeners, tracks = pa.array(["ada", "bob"]), pa.array(["t1", "t2"])
    return shown_slots(rows_of(FEATURES_OUTCOMES, list(rows)), listeners, tracks)


def test_slots_are_in_order_of_their_answers_and_say_what_was_played() -> None:
    first = {"impression_id": "b1", "listener_id": "bob", "shown_ms": 1_000}
    found = shown(slot(1, track_id="t2", outcome="played"), slot(0, outcome="skipped"), slot(0, **first))
    assert found.shown_s.tolist() == [1.0, 2.0, 2.0]
    assert (found.listeners.tolist(), found.tracks.tolist()) == ([1, 0, 0], [0, 0, 1])
    assert (found.slots.tolist(), found.played.tolist()) == ([0, 0, 1], [0, 0, 1])
    assert len(found) == 2


def test_what_a_shelf_was_certain_to_show_and_who_or_what_is_unknown_is_left_out() -> None:
    certain = [slot(0, propensity=1.0), slot(1, propensity=None)]
    unknown = [slot(2, listener_id="eve"), slot(3, track_id="t9")]
    assert shown(*certain, *unknown, slot(4)).slots.tolist() == [4]
