"""The two stages in the daily plan: tried after the split, and fitted only where the trial went well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from jobs.candidate import Brief
from jobs.run import JobRun
from jobs.training_data import TrainingData, training_data
from jobs.two_stages import fitted, outcomes_before, sessions_before, tried
from models.ranking.training import ENOUGH
from models.ranking.trial import NEXT_TRACK
from models.ranking.two_stage import TwoStage
from tests.jobs.tables import rows_of
from tests.models.ranking.listening import LENGTH, SESSIONS, listening
from warehouse.rules.decay import UNIT
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_SESSIONS, FEATURES_MATRIX, FEATURES_OUTCOMES, FEATURES_TRANSITIONS

FIRST = date(2026, 3, 1)
AS_OF = FIRST + timedelta(days=60)
SPLIT = FIRST + timedelta(days=40)


@dataclass
class OfLake:
    """A step's run, as far as these read it."""

    lake: Lake
    as_of: date = AS_OF


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> JobRun:
    """A lake with core.sessions of the small history, which begins on the first day."""
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    sequences = listening().sequences
    assert sequences is not None
    began_ms = int(datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC).timestamp() * 1_000)
    started = began_ms + (1_000 * sequences.started_s).astype(np.int64)
    rows = [
        {
            "listener_id": f"l{at // (SESSIONS * LENGTH):02}",
            "session_started_ms": int(started[at // LENGTH * LENGTH]),
            "play_id": f"p{at}",
            "track_id": f"t{sequences.tracks[at]:02}",
            "started_ms": int(started[at]),
            "ended_ms": int(started[at]) + 200_000,
            "day": datetime.fromtimestamp(started[at] / 1_000, UTC).date(),
        }
        for at in range(len(started))
    ]
    lake.append(CORE_SESSIONS, rows_of(CORE_SESSIONS, rows))
    return cast("JobRun", OfLake(lake))


@pytest.fixture(scope="module")
def data(run: JobRun) -> TrainingData:
    sessions = sessions_before(run)
    pairs = sorted({*zip(sessions["listener_id"].to_pylist(), sessions["track_id"].to_pylist(), strict=True)})
    matrix = [
        {"listener_id": who, "track_id": what, "weight": UNIT, "plays": 1, "last_started_ms": 0} for who, what in pairs
    ]
    nothing: pa.Table = rows_of(FEATURES_TRANSITIONS, [])
    return training_data(rows_of(FEATURES_MATRIX, matrix), nothing, sessions)


def brief(split: date | None) -> Brief:
    return Brief(AS_OF, split, {}, None)


def test_what_is_tried_is_measured_after_the_split_and_then_fitted(run: JobRun, data: TrainingData) -> None:
    figures = tried(run, brief(SPLIT))
    assert figures is not None
    assert figures["passed"]
    assert figures[NEXT_TRACK] > 0.9
    found = fitted(data, lambda: outcomes_before(run), AS_OF, figures)
    assert found is not None
    assert isinstance(found[0], TwoStage)
    assert (found[1].logged, found[0].of_shown) == (0, None)


@pytest.mark.parametrize("split", [None, AS_OF])
def test_where_nothing_can_be_measured_there_are_no_two_stages(
    run: JobRun, data: TrainingData, split: date | None
) -> None:
    assert tried(run, brief(split)) is None
    assert fitted(data, lambda: outcomes_before(run), AS_OF, None) is None


def test_a_trial_that_went_badly_is_not_published(run: JobRun, data: TrainingData) -> None:
    figures: dict[str, Any] = {"passed": False}
    assert fitted(data, lambda: outcomes_before(run), AS_OF, figures) is None


def test_a_forest_of_answers_is_kept_only_where_its_own_trial_went_well(data: TrainingData) -> None:
    until_ms = int(1_000 * data.interactions.sequences.started_s.max()) if data.interactions.sequences else 0
    answers = [
        {
            "impression_id": f"a{number:04}",
            "slot": slot,
            "listener_id": data.listeners[number % len(data.listeners)],
            "track_id": data.catalog.ids[(7 * number + 11 * slot) % len(data.catalog.ids)],
            "shelf": "discover",
            "source": "als",
            "model_version": "m",
            "propensity": 0.1,
            "shown_ms": until_ms,
            "outcome": "played" if slot == 1 else "ignored",
            "day": AS_OF,
        }
        for number in range(ENOUGH)
        for slot in range(3)
    ]
    outcomes = rows_of(FEATURES_OUTCOMES, answers)
    for shown, logged in (({}, 0), ({"shown": {"passed": False}}, 0), ({"shown": {"passed": True}}, ENOUGH)):
        found = fitted(data, lambda: outcomes, AS_OF + timedelta(days=30), {"passed": True, **shown})
        assert found is not None
        assert found[1].logged == logged
        assert (found[0].of_shown is None) == (logged == 0)
