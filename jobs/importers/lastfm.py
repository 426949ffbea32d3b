"""Last.fm scrobbles as CSV, in the shapes that the common exporters write.

lastfm-to-csv: artist, album, track, `02 Jan 2024 03:04`, without a header; mainstream.ghan.nl: a header with uts (s);
lastfmstats.com: semicolons and a header whose `Date#name` holds milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.columnar import EMPTY_ROW, Slab, csv_slabs
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import ImportedRows, told_table
from jobs.importers.typed import instant_ms, scrobbled_ms, text

SOURCE = "lastfm"
WANTED = "scrobbles as CSV: artist, album, track, date; or a header with artist, track and uts or date"
NOW_PLAYING = "still playing when exported"
_BARE = ("artist", "album", "track", "date")
_MEANINGS = {
    "artist": ("artist", "artist_name", "artist name"),
    "album": ("album", "album_name", "album name"),
    "title": ("track", "name", "title", "track_name", "track name", "song"),
    "started_ms": ("uts", "utc_time", "date", "timestamp", "time"),
    "mbid": ("track_mbid", "track mbid"),
}
_NEEDED = ("artist", "title", "started_ms")
_ROWS_LOOKED_AT = 20


def recognises(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """A header with an artist, a track and a time, or rows of four with a written date at the end."""
    if columns or sample.parquet:
        return False
    return _has_header(sample) or _looks_bare(sample)


def read(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """Its rows, a slab at a time."""
    header = _has_header(reading.sample)
    names = reading.sample.columns if header else _BARE
    places = _places(names)
    for slab in csv_slabs(path, reading.sample, names, header=header):
        yield parse(slab, {ours: str(place) for ours, place in places.items()}, _unit(names, places), reading.listener)


def parse(slab: Slab, columns: Mapping[str, str], unit: str, listener: str | None) -> ImportedRows:
    """A slab as told rows; a row without a date is the track that was playing, and is left out."""
    written = text(slab.columns[columns["started_ms"]])
    dated = pc.is_valid(written)
    kept = pc.indices_nonzero(dated)
    started = instant_ms(written.take(kept), unit)
    told: dict[str, object] = {"line": slab.lines.take(kept), "listener_id": listener, "source": SOURCE}
    told["started_ms"] = started
    for ours in columns:
        if ours != "started_ms":
            told[ours] = text(slab.columns[columns[ours]].take(kept))
    positions = kept.to_pylist()
    ignored = {EMPTY_ROW: slab.empty, NOW_PLAYING: len(written) - len(kept)}
    return ImportedRows(
        told_table(told, len(kept)),
        lambda at: slab.content(positions[at]),
        _faults(written.take(kept), started),
        slab.unreadable,
        {reason: times for reason, times in ignored.items() if times},
    )


def _faults(written: pa.Array, started: pa.Array) -> list[str | None] | None:
    if not started.null_count:
        return None
    texts, moments = written.to_pylist(), started.to_pylist()
    return [
        f"date is {found!r}"[:200] + "; wanted 02 Jan 2024 03:04, ISO 8601 or seconds since 1970"
        if moment is None
        else None
        for found, moment in zip(texts, moments, strict=True)
    ]


def _places(names: tuple[str, ...]) -> dict[str, int]:
    """Where each of our columns stands; `Date#name` is a date."""
    plain = [name.lower().partition("#")[0] for name in names]
    found = {ours: next((plain.index(n) for n in theirs if n in plain), None) for ours, theirs in _MEANINGS.items()}
    return {ours: place for ours, place in found.items() if place is not None}


def _has_header(sample: Sample) -> bool:
    return set(_NEEDED) <= set(_places(sample.first_line))


def _looks_bare(sample: Sample) -> bool:
    lines = sample.text.splitlines()[:_ROWS_LOOKED_AT]
    ends = (line.rstrip('"').rpartition(sample.delimiter)[2].strip('"') for line in lines)
    return len(sample.first_line) == len(_BARE) and any(scrobbled_ms(end) is not None for end in ends)


def _unit(names: tuple[str, ...], places: Mapping[str, int]) -> str:
    name = names[places["started_ms"]].lower()
    if "#" in name:
        return "ms"
    return "s" if name == "uts" else "written"
