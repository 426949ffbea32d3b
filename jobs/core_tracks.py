"""raw.tracks -> core.tracks and core.catalog: one track_id for each source's track, and names for each track_id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from jobs.run import JobRun
from warehouse.rules.identity import isrc_of, mbid_of, name_key
from warehouse.tables import CORE_CATALOG, CORE_TRACKS, RAW_TRACKS

_KEYED = "source_track_id string, isrc string, mbid string, name_key string"


def main(run: JobRun) -> None:
    """Make both tables anew where raw.tracks has changed."""
    metadata = {"inputs": {RAW_TRACKS.name: run.lake.version(RAW_TRACKS)}}
    made = [run.lake.commit_metadata(table).get("inputs", {}) for table in (CORE_TRACKS, CORE_CATALOG)]
    if all(made) and not any(run.lake.changed(RAW_TRACKS, inputs[RAW_TRACKS.name]) for inputs in made):
        return
    raw = run.read(RAW_TRACKS)
    run.snapshot(CORE_TRACKS, identified(raw), metadata)
    run.snapshot(CORE_CATALOG, catalog(raw, run.read(CORE_TRACKS)), metadata)


def identified(tracks: DataFrame) -> DataFrame:
    """The track_id of each source_track_id.

    A track is its ISRC, else its MBID, else its folded names, else itself. One that lacks an id borrows it from its
    namesakes: an ISRC from any of them, an MBID where it has neither; of several, the first in order.
    """
    keyed = tracks.select("source_track_id", "artist", "title", "isrc", "mbid").mapInArrow(_keyed, _KEYED)
    namesakes = Window.partitionBy("name_key")
    named = F.col("name_key").isNotNull()
    return keyed.select(
        "source_track_id",
        F.coalesce(
            _labelled("isrc"),
            F.when(named, F.min(_labelled("isrc")).over(namesakes)),
            _labelled("mbid"),
            F.when(named, F.min(_labelled("mbid")).over(namesakes)),
            "name_key",
            "source_track_id",
        ).alias("track_id"),
    )


def catalog(tracks: DataFrame, identities: DataFrame) -> DataFrame:
    """What is known of each track_id: each field from the fullest telling, or the next that has it."""
    fields = ("title", "artist", "album", "isrc", "mbid", "track_ms")
    known = sum((F.col(name).isNotNull().cast("int") for name in fields), F.lit(0))
    best_first = Window.partitionBy("track_id").orderBy(known.desc(), "source_track_id")
    ranked = tracks.join(identities, "source_track_id").withColumn("place", F.row_number().over(best_first))
    told = [F.min_by(name, F.when(F.col(name).isNotNull(), F.col("place"))).alias(name) for name in fields]
    return ranked.groupBy("track_id").agg(*told)


def _labelled(kind: str) -> Column:
    return F.concat(F.lit(f"{kind}:"), F.col(kind))


def _keyed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Well-formed ids and the folded names: Python, because Spark cannot take accents off."""
    for batch in batches:
        told = {name: batch.column(name).to_pylist() for name in ("artist", "title", "isrc", "mbid")}
        yield pa.RecordBatch.from_pydict(
            {
                "source_track_id": batch.column("source_track_id"),
                "isrc": pa.array(map(isrc_of, told["isrc"]), pa.string()),
                "mbid": pa.array(map(mbid_of, told["mbid"]), pa.string()),
                "name_key": pa.array(map(name_key, told["artist"], told["title"]), pa.string()),
            }
        )
