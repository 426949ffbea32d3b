"""ListenBrainz exports: a zip of `listens/YYYY/M.jsonl`, one listen a line; the older export is one array of listens.

Fields are those of https://listenbrainz.readthedocs.io/en/latest/users/json.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.importers.records import (
    BadRecord,
    Record,
    array_records,
    line_records,
    number_in,
    optional_text,
    text_in,
    told_of,
    whole,
)
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import ImportedRows
from warehouse.rules.identity import mbid_of
from warehouse.rules.plays import LONGEST_PLAY_MS

SOURCE = "listenbrainz"
WANTED = "a listenbrainz_*.zip, or its listens/YYYY/M.jsonl: lines of {listened_at, track_metadata}"


def recognises(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """Lines, or an array, of objects with `listened_at` and `track_metadata`."""
    start = sample.text.lstrip()[:1]
    return (
        not columns
        and start in ("{", "[")
        and all(re.search(rf'"{field}"\s*:', sample.text) for field in ("listened_at", "track_metadata"))
    )


def read(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """The listens of one file."""
    records = array_records if reading.sample.text.lstrip().startswith("[") else line_records
    return told_of(records(path, reading.name), lambda record: listen(record, reading.listener))


def listen(record: Record, listener: str | None) -> Record:
    """A listen as a told row. Raises `BadRecord` where it has no time or no names."""
    told = record.get("track_metadata")
    if not isinstance(told, dict):
        raise BadRecord("track_metadata is missing; wanted an object")
    more = _object(told.get("additional_info"))
    msid = mbid_of(
        optional_text(told.get("recording_msid") or more.get("recording_msid") or record.get("recording_msid"))
    )
    return {
        "listener_id": listener,
        "source_track_id": f"{SOURCE}:{msid}" if msid else None,
        "started_ms": number_in(record, "listened_at", 1_000),
        "source": SOURCE,
        "played_ms": _sensible(whole(more.get("duration_played"), 1_000)),
        "track_ms": _sensible(whole(more.get("duration_ms")) or whole(more.get("duration"), 1_000)),
        "device": optional_text(more.get("media_player")),
        "title": text_in(told, "track_name"),
        "artist": text_in(told, "artist_name"),
        "album": optional_text(told.get("release_name")),
        "isrc": optional_text(more.get("isrc")),
        "mbid": _recording(more) or _recording(_object(told.get("mbid_mapping"))),
    }


def _recording(told: Mapping[str, Any]) -> str | None:
    return mbid_of(optional_text(told.get("recording_mbid")))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sensible(length_ms: int | None) -> int | None:
    """A client's claim that a listen can do without: out of bounds it is left out, not held against the listen."""
    return length_ms if length_ms is not None and 0 < length_ms <= LONGEST_PLAY_MS else None
