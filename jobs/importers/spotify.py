"""Spotify's two exports: the account data of the last year, and the extended history since the account began.

Both tell when a play ended. The account data names no track ids and tells whole minutes; see
https://support.spotify.com/article/understanding-my-data/ for the fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from jobs.importers.records import (
    Ignored,
    Record,
    array_records,
    number_in,
    optional_text,
    text_in,
    time_in,
    told_of,
)
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import ImportedRows
from jobs.importers.typed import iso_ms
from warehouse.events import MAX_LABEL_CHARACTERS
from warehouse.rules.plays import SKIPPED

ACCOUNT, EXTENDED = "spotify-account", "spotify"
ACCOUNT_WANTED = "StreamingHistory_music_*.json, an array of {endTime, artistName, trackName, msPlayed}"
EXTENDED_WANTED = "Streaming_History_Audio_*.json, an array of {ts, ms_played, spotify_track_uri, ...}"
PODCAST, AUDIOBOOK, NO_TRACK = "a podcast", "an audiobook", "no track is named"
ENDED = "end"
_LEFT_BY_HAND = frozenset({"fwdbtn", "backbtn", "clickrow", "playbtn"})
_UNKNOWN = ("Unknown Artist", "Unknown Track")
_TRACK_URI = re.compile(r"spotify:track:([0-9A-Za-z]+)")


def recognises_account(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """An array whose records have `endTime` and `msPlayed`, or an empty one by its name."""
    return not columns and _array_with(sample, "endTime", "msPlayed", "StreamingHistory")


def recognises_extended(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """An array whose records have `ts` and `ms_played`, or an empty one by its name."""
    return not columns and _array_with(sample, "ts", "ms_played", "Streaming_History_")


def read_account(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """The plays of an account data file."""
    return told_of(array_records(path, reading.name), lambda record: account_play(record, reading.listener))


def read_extended(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """The plays of an extended history file."""
    return told_of(array_records(path, reading.name), lambda record: extended_play(record, reading.listener))


def account_play(record: Record, listener: str | None) -> Record | Ignored:
    """A record of the account data as a told row."""
    if "podcastName" in record or "episodeName" in record:
        return Ignored(PODCAST)
    artist, title = text_in(record, "artistName"), text_in(record, "trackName")
    if title is None or (artist, title) == _UNKNOWN:
        return Ignored(NO_TRACK)
    played_ms = number_in(record, "msPlayed")
    return {
        "listener_id": listener,
        "started_ms": time_in(record, "endTime", iso_ms) - played_ms,
        "source": ACCOUNT,
        "played_ms": played_ms,
        "title": title,
        "artist": artist,
    }


def extended_play(record: Record, listener: str | None) -> Record | Ignored:
    """A record of the extended history as a told row."""
    uri = text_in(record, "spotify_track_uri")
    title = text_in(record, "master_metadata_track_name")
    if uri is None and title is None:
        return Ignored(_why_no_track(record))
    track = _TRACK_URI.fullmatch(uri or "")  # a local file has another kind of URI: its names are all there is
    played_ms = number_in(record, "ms_played")
    return {
        "listener_id": listener,
        "source_track_id": f"{EXTENDED}:{track[1]}" if track else None,
        "started_ms": time_in(record, "ts", iso_ms) - played_ms,
        "source": EXTENDED,
        "played_ms": played_ms,
        "ended_by": _ended_by(record),
        "device": (optional_text(record.get("platform")) or "")[:MAX_LABEL_CHARACTERS] or None,
        "country": optional_text(record.get("conn_country")),
        "title": title,
        "artist": text_in(record, "master_metadata_album_artist_name"),
        "album": text_in(record, "master_metadata_album_album_name"),
    }


def _why_no_track(record: Record) -> str:
    if record.get("spotify_episode_uri") or record.get("episode_name"):
        return PODCAST
    if record.get("audiobook_uri") or record.get("audiobook_title"):
        return AUDIOBOOK
    return NO_TRACK


def _ended_by(record: Record) -> str | None:
    reason = optional_text(record.get("reason_end"))
    if record.get("skipped") or reason in _LEFT_BY_HAND:
        return SKIPPED
    return ENDED if reason == "trackdone" else reason


def _array_with(sample: Sample, first: str, second: str, name: str) -> bool:
    text = sample.text.lstrip()
    if not text.startswith("["):
        return False
    if text[1:].lstrip().startswith("]"):
        return name in sample.name
    return all(re.search(rf'"{field}"\s*:', text) for field in (first, second))
