"""The lake -> rows: what an answer needs at once, a base a listener and a card a track.

A base holds every play that the lake holds, whatever day the model is as of: it names the log offsets that have landed,
and a listen above them is still in the listener's tail. This needs an index in one place rather than a cluster, so it
streams through DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from jobs.run import JobRun
from warehouse.rules.decay import TASTE_ENTRIES
from warehouse.stores.lake import Lake
from warehouse.stores.landing import landed_offsets
from warehouse.stores.rows import Rows
from warehouse.tables import CORE_CATALOG, CORE_PLAYS, CORE_TRACKS, FEATURES_TASTE, RAW_ERASURES, RAW_PLAYS, RAW_SIGNALS
from warehouse.taste import BASE, CATALOG, RECENT_PLAYS, TAKEN_BACK, Entry, Heard, Opinion, TasteBase, TrackCard

ROWS_A_WRITE = 2_000
MADE_FROM = "rows.made_from"  # rows table: one row, the versions that all others were made from
_SOURCES = (FEATURES_TASTE, CORE_PLAYS, CORE_TRACKS, CORE_CATALOG, RAW_SIGNALS, RAW_ERASURES)

# Of what is known as taste, plays, signals and erasures: a row a listener, to be read by `base_of`. Plays are in the
# order of `warehouse.taste.newest_first`, and words in that of `last_word`.
BASES = f"""
WITH entries AS (
    SELECT listener_id, list({{day: day - DATE '1970-01-01', t: track_id, p: plays, s: skips, i: last_play_id,
           m: last_started_ms}} ORDER BY day DESC, plays DESC, track_id)[1:{TASTE_ENTRIES}] AS entries
    FROM taste GROUP BY listener_id
), heard AS (
    SELECT listener_id, list({{i: play_id, t: track_id, m: started_ms, o: source, c: counts, s: skipped, e: ended_ms}}
           ORDER BY started_ms DESC, play_id)[1:{RECENT_PLAYS}] AS heard
    FROM plays GROUP BY listener_id
), erased AS (
    SELECT listener_id, max(received_ms) AS erased_ms FROM erasures WHERE play_id IS NULL GROUP BY listener_id
), words AS (
    SELECT signals.* FROM signals LEFT JOIN erased USING (listener_id)
    WHERE erased_ms IS NULL OR received_ms > erased_ms
    QUALIFY row_number() OVER (PARTITION BY listener_id, track_id ORDER BY received_ms DESC, signal_id DESC) = 1
), said AS (
    SELECT listener_id,
           list({{t: track_id, k: kind, r: rating, m: received_ms, i: signal_id}} ORDER BY track_id) AS said
    FROM words GROUP BY listener_id
), taken_back AS (
    SELECT listener_id, list(play_id ORDER BY last_ms DESC, play_id)[1:{TAKEN_BACK}] AS taken_back
    FROM (SELECT listener_id, play_id, max(received_ms) AS last_ms FROM erasures WHERE play_id IS NOT NULL GROUP BY ALL)
    GROUP BY listener_id
)
SELECT * FROM entries FULL JOIN heard USING (listener_id) FULL JOIN said USING (listener_id)
LEFT JOIN taken_back USING (listener_id)
"""  # noqa: S608  # bounds of ours
_CARDS = """
SELECT track_id AS name, catalog.* FROM catalog
UNION ALL BY NAME
SELECT source_track_id AS name, catalog.* FROM catalog JOIN tracks USING (track_id) WHERE source_track_id <> track_id
"""


def write_rows(run: JobRun, rows: Rows) -> int:
    """Put a base for every listener and a card for every track; drop those of listeners who are no more.

    Nothing is written where the tables, the landed offsets and the form of rows are those that they were made from.
    """
    offsets = counted_offsets(run.lake)
    versions = [run.lake.version(table) for table in _SOURCES]
    made_from = msgspec.json.encode([run.lake.url, offsets, versions, _form()])
    if rows.get(MADE_FROM, "tables") == made_from:
        return 0
    version = run.wiring.clock_ms()
    written = _write_bases(run.lake, rows, offsets, version)
    for cards in track_cards(run.lake):
        encoded = {card.pop("name"): _card(card) for card in cards.to_pylist()}
        written += rows.put_many(CATALOG, encoded, version=version)
    rows.put(MADE_FROM, "tables", made_from, version=version)
    return written


def _form() -> str:
    """A hash of the declared fields of rows: another where a newer Backbeat reads other ones."""
    schema = msgspec.json.schema_components([TasteBase, TrackCard])
    return blake2b(msgspec.json.encode(schema), digest_size=8).hexdigest()


class PublishedFrom(NamedTuple):
    """What the rows were made from: the imports that their bases know, and the version of core.tracks in them, if any.

    `imports_since` counts those that came later.
    """

    imports: frozenset[str]
    imports_since: int
    tracks_version: int | None


def published_from(lake: Lake, rows: Rows) -> PublishedFrom:
    """As it was when `write_rows` last wrote; no import at all where it never has."""
    made_from = rows.get(MADE_FROM, "tables")
    told = _imports(lake, None) if lake.exists(RAW_PLAYS) else frozenset()
    if made_from is None:
        return PublishedFrom(frozenset(), len(told), None)
    versions = dict(zip(_SOURCES, msgspec.json.decode(made_from)[2], strict=True))
    inputs = lake.commit_metadata(CORE_PLAYS, at=versions[CORE_PLAYS]).get("inputs", {})
    known = _imports(lake, inputs.get(RAW_PLAYS.name))
    return PublishedFrom(known, len(told - known), versions[CORE_TRACKS])


def _imports(lake: Lake, version: int | None) -> frozenset[str]:
    rows = lake.reading(RAW_PLAYS, version=version, columns=["import_id"]).relation()
    return frozenset(name for (name,) in rows.filter("import_id IS NOT NULL").distinct().fetchall())


def counted_offsets(lake: Lake) -> dict[str, int]:
    """The last offset of each `topic/partition` that features.taste has counted.

    What has landed since the tables were made is not in a base yet, and must stay in the tails.
    """
    taste = lake.commit_metadata(FEATURES_TASTE).get("inputs", {})
    plays = lake.commit_metadata(CORE_PLAYS, at=taste.get(CORE_PLAYS.name)).get("inputs", {})
    return landed_offsets(lake, {table.name: plays.get(table.name) for table in (RAW_PLAYS, RAW_ERASURES)})


def _write_bases(lake: Lake, rows: Rows, offsets: dict[str, int], version: int) -> int:
    there: set[str] = set()
    written = 0
    for batch in listener_bases(lake):
        bases = {row["listener_id"]: msgspec.msgpack.encode(base_of(row, offsets)) for row in batch.to_pylist()}
        written += rows.put_many(BASE, bases, version=version)
        there |= bases.keys()
    rows.delete(BASE, [listener for listener, _ in rows.scan(BASE) if listener not in there])
    return written


def listener_bases(lake: Lake) -> Iterator[pa.RecordBatch]:
    """A row a listener: taste entries and plays by name, newest first and bounded, and last words."""
    connection = duckdb.connect()
    connection.register("taste", lake.dataset(FEATURES_TASTE))
    connection.register("plays", lake.dataset(CORE_PLAYS))
    for name, table in (("signals", RAW_SIGNALS), ("erasures", RAW_ERASURES)):
        connection.register(name, lake.dataset(table) if lake.exists(table) else table.schema.empty_table())
    yield from connection.sql(BASES).to_arrow_reader(ROWS_A_WRITE)


def track_cards(lake: Lake) -> Iterator[pa.RecordBatch]:
    """A card for each `name` of a track: its track_id, and every source's id for it, as players may use either."""
    connection = duckdb.connect()
    connection.register("catalog", lake.dataset(CORE_CATALOG))
    connection.register("tracks", lake.dataset(CORE_TRACKS))
    yield from connection.sql(_CARDS).to_arrow_reader(ROWS_A_WRITE)


def base_of(row: Mapping[str, Any], offsets: dict[str, int]) -> TasteBase:
    """The base of one row of `listener_bases`."""
    return TasteBase(
        entries=tuple(Entry(e["t"], e["day"], e["p"], e["s"], e["i"], e["m"]) for e in row["entries"] or ()),
        recent=tuple(Heard(h["i"], h["t"], h["m"], h["o"], h["c"], h["s"], h["e"]) for h in row["heard"] or ()),
        opinions=tuple(Opinion(s["t"], s["k"], s["r"], s["m"], s["i"]) for s in row["said"] or ()),
        offsets=offsets,
        taken_back=tuple(reversed(row["taken_back"] or ())),
    )


def _card(row: Mapping[str, Any]) -> bytes:
    return msgspec.msgpack.encode(TrackCard(**row))
