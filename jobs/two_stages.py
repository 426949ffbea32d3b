"""The two stages in the daily plan: tried on the days after the split, and published where they are not worse."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pyarrow as pa

from jobs.candidate import Brief
from jobs.run import JobRun
from jobs.training_data import TrainingData, distinct_ids, sequences
from models.ranking.counting import Plays
from models.ranking.training import TooLittleHistory, fit_two_stage
from models.ranking.trial import trial
from models.ranking.two_stage import TwoStage, TwoStageConfig
from warehouse.tables import CORE_SESSIONS

CONFIG = TwoStageConfig(decayed=True, moments=4_000)
COLUMNS = ["listener_id", "track_id", "started_ms", "session_started_ms"]


def sessions_before(run: JobRun) -> pa.Table:
    """Counted plays in their sessions, as of the run's day."""
    return run.lake.read(CORE_SESSIONS, as_of=run.as_of, columns=COLUMNS)


def tried(run: JobRun, brief: Brief) -> dict[str, Any] | None:
    """The figures of the trial; None where there is too little to fit them on."""
    if brief.split_day is None:
        return None
    sessions = sessions_before(run)
    listeners, tracks = distinct_ids(sessions["listener_id"]), distinct_ids(sessions["track_id"])
    ordered = sequences(sessions, listeners, tracks)
    split_s = datetime.combine(brief.split_day, time(), UTC).timestamp()
    try:
        return dict(trial(Plays.in_order(ordered), split_s, len(tracks), CONFIG).figures())
    except TooLittleHistory:
        return None


def fitted(data: TrainingData, figures: dict[str, Any] | None) -> TwoStage | None:
    """The model, where its trial went well and there is enough to fit it on."""
    if figures is None or not figures["passed"]:
        return None
    try:
        return fit_two_stage(data.interactions, CONFIG)
    except TooLittleHistory:
        return None
