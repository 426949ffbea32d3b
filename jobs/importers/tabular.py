"""Any CSV or Parquet table, by our own column names or by a mapping that the caller states; and tables of tracks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.columnar import EMPTY_ROW, Slab, csv_slabs, parquet_slabs
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import TOLD, About, ImportedRows, ImportRefused, told_table
from jobs.importers.typed import TIME_UNITS, UNITS_MS, NotAColumn, instant_ms, length_ms, shown, text

SOURCE = "file"
OURS = ("track_id", *(name for name in TOLD.names if name != "line"))
WANTED = "CSV or Parquet with started_ms and track_id (or source_track_id, or artist and title), or --map OURS=THEIRS"
TRACKS_WANTED = "CSV or Parquet with source_track_id and title, artist, album, isrc, mbid or track_ms"
_FACTS = frozenset({"title", "artist", "album", "isrc", "mbid", "track_ms"})
_LENGTHS = frozenset({"played_ms", "track_ms"})
_OPTIONAL = frozenset({"slot", "isrc", "mbid", "country", "context", "impression_id", "ended_by", "device"})


def recognises(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """A table that has, or is said to have, a start and a track."""
    if columns:
        return len(sample.columns) > 1
    return "started_ms" in sample.columns and _names_a_track(set(sample.columns))


def recognises_tracks(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """A table of tracks by our own names, without plays."""
    found = set(sample.columns)
    return not columns and "source_track_id" in found and bool(_FACTS & found) and "started_ms" not in found


def read(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """Its rows as plays. Raises `ImportRefused` where the columns are not enough."""
    columns = _resolved(reading)
    _refuse_incomplete(reading, columns)
    return (parse(slab, columns, reading) for slab in _slabs(path, reading, columns))


def read_tracks(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """Its rows as tracks."""
    columns = {ours: theirs for ours, theirs in _resolved(reading).items() if ours in {"source_track_id", *_FACTS}}
    return (parse(slab, columns, reading, About.TRACKS) for slab in _slabs(path, reading, columns))


def parse(slab: Slab, columns: Mapping[str, Source], reading: Reading, about: About = About.PLAYS) -> ImportedRows:
    """A slab as told rows, with the reason where a value that a play needs is there but cannot be read."""
    rows = len(slab.lines)
    told: dict[str, pa.Array | pa.Scalar | str | None] = {"line": slab.lines}
    faults: list[str | None] | None = None
    for ours, theirs in columns.items():
        raw = slab.columns[theirs.column]
        told[ours] = _typed(ours, theirs, raw, reading)
        if ours not in _OPTIONAL:
            faults = _with_faults(faults, ours, theirs, raw, told[ours])
    if about is About.PLAYS:
        _complete(told, reading, rows)
    ignored = {EMPTY_ROW: slab.empty} if slab.empty else {}
    return ImportedRows(told_table(told, rows), slab.content, faults, slab.unreadable, ignored, about)


def _slabs(path: Path, reading: Reading, columns: Mapping[str, Source]) -> Iterator[Slab]:
    names = reading.sample.columns
    wanted = dict.fromkeys(theirs.column for theirs in columns.values())
    for name in wanted:
        if names.count(name) > 1:
            raise ImportRefused(f"reading {reading.name}: found {names.count(name)} columns {name!r}; wanted one")
    if reading.sample.parquet:
        yield from parquet_slabs(path, reading.name, list(wanted))
        return
    for slab in csv_slabs(path, reading.sample, names, header=True):
        yield Slab(
            {name: slab.columns[str(names.index(name))] for name in wanted},
            slab.lines,
            slab.content,
            slab.unreadable,
            slab.empty,
        )


def _resolved(reading: Reading) -> dict[str, Source]:
    """Which column means which of ours: what was mapped, then those that bear our names."""
    found = reading.sample.columns
    for ours, theirs in reading.columns.items():
        if ours not in OURS:
            raise ImportRefused(f"importing: found --map {ours}=...; wanted one of {', '.join(OURS)}")
        if theirs.column not in found:
            raise ImportRefused(
                f"reading {reading.name}: found no column {theirs.column!r} (there are {', '.join(found)}); "
                f"wanted it for {ours}"
            )
    taken = {theirs.column for theirs in reading.columns.values()}
    own = {name: Source(name) for name in OURS if name in found and name not in taken}
    return {**own, **reading.columns}


def _refuse_incomplete(reading: Reading, columns: Mapping[str, Source]) -> None:
    if "started_ms" not in columns or not _names_a_track(set(columns)):
        raise ImportRefused(
            f"reading {reading.name}: found {', '.join(columns) or 'none of our columns'}; wanted started_ms and "
            f"track_id, source_track_id or artist and title (its own columns: {', '.join(reading.sample.columns)})"
        )
    if "listener_id" in columns and reading.listener is not None:
        raise ImportRefused(f"reading {reading.name}: found a column for listener_id; wanted no --listener beside it")
    if "listener_id" not in columns and reading.listener is None:
        raise ImportRefused(
            f"reading {reading.name}: found no column that says who listened; "
            "wanted --listener ID or --map listener_id=COLUMN"
        )


def _names_a_track(found: set[str]) -> bool:
    return bool({"track_id", "source_track_id"} & found) or {"artist", "title"} <= found


def _typed(ours: str, theirs: Source, raw: pa.Array, reading: Reading) -> pa.Array:
    try:
        if ours == "started_ms":
            return instant_ms(raw, theirs.unit or "ms")
        if ours in _LENGTHS or ours == "slot":
            return length_ms(raw, theirs.unit or "ms")
        return text(raw)
    except (NotAColumn, KeyError) as error:
        wanted = "a whole number" if ours == "slot" else "text"
        if ours.endswith("_ms"):
            wanted = "/".join(TIME_UNITS if ours == "started_ms" else UNITS_MS)
        found = error if isinstance(error, NotAColumn) else f"unit {theirs.unit}"
        raise ImportRefused(
            f"reading {reading.name}: found {found} in column {theirs.column!r} for {ours}; wanted {wanted}"
        ) from error


def _with_faults(
    faults: list[str | None] | None, ours: str, theirs: Source, raw: pa.Array, typed: pa.Array
) -> list[str | None] | None:
    lost = pc.and_(pc.is_valid(raw), pc.is_null(typed))
    if not pc.any(lost).as_py():
        return faults
    faults = faults or [None] * len(raw)
    wanted = f"a number or time ({theirs.unit or 'ms'})" if ours.endswith("_ms") else "text in UTF-8"
    for position in pc.indices_nonzero(lost).to_pylist():
        value = shown(raw, position)
        if faults[position] is None and not _blank(value):
            faults[position] = f"{ours} is {value!r}"[:200] + f"; wanted {wanted}"
    return faults


def _blank(value: object) -> bool:
    return isinstance(value, str | bytes) and not value.strip()


def _complete(told: dict[str, pa.Array | pa.Scalar | str | None], reading: Reading, rows: int) -> None:
    """Who listened and who tells, where no column says; a bare track id belongs to its teller."""
    named = reading.source or SOURCE
    told["source"] = pc.coalesce(told["source"], named) if "source" in told else pa.repeat(pa.scalar(named), rows)
    told.setdefault("listener_id", reading.listener)
    if (bare := told.pop("track_id", None)) is not None:
        joined = pc.binary_join_element_wise(told["source"], bare, ":")
        told["source_track_id"] = pc.coalesce(told["source_track_id"], joined) if "source_track_id" in told else joined
