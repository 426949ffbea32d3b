"""raw.impressions and core.plays -> features.outcomes: what became of each slot of an answer."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

import duckdb
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.core_plays import of_listeners_not_erased
from jobs.intervals import Input
from jobs.run import JobRun
from warehouse.rules.outcomes import (
    BY_STRENGTH,
    IGNORED,
    OPEN,
    OUTCOME_WINDOW_MS,
    is_awaited,
    is_recommended,
    is_settled,
    strength,
)
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS, CORE_TRACKS, FEATURES_OUTCOMES, RAW_ERASURES, RAW_IMPRESSIONS, RAW_PLAYS, Table

WINDOW_DAYS = -(-OUTCOME_WINDOW_MS // DAY_MS)
IMPRESSIONS = Input(RAW_IMPRESSIONS)
# A play may start on the days after it was shown; a player's clock may say that it was before.
PLAYS = Input(CORE_PLAYS, before=1, after=WINDOW_DAYS, joins=True)
TOLD = Input(RAW_PLAYS, before=1, after=WINDOW_DAYS, joins=True)
_SLOT = ("listener_id", "impression_id", "slot")


def main(run: JobRun) -> None:
    """Rewrite the days whose answers, or whose plays, have changed, and those of which open slots have been settled."""
    lake = run.lake
    if not lake.exists(RAW_IMPRESSIONS):  # nobody was ever shown anything: a table without rows, for who asks
        if not lake.exists(FEATURES_OUTCOMES):
            lake.note(FEATURES_OUTCOMES, {})
        return
    now_ms = event_time_ms(lake)
    also = erased_days(lake) | settled_days(lake, now_ms)
    lookups = [CORE_TRACKS, RAW_ERASURES]
    run.refresh(FEATURES_OUTCOMES, [IMPRESSIONS, PLAYS, TOLD], partial(outcomes, now_ms), also=also, lookups=lookups)


def outcomes(
    now_ms: int, impressions: DataFrame, plays: DataFrame, told: DataFrame, tracks: DataFrame, erasures: DataFrame
) -> DataFrame:
    """Each slot that was shown, with what its listener did with it as of `now_ms`; `told` are the raw plays."""
    shown = _identified(of_listeners_not_erased(impressions, erasures), tracks)
    of_slots = strongest_plays(shown, recommended_plays(plays, told))
    joined = shown.join(of_slots, list(_SLOT), "left")
    return joined.select(
        "impression_id",
        "slot",
        "listener_id",
        F.coalesce("heard_track_id", "track_id").alias("track_id"),
        "shelf",
        "source",
        "model_version",
        "propensity",
        "experiment",
        "arm",
        F.col("received_ms").alias("shown_ms"),
        _outcome(F.col("strength"), F.lit(now_ms) - F.col("received_ms")).alias("outcome"),
        "play_id",
        "played_ms",
        "day",
    )


def recommended_plays(plays: DataFrame, told: DataFrame) -> DataFrame:
    """Plays that name an impression, with the track as it was told and as what it is known now."""
    names = told.where("impression_id IS NOT NULL").select(
        "listener_id", "play_id", F.col("source_track_id").alias("told_track_id")
    )
    return (
        plays.where("impression_id IS NOT NULL")
        .join(names, ["listener_id", "play_id"])
        .select(
            "listener_id",
            F.col("impression_id").alias("named_impression_id"),
            "play_id",
            "told_track_id",
            F.col("track_id").alias("heard_track_id"),
            F.col("started_ms").alias("heard_ms"),
            "played_ms",
            strength(F.col("counts").cast("int"), F.col("skipped").cast("int")).alias("strength"),
        )
    )


def strongest_plays(shown: DataFrame, plays: DataFrame) -> DataFrame:
    """Of the plays that came of a slot and were awaited, the one that says what became of it."""
    recommended = is_recommended(
        F.col("impression_id") == F.col("named_impression_id"),
        F.col("shown_track_id") == F.col("told_track_id"),
        F.col("track_id") == F.col("heard_track_id"),
    )
    pairs = (
        shown.select(*_SLOT, "shown_track_id", "track_id", "received_ms")
        .join(plays, "listener_id")
        .where(recommended & is_awaited(F.col("heard_ms") - F.col("received_ms")))
    )
    by_slot = Window.partitionBy("listener_id", "play_id").orderBy("slot")
    once = pairs.withColumn("choice", F.row_number().over(by_slot)).where("choice = 1")
    strongest_first = Window.partitionBy(*_SLOT).orderBy(F.desc("strength"), "heard_ms", "play_id")
    ranked = once.withColumn("place", F.row_number().over(strongest_first)).where("place = 1")
    return ranked.select(*_SLOT, "play_id", "played_ms", "heard_track_id", "strength")


def _identified(shown: DataFrame, tracks: DataFrame) -> DataFrame:
    """With the track as it was shown, and by the one id that it has now."""
    named = shown.withColumnRenamed("track_id", "shown_track_id")
    ids = F.broadcast(tracks.withColumnRenamed("source_track_id", "shown_track_id"))
    return named.join(ids, "shown_track_id", "left").withColumn("track_id", F.coalesce("track_id", "shown_track_id"))


def _outcome(found: Column, age_ms: Column) -> Column:
    names = F.array(*(F.lit(name) for name in BY_STRENGTH))
    nothing = F.when(is_settled(age_ms), F.lit(IGNORED)).otherwise(F.lit(OPEN))
    return F.when(found.isNull(), nothing).otherwise(F.try_element_at(names, found + 1))


def event_time_ms(lake: Lake) -> int:
    """How far the events of the lake go: when the newest was shown or began, UTC ms."""
    newest = [_newest(lake, RAW_IMPRESSIONS, "received_ms"), _newest(lake, CORE_PLAYS, "started_ms")]
    return max(newest)


def _newest(lake: Lake, table: Table, moment: str) -> int:
    days = lake.days(table)
    if not days:
        return 0
    rows = lake.reading(table, days=[max(days)], columns=[moment]).relation()
    [(newest,)] = rows.aggregate(f"max({moment})").fetchall()
    return int(newest or 0)


def settled_days(lake: Lake, now_ms: int) -> set[date]:
    """Days with open slots of which nothing more is expected.

    When the table was last written, what was open had been shown less than a window before the newest answer.
    """
    days = lake.days(FEATURES_OUTCOMES)
    if not days:
        return set()
    late = [day for day in days if day >= max(days) - timedelta(days=WINDOW_DAYS)]
    columns = ["outcome", "shown_ms", "day"]
    slots = lake.reading(FEATURES_OUTCOMES, days=late, columns=columns).relation()
    settled = slots.filter(f"outcome = '{OPEN}' AND shown_ms <= {now_ms - OUTCOME_WINDOW_MS}")
    return {day for (day,) in settled.project("day").distinct().fetchall()}


def erased_days(lake: Lake) -> set[date]:
    """Days with answers to listeners who have been erased since the table was last written."""
    known = lake.commit_metadata(FEATURES_OUTCOMES).get("inputs", {}).get(RAW_ERASURES.name)
    if not lake.days(FEATURES_OUTCOMES) or not lake.changed(RAW_ERASURES, known):
        return set()
    with duckdb.connect() as connection:
        connection.register("erasures", lake.dataset(RAW_ERASURES))
        connection.register("outcomes", lake.dataset(FEATURES_OUTCOMES))
        return {day for (day,) in connection.sql(_ERASED).fetchall()}


_ERASED = """
SELECT DISTINCT day FROM outcomes JOIN erasures USING (listener_id)
WHERE erasures.play_id IS NULL AND shown_ms <= erasures.received_ms
"""
