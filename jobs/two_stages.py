"""The two stages in the daily plan: tried on the days after the split, and published where they are not worse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa

from jobs.candidate import Brief
from jobs.run import JobRun
from jobs.training_data import TrainingData, distinct_ids, sequences, shown_slots
from models.ranking.counting import Plays
from models.ranking.forest_training import TooLittleHistory
from models.ranking.logged import Shown
from models.ranking.training import Learned, fit_plays
from models.ranking.trial import trial
from models.ranking.two_stage import TwoStage, TwoStageConfig
from warehouse.tables import CORE_SESSIONS, FEATURES_OUTCOMES

CONFIG = TwoStageConfig(decayed=True, moments=4_000)
COLUMNS = ["listener_id", "track_id", "started_ms", "session_started_ms"]
SLOT_COLUMNS = ["impression_id", "slot", "listener_id", "track_id", "shown_ms", "outcome", "propensity"]


def sessions_before(run: JobRun) -> pa.Table:
    """Counted plays in their sessions, as of the run's day."""
    return run.lake.read(CORE_SESSIONS, as_of=run.as_of, columns=COLUMNS)


def outcomes_before(run: JobRun) -> pa.Table:
    """What became of what was shown, as of the run's day."""
    if not run.lake.exists(FEATURES_OUTCOMES):
        return FEATURES_OUTCOMES.schema.empty_table().select(SLOT_COLUMNS)
    return run.lake.read(FEATURES_OUTCOMES, as_of=run.as_of, columns=SLOT_COLUMNS)


def tried(run: JobRun, brief: Brief) -> dict[str, Any] | None:
    """The figures of the trial; None where there is too little to fit them on."""
    if brief.split_day is None:
        return None
    sessions = sessions_before(run)
    listeners, tracks = distinct_ids(sessions["listener_id"]), distinct_ids(sessions["track_id"])
    ordered = sequences(sessions, listeners, tracks)
    shown = shown_slots(outcomes_before(run), listeners, tracks).settled(_midnight_s(run.as_of))
    try:
        return dict(trial(Plays.in_order(ordered), _midnight_s(brief.split_day), len(tracks), CONFIG, shown).figures())
    except TooLittleHistory:
        return None


def fitted(
    data: TrainingData, outcomes: Callable[[], pa.Table], as_of: date, figures: dict[str, Any] | None
) -> tuple[TwoStage, Learned] | None:
    """The model and what it learned from, where its trial went well and there is enough to fit it on.

    It has a forest of what was shown where that forest's own trial went well; the outcomes are read only for one.
    """
    if figures is None or not figures["passed"]:
        return None
    shown = Shown.nothing()
    if "shown" in figures and figures["shown"]["passed"]:
        listeners, tracks = pa.array(data.listeners), pa.array(data.catalog.ids)
        shown = shown_slots(outcomes(), listeners, tracks).settled(_midnight_s(as_of))
    plays, weights = Plays.of(data.interactions), data.interactions.weights
    try:
        return fit_plays(plays, weights, CONFIG, shown)
    except TooLittleHistory:
        return None


def _midnight_s(day: date) -> float:
    return datetime.combine(day, time(), UTC).timestamp()
