"""Values beyond all reason: the row that has one is set aside or the file refused, and nothing ends in a traceback."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.importers.sample import Source
from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import Importing

NOON_MS = 1_704_110_400_000
FAR = 2**62  # in ms, a time 146 million years ahead, for which Python has none


def parquet(columns: dict[str, Any] | pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), buffer)
    return buffer.getvalue()


def play(**fields: Any) -> dict[str, Any]:
    return {"listener_id": ["ada"], "started_ms": [NOON_MS], "track_id": ["1"], **fields}


@pytest.mark.parametrize("digits", [20, 309, 400, 5_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_beyond_all_reason_in_json_is_quarantined(bring: Importing, digits: int, sign: str) -> None:
    good = {"endTime": "2024-01-01 12:00", "artistName": "Ada", "trackName": "Loom", "msPlayed": 60_000}
    bad = json.dumps(good).replace("60000", sign + "9" * digits)
    summary = bring(bring.write("StreamingHistory_music_0.json", f"[{json.dumps(good)},{bad}]"), listener="me")
    assert (summary.added, summary.quarantined) == (1, 1)
    assert "wanted" in bring.quarantine("reason")[0]


def test_a_length_beyond_all_reason_costs_no_listen(bring: Importing) -> None:
    huge = "9" * 400
    more = f'{{"duration_ms":{huge},"duration":{huge},"duration_played":-{huge}}}'
    names = f'{{"track_name":"Loom","artist_name":"Ada","additional_info":{more}}}'
    summary = bring(bring.write("1.jsonl", f'{{"listened_at":1704110400,"track_metadata":{names}}}\n'), listener="me")
    assert summary.added == 1
    assert bring.plays("played_ms", "track_ms") == [(None, None)]


@pytest.mark.parametrize(
    "started",
    [
        pa.array([FAR], pa.timestamp("ms")),
        pa.array([-FAR], pa.timestamp("ms", "UTC")),
        pa.array([FAR], pa.timestamp("us")),
        pa.array([253_402_300_800_000], pa.timestamp("ms")),  # the first of the year 10,000
        pa.array([2**31 - 1], pa.date32()),
        pa.array([FAR], pa.date64()),
        pa.array([2**64 - 1], pa.uint64()),
        pa.array([Decimal(10) ** 70], pa.decimal256(76, 0)),
        pa.array([float("nan")]),
        pa.array([float("-inf")]),
        pa.nulls(1),
    ],
    ids=lambda column: str(column.type),
)
def test_a_time_beyond_all_reason_in_parquet_is_quarantined(bring: Importing, started: pa.Array) -> None:
    summary = bring(bring.write("plays.parquet", parquet(play(started_ms=started))))
    assert (summary.added, summary.quarantined) == (0, 1)
    assert "wanted" in bring.quarantine("reason")[0]


@pytest.mark.parametrize(
    "beside",
    [pa.array([FAR], pa.timestamp("ms")), pa.array([FAR], pa.timestamp("us", "UTC")), pa.array([b"\xff"])],
    ids=lambda column: str(column.type),
)
def test_a_bad_row_is_quarantined_whatever_stands_beside_it(bring: Importing, beside: pa.Array) -> None:
    file = bring.write("plays.parquet", parquet(play(started_ms=[1], more=beside)))
    assert bring(file, columns={"context": "more"}).quarantined == 1
    assert json.loads(bring.quarantine("content")[0]).keys() == {"listener_id", "started_ms", "track_id", "more"}


@pytest.mark.parametrize("seconds", [FAR // 500, -FAR // 500])
def test_seconds_that_would_wrap_around_are_no_length(bring: Importing, seconds: int) -> None:
    summary = bring(bring.write("p.parquet", parquet(play(played_ms=pa.array([seconds], pa.duration("s"))))))
    assert summary.quarantined == 1
    assert bring.quarantine("reason") == [f"played_ms is {str(seconds)!r}; wanted a number or time (ms)"]


def test_a_column_of_nothing_is_unknown(bring: Importing) -> None:
    assert bring(bring.write("p.parquet", parquet(play(played_ms=pa.nulls(1), country=pa.nulls(1))))).added == 1
    assert bring.plays("played_ms", "country") == [(None, None)]


NESTED = {
    "a list": play(listener_id=[["ada"]]),
    "a struct": play(track_id=[{"a": 1}]),
    "a map": play(country=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))),
    "a time of day": play(started_ms=pa.array([5], pa.time32("s"))),
    "times in a zone that nobody knows": play(country=pa.array([5]).cast(pa.timestamp("ms", "Mars/Base"))),
    "30music": {"session_id": [1], "user_id": [[1]], "song_id": [1], "ts": [1], "playtime": [1]},
}


@pytest.mark.parametrize("columns", NESTED.values(), ids=NESTED)
def test_a_column_of_another_kind_is_refused(bring: Importing, columns: dict[str, Any]) -> None:
    with pytest.raises(ImportRefused, match=r"reading plays\.parquet: found type .*; wanted"):
        bring(bring.write("plays.parquet", parquet(columns)))
    assert bring.versions() == [None, None, None]


@pytest.mark.parametrize("names", [["listener_id", "started_ms", "track_id"], ["user_id", "song_id", "ts", "playtime"]])
def test_a_column_that_is_there_twice_is_refused(bring: Importing, names: list[str]) -> None:
    twice = ["session_id", names[0], *names]
    table = pa.Table.from_arrays([pa.array([1])] * len(twice), names=twice)
    with pytest.raises(ImportRefused, match=f"found 2 columns '{names[0]}'; wanted one"):
        bring(bring.write("plays.parquet", parquet(table)))


def test_a_column_that_is_there_twice_and_is_not_read_does_no_harm(bring: Importing) -> None:
    twice = pa.Table.from_arrays(
        [pa.array(["ada"]), pa.array([NOON_MS]), pa.array(["1"]), pa.array([1]), pa.array([2])],
        names=["listener_id", "started_ms", "track_id", "x", "x"],
    )
    assert bring(bring.write("plays.parquet", parquet(twice))).added == 1


def test_times_that_are_written_beyond_the_calendar_are_quarantined(bring: Importing) -> None:
    times = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-02-30", "2024-01-01T12:00:00Z"]
    rows = "".join(f"ada,{time},1\n" for time in times)
    summary = bring(
        bring.write("a.csv", f"listener_id,when,track_id\n{rows}"), columns={"started_ms": Source("when", "iso")}
    )
    assert (summary.added, summary.quarantined) == (1, 3)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(bring: Importing, ends: str) -> None:
    lines = ["listener_id,started_ms,track_id", f"ada,{NOON_MS},1", f"ada,{NOON_MS + 60_000},2", ""]
    assert bring(bring.write("a.csv", ends.join(lines))).added == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_text_in_another_encoding_than_utf8_is_refused(bring: Importing, encoding: str) -> None:
    text = f"listener_id,started_ms,track_id\nada,{NOON_MS},1\n"
    with pytest.raises(ImportRefused, match="found bytes that are no text"):
        bring(bring.write("a.csv", text.encode(encoding)))


def test_a_zero_byte_far_down_a_table_costs_its_row_alone(bring: Importing) -> None:
    good = "".join(f"ada,{NOON_MS + n * 60_000},{n}\n" for n in range(5_000))
    file = bring.write("a.csv", f"listener_id,started_ms,track_id\n{good}a\0da,{NOON_MS},1\n")
    summary = bring(file)
    assert (summary.added, summary.quarantined) == (5_000, 1)
    assert "none of them a control character" in bring.quarantine("reason")[0]
