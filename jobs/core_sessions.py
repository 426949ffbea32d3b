"""core.plays -> core.sessions: counted plays, each with the session that it was heard in."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.intervals import Input
from jobs.run import JobRun
from warehouse.rules.sessions import opens_session
from warehouse.tables import CORE_PLAYS, CORE_SESSIONS

PLAYS = Input(CORE_PLAYS, before=1)  # a session may cross midnight


def main(run: JobRun) -> None:
    """Rewrite the days whose plays, or whose day before, have changed."""
    run.refresh(CORE_SESSIONS, [PLAYS], sessions)


def sessions(plays: DataFrame) -> DataFrame:
    """Each counted play with its session, named by the start of the session's first play.

    The name looks back to the midnight before yesterday's plays and no further: who listens around the clock begins
    a new session each day, so that a day's sessions depend on two days alone.
    """
    by_listener = Window.partitionBy("listener_id").orderBy("started_ms", "play_id")
    silence_ms = F.col("started_ms") - F.lag("ended_ms").over(by_listener)
    opens = F.coalesce(opens_session(silence_ms), F.lit(True))  # no earlier play: a session opens
    running = F.last(F.when(opens, F.col("started_ms")), ignorenulls=True).over(by_listener)
    two_days = Window.partitionBy("listener_id", "running_since_ms").orderBy(F.unix_date("day")).rangeBetween(-1, 0)
    return (
        plays.where("counts")
        .withColumn("running_since_ms", running)
        .select(
            "listener_id",
            F.min("started_ms").over(two_days).alias("session_started_ms"),
            "play_id",
            "track_id",
            "started_ms",
            "ended_ms",
            "day",
        )
    )
