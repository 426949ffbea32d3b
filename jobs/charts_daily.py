"""core.plays -> charts.daily: the most played tracks of a day, everywhere and by country."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.intervals import Input
from jobs.run import JobRun
from warehouse.tables import CHARTS_DAILY, CORE_PLAYS, EVERYWHERE

PLAYS = Input(CORE_PLAYS)
PLACES = 100


def main(run: JobRun) -> None:
    """Rewrite the days whose plays have changed."""
    run.refresh(CHARTS_DAILY, [PLAYS], charts)


def charts(plays: DataFrame) -> DataFrame:
    """The first hundred of each day and country, and of each day everywhere; ties by listeners, then by track_id."""
    heard = plays.where("counts").select("day", places(), "track_id", "listener_id")
    by_track = heard.repartition("day", "country", "track_id")  # serves both counts: each play is moved once
    by_listener = by_track.groupBy("day", "country", "track_id", "listener_id").agg(F.count("*").alias("times"))
    counted = by_listener.groupBy("day", "country", "track_id").agg(
        F.sum("times").alias("plays"), F.count("*").alias("listeners")
    )
    best_first = Window.partitionBy("day", "country").orderBy(F.desc("plays"), F.desc("listeners"), "track_id")
    return counted.withColumn("rank", F.row_number().over(best_first)).where(F.col("rank") <= PLACES)


def places() -> Column:
    """As `country`, the charts that a play counts in, a row each: everywhere's, and its country's where it has one."""
    return F.explode(F.array_compact(F.array(F.lit(EVERYWHERE), "country"))).alias("country")
