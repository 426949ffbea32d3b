"""features.taste -> features.matrix: how much each listener is into each track, as of a day."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.run import JobRun
from warehouse.rules.decay import OLDEST_AGE, TASTE_ENTRIES, decay_weights
from warehouse.tables import FEATURES_MATRIX, FEATURES_TASTE


def main(run: JobRun) -> None:
    """Make the matrix anew where the day is another, or a day before it has changed."""
    metadata = {"inputs": {FEATURES_TASTE.name: run.lake.version(FEATURES_TASTE)}, "as_of": run.as_of.isoformat()}
    last = run.lake.commit_metadata(FEATURES_MATRIX)
    made_from = last.get("inputs", {}).get(FEATURES_TASTE.name)
    if last.get("as_of") != metadata["as_of"] or run.lake.changed(FEATURES_TASTE, made_from):
        run.snapshot(FEATURES_MATRIX, matrix(run.read_before(FEATURES_TASTE, run.as_of), run.as_of), metadata)


def matrix(taste: DataFrame, as_of: date) -> DataFrame:
    """Counted plays by decayed weight; a listener is known by the newest entries, as many as the bound allows."""
    weights = F.array(*(F.lit(weight).cast("long") for weight in decay_weights()))
    age_days = F.datediff(F.lit(as_of - timedelta(days=1)), "day")
    weight = F.get(weights, F.least(age_days, F.lit(OLDEST_AGE)))
    newest_first = Window.partitionBy("listener_id").orderBy(F.desc("day"), F.desc("plays"), "track_id")
    return (
        taste.withColumn("place", F.row_number().over(newest_first))
        .where((F.col("place") <= TASTE_ENTRIES) & (F.col("plays") > 0))
        .groupBy("listener_id", "track_id")
        .agg(
            F.sum(F.col("plays") * weight).alias("weight"),
            F.sum("plays").alias("plays"),
            F.max("last_started_ms").alias("last_started_ms"),
        )
        .where("weight > 0")
    )
