"""core.plays -> features.taste: integer counts a listener, track and event day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.intervals import Input
from jobs.run import JobRun
from warehouse.tables import CORE_PLAYS, FEATURES_TASTE

PLAYS = Input(CORE_PLAYS)


def main(run: JobRun) -> None:
    """Rewrite the days whose plays have changed."""
    run.refresh(FEATURES_TASTE, [PLAYS], taste)


def taste(plays: DataFrame) -> DataFrame:
    """Counted plays and skips, and the day's latest counted play, which a reason may cite."""
    latest = F.max(F.when(F.col("counts"), F.struct("started_ms", "play_id")))
    return (
        plays.where("counts OR skipped")
        .groupBy("listener_id", "track_id", "day")
        .agg(
            F.count_if("counts").alias("plays"),
            F.count_if("skipped").alias("skips"),
            latest.alias("latest"),
        )
        .select(
            "listener_id",
            "track_id",
            "plays",
            "skips",
            F.col("latest.play_id").alias("last_play_id"),
            F.col("latest.started_ms").alias("last_started_ms"),
            "day",
        )
    )
