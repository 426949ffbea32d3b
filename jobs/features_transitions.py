"""core.sessions -> features.transitions: how often one track followed another within a session."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.intervals import Input
from jobs.run import JobRun
from warehouse.tables import CORE_SESSIONS, FEATURES_TRANSITIONS

SESSIONS = Input(CORE_SESSIONS, before=1)  # the track before may have begun before midnight


def main(run: JobRun) -> None:
    """Rewrite the days whose sessions, or whose day before, have changed."""
    run.refresh(FEATURES_TRANSITIONS, [SESSIONS], transitions)


def transitions(sessions: DataFrame) -> DataFrame:
    """Pairs of neighbours in a session, counted on the day of the later one; a track may follow itself."""
    in_order = Window.partitionBy("listener_id", "session_started_ms").orderBy("started_ms", "play_id")
    return (
        sessions.select(F.lag("track_id").over(in_order).alias("from_track_id"), "track_id", "day")
        .where("from_track_id IS NOT NULL")
        .groupBy("from_track_id", F.col("track_id").alias("to_track_id"), "day")
        .agg(F.count(F.lit(1)).alias("times"))
    )
