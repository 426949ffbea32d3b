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
    in_time = Window.partitionBy("listener_id").orderBy("started_ms", "play_id")  # the one order: rows are sorted once
    until_now = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    until_last = in_time.rowsBetween(Window.unboundedPreceding, -1)
    silence_ms, nights = F.col("started_ms") - F.col("last_ended_ms"), F.datediff("day", "last_day")
    opens = F.coalesce(opens_session(silence_ms), F.lit(True))  # no earlier play: a session opens
    began_ms = F.when(opens | (nights > 0), F.col("started_ms"))  # where a session, or its part of a new day, begins
    named_ms = F.when(~opens & (nights == 1), F.col("yesterday_ms")).otherwise(F.col("began_ms"))
    return (
        plays.where("counts")
        .withColumns({"last_ended_ms": F.lag("ended_ms").over(in_time), "last_day": F.lag("day").over(in_time)})
        .withColumn("began_ms", began_ms)
        .withColumn("yesterday_ms", F.last("began_ms", ignorenulls=True).over(until_last))
        .select(
            "listener_id",
            F.last(named_ms, ignorenulls=True).over(until_now).alias("session_started_ms"),
            "play_id",
            "track_id",
            "started_ms",
            "ended_ms",
            "day",
        )
    )
