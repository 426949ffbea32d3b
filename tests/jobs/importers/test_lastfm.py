"""Last.fm scrobbles as the common exporters write them, from lines written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.jobs.importers.conftest import Importing

STARTED_MS = 1_704_164_640_000  # 2024-01-02T03:04:00Z
MBID = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

GHAN = (
    "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
    f'"1704164640","02 Jan 2024, 03:04","Ada","","Engines","","Loom, Part 1","{MBID}"\n'
)


@pytest.mark.parametrize(
    "text",
    [
        'Ada,Engines,"Loom, Part 1",02 Jan 2024 03:04\n',
        'artist,album,track,date\r\nAda,Engines,"Loom, Part 1",02 Jan 2024 03:04\r\n',
        GHAN,
        'Artist;Album;AlbumId;Track;Date#me\n"Ada";"Engines";"";"Loom, Part 1";"1704164640000"\n',
        "artist\talbum\tname\ttimestamp\nAda\tEngines\tLoom, Part 1\t2024-01-02T03:04:00Z\n",
        '\ufeffartist,album,track,date\nAda,Engines,"Loom, Part 1",1704164640\n',
        '\ufeffAda,Engines,"Loom, Part 1","02 Jan 2024 03:04"\n',
    ],
    ids=["bare", "header", "uts", "lastfmstats", "tabs and iso", "seconds", "byte order mark"],
)
def test_every_shape_of_export_tells_the_same_scrobble(bring: Importing, text: Any) -> None:
    summary = bring(bring.write("scrobbles.csv", text), listener="me")
    assert (summary.rows, summary.added, summary.files[0].format) == (1, 1, "lastfm")
    assert bring.plays("listener_id", "started_ms", "source", "played_ms") == [("me", STARTED_MS, "lastfm", None)]
    assert bring.tracks("title", "artist", "album") == [("Loom, Part 1", "Ada", "Engines")]


def test_the_musicbrainz_id_of_the_track_is_kept(bring: Importing) -> None:
    text = f"uts,artist,track,track_mbid\n1704164640,Ada,Loom,{MBID}\n1704164700,Ada,Bobbin,\n"
    bring(bring.write("s.csv", text), listener="me")
    assert sorted(bring.tracks("title", "mbid")) == [("Bobbin", None), ("Loom", MBID)]


def test_the_track_that_was_playing_is_ignored(bring: Importing) -> None:
    text = "Ada,Engines,Loom,\nAda,Engines,Loom,02 Jan 2024 03:04\n\n"
    summary = bring(bring.write("s.csv", text), listener="me")
    assert (summary.added, summary.ignored) == (1, summary.rows - 1)
    assert summary.reasons["still playing when exported"] == 1


def test_bad_lines_are_quarantined_by_line(bring: Importing) -> None:
    lines = [
        "artist,album,track,date",
        "Ada,Engines,Loom,02 Jan 2024 03:04",
        "Ada,Engines,Loom",
        "Ada,Engines,Loom,31 Feb 2024 03:04",
        ",Engines,Loom,02 Jan 2024 03:04",
        "Ada,Engines,Loom,01 Jan 1970 00:00",
        "Ada,Engines,Bobbin,02 Jan 2024 03:05",
    ]
    summary = bring(bring.write("s.csv", "\n".join(lines)), listener="me")
    assert (summary.rows, summary.added, summary.quarantined) == (6, 2, 4)
    assert bring.quarantine("line", "reason") == [
        (3, "found 3 fields; wanted 4"),
        (4, "date is '31 Feb 2024 03:04'; wanted 02 Jan 2024 03:04, ISO 8601 or seconds since 1970"),
        (5, "source_track_id is missing; wanted an id of the track, or its artist and title"),
        (6, "started_ms is 0; wanted 946684800000 (2000-01-01) or later"),
    ]
    assert bring.quarantine("content")[0] == "Ada,Engines,Loom"


def test_the_same_scrobble_in_two_exporters_files_is_one_play(bring: Importing) -> None:
    bring(bring.write("a.csv", "Ada,Engines,Loom,02 Jan 2024 03:04\n"), listener="me")
    summary = bring(bring.write("b.csv", "uts,artist,track\n1704164640,Ada,Loom\n"), listener="me")
    assert (summary.added, summary.repeated) == (0, 1)
