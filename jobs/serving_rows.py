"""The lake -> rows: what an answer needs at once, a base a listener and a card a track.

A base holds every play that the lake holds, whatever day the model is as of: it names the log offsets that have landed,
and a listen above them is still in the listener's tail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.land_events import landed_offsets
from jobs.run import JobRun
from warehouse.rules.decay import TASTE_ENTRIES
from warehouse.stores.rows import Rows
from warehouse.tables import CORE_CATALOG, CORE_PLAYS, FEATURES_TASTE, RAW_ERASURES, RAW_SIGNALS
from warehouse.taste import BASE, CATALOG, RECENT_PLAYS, Entry, Heard, Opinion, TasteBase, TrackCard

ROWS_A_WRITE = 2_000

Row = TypeVar("Row")


def write_rows(run: JobRun, rows: Rows) -> int:
    """Put a base for every listener and a card for every track; drop those of listeners who are no more."""
    version = run.wiring.clock_ms()
    offsets = landed_offsets(run.lake)
    bases = listener_bases(run.read(FEATURES_TASTE), run.read(CORE_PLAYS), last_words(run))
    there = set()
    written = 0
    for some in _some(row.asDict() for row in bases.toLocalIterator()):
        there |= {row["listener_id"] for row in some}
        written += rows.put_many(BASE, {row["listener_id"]: _base(row, offsets) for row in some}, version=version)
    rows.delete(BASE, [listener for listener, _ in rows.scan(BASE) if listener not in there])
    for some in _some(run.lake.read(CORE_CATALOG).to_pylist()):
        written += rows.put_many(CATALOG, {card["track_id"]: _card(card) for card in some}, version=version)
    return written


def last_words(run: JobRun) -> DataFrame:
    """The last word of each listener on each track, without those of listeners erased since."""
    whole = run.read(RAW_ERASURES).where("play_id IS NULL").groupBy("listener_id")
    erased = whole.agg(F.max("received_ms").alias("erased_ms"))
    said = run.read(RAW_SIGNALS).join(erased, "listener_id", "left")
    latest = Window.partitionBy("listener_id", "track_id").orderBy(F.desc("received_ms"), F.desc("signal_id"))
    kept = said.where("erased_ms IS NULL OR received_ms > erased_ms").withColumn("place", F.row_number().over(latest))
    return kept.where("place = 1")


def listener_bases(taste: DataFrame, plays: DataFrame, opinions: DataFrame) -> DataFrame:
    """A row a listener: taste entries and plays by name, newest first and bounded, and last words."""
    entries = taste.select(
        "listener_id",
        F.struct(
            (-F.unix_date("day")).alias("newest"),
            (-F.col("plays")).alias("most"),
            "track_id",
            "plays",
            "skips",
            "last_play_id",
            "last_started_ms",
        ).alias("entry"),
    )
    heard = plays.select(
        "listener_id",
        F.struct(
            (-F.col("started_ms")).alias("newest"), "play_id", "track_id", "started_ms", "source", "counts", "skipped"
        ).alias("heard"),
    )
    word = F.struct("track_id", "kind", "rating", "received_ms", "signal_id")
    words = opinions.select("listener_id", word.alias("said"))
    return (
        _gathered(entries, "entry", TASTE_ENTRIES)
        .join(_gathered(heard, "heard", RECENT_PLAYS), "listener_id", "full")
        .join(_gathered(words, "said", None), "listener_id", "full")
    )


def _gathered(rows: DataFrame, column: str, bound: int | None) -> DataFrame:
    in_order = F.sort_array(F.collect_list(column))
    return rows.groupBy("listener_id").agg((F.slice(in_order, 1, bound) if bound else in_order).alias(column))


def _base(row: Mapping[str, Any], offsets: dict[str, int]) -> bytes:
    base = TasteBase(
        entries=tuple(
            Entry(e["track_id"], -e["newest"], e["plays"], e["skips"], e["last_play_id"], e["last_started_ms"])
            for e in row["entry"] or ()
        ),
        recent=tuple(
            Heard(h["play_id"], h["track_id"], h["started_ms"], h["source"], h["counts"], h["skipped"])
            for h in row["heard"] or ()
        ),
        opinions=tuple(
            Opinion(s["track_id"], s["kind"], s["rating"], s["received_ms"], s["signal_id"]) for s in row["said"] or ()
        ),
        offsets=offsets,
    )
    return msgspec.msgpack.encode(base)


def _card(row: dict[str, object]) -> bytes:
    return msgspec.msgpack.encode(msgspec.convert(row, TrackCard))


def _some(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while some := list(islice(remaining, ROWS_A_WRITE)):
        yield some
