"""raw.plays -> core.plays: each play once, by its one track_id, with whether it counts."""

from __future__ import annotations

from datetime import date

import duckdb
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.intervals import Input
from jobs.run import JobRun
from warehouse.rules.plays import PLAY_THRESHOLD_MS, SKIPPED, UNKNOWN_TRACK_MS, counts_as_play, is_skip, same_play
from warehouse.sources import SOURCES, UNKNOWN_SOURCE
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import LakeBroken
from warehouse.tables import CORE_PLAYS, CORE_TRACKS, RAW_ERASURES, RAW_PLAYS, Table

# A play just before midnight may be the same as one just after it.
PLAYS = Input(RAW_PLAYS, before=1, after=1)
_JUDGED = (
    "play_id",
    "listener_id",
    "started_ms",
    "source",
    "played_ms",
    "track_ms",
    "impression_id",
    "ended_by",
    "country",
    "day",
)


def main(run: JobRun) -> None:
    """Rewrite the days whose plays, or whose tracks' identities, have changed, and those of plays taken back."""
    also = renamed_days(run.lake) | erased_days(run.lake)
    run.refresh(CORE_PLAYS, [PLAYS], counted_plays, also=also, lookups=[CORE_TRACKS, RAW_ERASURES])


def counted_plays(plays: DataFrame, tracks: DataFrame, erasures: DataFrame) -> DataFrame:
    """Plays that nobody took back, each once, judged by the rule of what counts."""
    once = distinct_plays(identified_plays(remaining_plays(plays, erasures), tracks))
    return once.withColumn("counts", told_counts()).select(
        "play_id",
        "listener_id",
        "track_id",
        "started_ms",
        (F.col("started_ms") + F.coalesce("played_ms", F.lit(0))).alias("ended_ms"),
        "played_ms",
        "source",
        "counts",
        is_skip(F.coalesce(F.col("ended_by") == SKIPPED, F.lit(False)), F.col("counts")).alias("skipped"),
        "country",
        "impression_id",
        "day",
    )


def told_counts() -> Column:
    """Whether what was told counts as a play, its unknown lengths resolved as `warehouse.sources` does."""
    played_ms = F.coalesce("played_ms", _played_where_unknown())
    track_ms = F.coalesce(F.nullif("track_ms", F.lit(0)), F.lit(UNKNOWN_TRACK_MS))
    counted: Column = counts_as_play(played_ms, track_ms)
    return counted


def remaining_plays(plays: DataFrame, erasures: DataFrame) -> DataFrame:
    """Plays without those taken back one by one, and those of a listener erased whole at or after their arrival."""
    single = erasures.where("play_id IS NOT NULL").select("listener_id", "play_id")
    left = plays.join(F.broadcast(single), ["listener_id", "play_id"], "left_anti")
    return of_listeners_not_erased(left, erasures)


def of_listeners_not_erased(rows: DataFrame, erasures: DataFrame) -> DataFrame:
    """Rows without those that a listener who was then erased whole had told until then, by `received_ms`."""
    whole = erasures.where("play_id IS NULL").groupBy("listener_id").agg(F.max("received_ms").alias("erased_ms"))
    left = rows.join(F.broadcast(whole), "listener_id", "left")
    return left.where(F.coalesce(F.col("received_ms") > F.col("erased_ms"), F.lit(True))).drop("erased_ms")


def identified_plays(plays: DataFrame, tracks: DataFrame) -> DataFrame:
    """Plays with the one id of their track; a track that no telling describes keeps its source's name.

    Only the columns that are judged: those who read the result twice then read the same, and Spark makes it once.
    """
    named = plays.join(F.broadcast(tracks), "source_track_id", "left")
    return named.select(*_JUDGED, F.coalesce("track_id", "source_track_id").alias("track_id"))


def distinct_plays(plays: DataFrame) -> DataFrame:
    """One telling of each play: of tellings of one track that start within a minute of the first, the most precise.

    Nearly all plays stand alone, which their neighbours in time show. Only the rest are gathered and walked through:
    the first of them opens a cluster, a later one joins it or opens the next. The walk for a day begins on the day
    before it, so that a day's plays depend on its neighbours alone.
    """
    in_time = Window.partitionBy("listener_id", "track_id").orderBy("started_ms", "play_id")
    neighbours = {"last_ms": F.lag("started_ms").over(in_time), "next_ms": F.lead("started_ms").over(in_time)}
    since_last, to_next = F.col("started_ms") - F.col("last_ms"), F.col("next_ms") - F.col("started_ms")
    crowded = F.coalesce(same_play(since_last), F.lit(False)) | F.coalesce(same_play(to_next), F.lit(False))
    marked = plays.withColumns(neighbours).withColumn("crowded", crowded).drop(*neighbours)
    alone = marked.where(~F.col("crowded")).drop("crowded")
    return alone.unionByName(_told_once(marked.where("crowded").drop("crowded")))


def _told_once(crowded: DataFrame) -> DataFrame:
    near = crowded.withColumn("for_day", F.explode(F.array(*(F.date_add("day", shift) for shift in (-1, 0, 1)))))
    telling = F.struct(
        "started_ms", "play_id", _precision_ms().alias("precision_ms"), F.struct(*crowded.columns).alias("play")
    )
    gathered = near.groupBy("listener_id", "track_id", "for_day").agg(
        F.sort_array(F.collect_list(telling)).alias("all")
    )
    kept = gathered.select("for_day", F.explode(_best_of_clusters("all")).alias("kept"))
    return kept.where("kept.play.day = for_day").select("kept.play.*")


def _best_of_clusters(tellings: str) -> Column:
    """Of tellings in order of start, the most precise of each cluster; ties go to the first."""
    element = f"element_at({tellings}, 1)"
    start = F.expr(
        f"named_struct('anchor_ms', {element}.started_ms, 'best', {element}, 'kept', slice({tellings}, 1, 0))"
    )

    def step(state: Column, telling: Column) -> Column:
        joins = same_play(telling["started_ms"] - state["anchor_ms"])
        better = telling["precision_ms"] < state["best"]["precision_ms"]
        return F.struct(
            F.when(joins, state["anchor_ms"]).otherwise(telling["started_ms"]).alias("anchor_ms"),
            F.when(joins & ~better, state["best"]).otherwise(telling).alias("best"),
            F.when(joins, state["kept"]).otherwise(F.concat(state["kept"], F.array(state["best"]))).alias("kept"),
        )

    return F.aggregate(F.col(tellings), start, step, lambda s: F.concat(s["kept"], F.array(s["best"])))


def _precision_ms() -> Column:
    grains = {source.name: source.precision_ms for source in SOURCES.values()}
    return _by_source(grains, UNKNOWN_SOURCE.precision_ms)


def _played_where_unknown() -> Column:
    lengths = {source.name: PLAY_THRESHOLD_MS for source in SOURCES.values() if source.scrobbles}
    return _by_source(lengths, 0)


def _by_source(values: dict[str, int], otherwise: int) -> Column:
    pairs = [F.lit(part) for name, value in values.items() for part in (name, value)]
    return F.coalesce(F.element_at(F.create_map(*pairs), F.col("source")), F.lit(otherwise))


def renamed_days(lake: Lake) -> set[date]:
    """Days with a play of a track whose track_id is not what it was when core.plays was last written."""
    before = _known_version(lake, CORE_TRACKS)
    if before is None or not lake.changed(CORE_TRACKS, before):
        return set()
    try:
        old = lake.read(CORE_TRACKS, version=before)
    except LakeBroken:  # retention has taken that version's files
        return lake.days(RAW_PLAYS)
    with duckdb.connect() as connection:
        connection.register("old", old)
        connection.register("new", lake.dataset(CORE_TRACKS))
        connection.register("plays", lake.dataset(RAW_PLAYS))
        return {day for (day,) in connection.sql(_RENAMED).fetchall()}


def erased_days(lake: Lake) -> set[date]:
    """Days of which core.plays holds plays that have been taken back since it was last written."""
    if not lake.exists(CORE_PLAYS) or not lake.changed(RAW_ERASURES, _known_version(lake, RAW_ERASURES)):
        return set()
    with duckdb.connect() as connection:
        connection.register("erasures", lake.dataset(RAW_ERASURES))
        connection.register("raw", lake.dataset(RAW_PLAYS))
        connection.register("plays", lake.dataset(CORE_PLAYS))
        return {day for (day,) in connection.sql(_ERASED).fetchall()}


def _known_version(lake: Lake, table: Table) -> int | None:
    version = lake.commit_metadata(CORE_PLAYS).get("inputs", {}).get(table.name)
    return None if version is None else int(version)


_RENAMED = """
WITH renamed AS (
    SELECT source_track_id FROM new LEFT JOIN old USING (source_track_id)
    WHERE new.track_id <> coalesce(old.track_id, source_track_id)
)
SELECT DISTINCT day FROM plays SEMI JOIN renamed USING (source_track_id)
"""
# A play is known by what raw.plays says of its arrival: one told again after an erasure of everything stays.
_ERASED = """
WITH taken_back AS (
    SELECT raw.listener_id, raw.play_id FROM raw JOIN erasures ON raw.listener_id = erasures.listener_id
    AND (raw.play_id = erasures.play_id OR (erasures.play_id IS NULL AND raw.received_ms <= erasures.received_ms))
)
SELECT DISTINCT day FROM plays SEMI JOIN taken_back USING (listener_id, play_id)
"""
