"""Tables by our own names or by a stated mapping."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.importers.sample import Source
from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import Importing

NOON_MS = 1_704_110_400_000


def parquet(columns: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_a_mapped_csv_tells_plays(bring: Importing) -> None:
    file = bring.write("log.csv", "user;when;song;secs\nada;1704110400;42;61.5\n")
    columns: dict[str, str | Source] = {
        "listener_id": "user",
        "started_ms": Source("when", "s"),
        "track_id": "song",
        "played_ms": Source("secs", "s"),
    }
    summary = bring(file, columns=columns)
    assert (summary.added, summary.files[0].format) == (1, "table")
    assert bring.plays("listener_id", "source_track_id", "started_ms", "played_ms", "source") == [
        ("ada", "file:42", NOON_MS, 61_500, "file")
    ]


def test_a_source_can_be_named(bring: Importing) -> None:
    file = bring.write("log.csv", "started_ms,track_id\n1704110400000,42\n")
    bring(file, listener="ada", source="winamp")
    assert bring.plays("source_track_id", "source") == [("winamp:42", "winamp")]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (pa.array([1_704_110_400]), "s"),
        (pa.array([1_704_110_400.25]), "s"),
        (pa.array([NOON_MS], pa.uint64()), None),
        (pa.array(["2024-01-01T12:00:00Z"]), "iso"),
        (pa.array(["2024-01-01 13:00:00+01:00"]), "iso"),
        (pa.array(["2024-01-01 12:00"]).dictionary_encode(), "iso"),
        (pa.array([datetime(2024, 1, 1, 12, tzinfo=UTC)], pa.timestamp("us", "UTC")), None),
        (pa.array([datetime(2024, 1, 1, 12)], pa.timestamp("ns")), None),  # noqa: DTZ001 - a column without a zone
    ],
    ids=["s", "fractions", "ms", "Z", "offset", "no zone", "timestamp", "naive timestamp"],
)
def test_times_are_read_in_every_unit(bring: Importing, values: Any, unit: Any) -> None:
    file = bring.write("t.parquet", parquet({"when": values, "track_id": pa.array(["a"])}))
    bring(file, listener="me", columns={"started_ms": Source("when", unit)})
    (started,) = bring.plays("started_ms")
    assert started in (NOON_MS, NOON_MS + 250)


def test_a_table_with_our_own_columns_needs_no_mapping(bring: Importing) -> None:
    play = {
        "play_id": ["p1"],
        "listener_id": ["ada"],
        "source_track_id": ["world:7"],
        "started_ms": [NOON_MS],
        "received_ms": [NOON_MS + 5],
        "source": ["world"],
        "played_ms": [1_000],
        "track_ms": [200_000],
        "context": ["playlist:1"],
        "impression_id": ["i1"],
        "slot": pa.array([3], pa.int32()),
        "ended_by": ["skip"],
        "device": ["phone"],
        "country": ["SE"],
        "title": ["Loom"],
        "artist": ["Ada"],
    }
    bring(bring.write("plays.parquet", parquet(play)))
    told = ("play_id", "source_track_id", "source", "context", "impression_id", "slot", "ended_by", "device", "country")
    assert bring.plays(*told) == [("p1", "world:7", "world", "playlist:1", "i1", 3, "skip", "phone", "SE")]
    assert bring.tracks("source_track_id", "title", "artist", "track_ms") == [("world:7", "Loom", "Ada", 200_000)]


def test_tracks_may_stand_in_a_file_of_their_own(bring: Importing) -> None:
    bring.write(
        "w/plays.parquet", parquet({"listener_id": ["a"], "source_track_id": ["world:7"], "started_ms": [NOON_MS]})
    )
    tracks = {
        "source_track_id": ["world:7", "world:8", None],
        "title": ["Loom", "Bobbin", "x"],
        "isrc": ["SEABC2400001", "", None],
    }
    bring.write("w/tracks.parquet", parquet(tracks))
    summary = bring(bring.folder / "w")
    assert (summary.rows, summary.added, summary.quarantined, summary.track_rows, summary.tracks) == (1, 1, 0, 3, 2)
    assert bring.tracks("source_track_id", "title", "isrc") == [
        ("world:7", "Loom", "SEABC2400001"),
        ("world:8", "Bobbin", None),
    ]
    assert bring.quarantine("file", "line") == [("w/tracks.parquet", 3)]


def test_a_mapping_to_an_absent_column_says_which_there_are(bring: Importing) -> None:
    file = bring.write("log.csv", "user,when\nada,1\n")
    with pytest.raises(ImportRefused, match=r"no column 'song' \(there are user, when\); wanted it for track_id"):
        bring(file, columns={"track_id": "song"})


def test_a_mapping_of_a_column_that_is_not_ours_says_which_are(bring: Importing) -> None:
    file = bring.write("log.csv", "user,when\nada,1\n")
    with pytest.raises(ImportRefused, match=r"found --map singer=.*wanted one of track_id"):
        bring(file, columns={"singer": "user"})


@pytest.mark.parametrize(
    ("header", "columns", "wanted"),
    [
        ("user,when", {"started_ms": "when"}, "wanted started_ms and track_id"),
        ("song,when", {"track_id": "song"}, "wanted started_ms and track_id"),
        ("song,when", {"track_id": "song", "started_ms": "when"}, "wanted --listener ID or --map listener_id"),
    ],
)
def test_a_mapping_that_is_not_enough_says_what_is_missing(
    bring: Importing, header: Any, columns: Any, wanted: Any
) -> None:
    with pytest.raises(ImportRefused, match=wanted):
        bring(bring.write("log.csv", f"{header}\n1,1\n"), columns=columns)


def test_a_listener_beside_a_column_of_listeners_is_refused(bring: Importing) -> None:
    file = bring.write("log.csv", "listener_id,started_ms,track_id\nada,1704110400000,1\n")
    with pytest.raises(ImportRefused, match="wanted no --listener beside it"):
        bring(file, listener="me")


def test_a_column_of_lists_is_no_time(bring: Importing) -> None:
    file = bring.write("t.parquet", parquet({"started_ms": [[1]], "track_id": ["a"]}))
    with pytest.raises(ImportRefused, match=r"found type list<.*> in column 'started_ms'"):
        bring(file, listener="me")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("ada,soon,7,1,1", "started_ms is 'soon'; wanted a number or time (ms)"),
        ("ada,,7,1,1", "started_ms is missing; wanted a time"),
        (",1704110400000,7,1,1", "listener_id is missing; wanted an id of the listener"),
        ("ada,1704110400000,,1,1", "source_track_id is missing; wanted an id of the track, or its artist and title"),
        (
            "a\x07a,1704110400000,7,1,1",
            "listener_id is 'a\\x07a'; wanted 1 to 256 characters, none of them a control character",
        ),
        ("ada,1704110400000,7,-1,1", "played_ms is -1; wanted 0 to 86400000 ms (a day)"),
        ("ada,1704110400000,7,1,90000000", "track_ms is 90000000; wanted 0 to 86400000 ms (a day)"),
        ("ada,1704110400000,7,much,1", "played_ms is 'much'; wanted a number or time (ms)"),
        ("ada,99999999999999999999,7,1,1", "started_ms is '99999999999999999999'; wanted a number or time (ms)"),
        ("ada,1750000600001,7,1,1", "started_ms is 1750000600001; wanted a time that is not in the future"),
    ],
)
def test_a_bad_row_is_quarantined_with_the_reason(bring: Importing, row: Any, reason: Any) -> None:
    text = f"listener_id,started_ms,track_id,played_ms,track_ms\nada,1750000600000,1,1,1\n{row}\n"
    summary = bring(bring.write("log.csv", text))
    assert (summary.added, summary.quarantined) == (1, 1)
    assert bring.quarantine("line", "reason", "content") == [(3, reason, row)]


def test_an_id_of_more_than_256_characters_is_quarantined(bring: Importing) -> None:
    text = f"listener_id,started_ms,track_id\nada,1704110400000,{'x' * 252}\nada,1704110400000,{'x' * 251}\n"
    summary = bring(bring.write("log.csv", text))
    assert (summary.added, summary.quarantined) == (1, 1)
    assert "(257 characters)" in bring.quarantine("reason")[0]


def test_bytes_that_are_no_utf8_are_quarantined_and_the_other_rows_kept(bring: Importing) -> None:
    text = b"listener_id,started_ms,artist,title\nada,1704110400000,Bj\xf6rk,Hunter\nada,1704110400000,Ada,Loom\n"
    summary = bring(bring.write("log.csv", text))
    assert (summary.added, summary.quarantined) == (1, 1)
    assert bring.quarantine("reason") == ["artist is 'Bj\\uffffrk'; wanted text in UTF-8"]


def test_optional_fields_that_mean_nothing_are_left_out_and_the_play_kept(bring: Importing) -> None:
    text = (
        "listener_id,started_ms,track_id,country,slot,device,isrc,mbid,track_ms\n"
        f"ada,1704110400000,1,Sweden,-1,{'d' * 65},nope,nope,0\n"
    )
    summary = bring(bring.write("log.csv", text))
    assert (summary.added, summary.quarantined) == (1, 0)
    assert bring.plays("country", "slot", "device", "track_ms") == [(None, None, None, None)]
    assert bring.tracks("isrc", "mbid", "track_ms") == [(None, None, None)]


def test_a_value_with_a_line_break_stays_one_row(bring: Importing) -> None:
    text = 'listener_id,started_ms,artist,title\nada,1704110400000,"Ada\nLovelace",Loom\n'
    summary = bring(bring.write("log.csv", text))
    assert (summary.rows, summary.added) == (1, 1)
    assert bring.tracks("artist") == ["Ada Lovelace"]


def test_30music_of_real_listeners_comes_in_whole(bring: Importing, real_data: Path) -> None:
    summary = bring(real_data / "30music" / "plays.parquet")
    assert (summary.rows, summary.added, summary.tracks, summary.quarantined) == (239_269, 239_269, 9_999, 0)
    assert len(set(bring.plays("listener_id"))) == 10_008
    assert summary.days is not None
    assert (summary.days.first, summary.days.last) == ("2014-01-20", "2015-01-20")


def test_30music_is_recognised_by_its_columns_and_its_times_are_seconds(bring: Importing) -> None:
    rows = {"session_id": [1], "user_id": [5], "song_id": [9], "ts": [1_704_110_400], "playtime": [61]}
    summary = bring(bring.write("some.parquet", parquet(rows)))
    assert summary.files[0].format == "30music"
    assert bring.plays("listener_id", "source_track_id", "started_ms", "played_ms", "source") == [
        ("30music:5", "30music:9", NOON_MS, 61_000, "30music")
    ]


def test_lines_are_numbered_right_through_a_file_of_many_blocks(bring: Importing) -> None:
    torn, late = {2, 30_000, 60_000, 120_000, 120_001, 150_002}, {50_001, 100_001, 150_001}
    rows = ("torn" if n in torn else f"ada,{'soon' if n in late else NOON_MS + n},1" for n in range(2, 150_003))
    summary = bring(bring.write("log.csv", "\n".join(["listener_id,started_ms,track_id", *rows])))
    assert (summary.rows, summary.quarantined) == (150_001, len(torn | late))
    assert bring.quarantine("line") == sorted(torn | late)
