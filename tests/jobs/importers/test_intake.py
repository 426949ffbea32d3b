"""What an import leaves behind: nothing twice, numbers that add up, and a lake that a second import heals."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.importers.intake import Days, Request, import_plays
from jobs.importers.landing import day_spans
from tests.jobs.importers.conftest import NOW_MS, Importing
from warehouse.events import ERASURES, Erasure
from warehouse.stores.lake import Lake
from warehouse.stores.landing import ERASURE_LANDING
from warehouse.stores.landing import land as land_events
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.tables import RAW_ERASURES, RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS

DAY_MS = 86_400_000
START_MS = 1_704_067_200_000  # 2024-01-01
HEADER = "listener_id,started_ms,track_id\n"


def plays(*days: int, track: str = "1") -> str:
    return HEADER + "".join(f"ada,{START_MS + day * DAY_MS},{track}\n" for day in days)


def test_a_second_import_adds_nothing_and_commits_nothing(bring: Importing) -> None:
    file = bring.write("a.csv", plays(0, 1) + "ada,broken,1\n")
    first = bring(file)
    before = bring.versions()
    second = bring(file, now_ms=first.rows + 1_750_000_000_000)
    assert (second.added, second.repeated, second.quarantined, second.tracks, second.days) == (0, 2, 1, 0, None)
    assert bring.versions() == before
    assert first.import_id == second.import_id


def test_overlapping_files_add_each_play_once(bring: Importing) -> None:
    one, other = bring.write("a.csv", plays(0, 1, 2)), bring.write("b.csv", plays(2, 3))
    summary = bring(one, other)
    assert (summary.rows, summary.added, summary.repeated) == (5, 4, 1)
    assert len(bring.plays("play_id")) == 4


def test_the_days_that_were_reopened_are_told(bring: Importing) -> None:
    assert bring(bring.write("a.csv", plays(0, 2))).days == Days("2024-01-01", "2024-01-03", 2)
    assert bring(bring.write("b.csv", plays(0, 1, 2))).days == Days("2024-01-02", "2024-01-02", 1)


def test_only_the_days_of_new_plays_change_in_the_lake(bring: Importing) -> None:
    bring(bring.write("a.csv", plays(0, 2)))
    version = bring.lake.version(RAW_PLAYS)
    bring(bring.write("b.csv", plays(0, 1, 2)))
    assert [day.isoformat() for day in bring.lake.changed_days(RAW_PLAYS, version)] == ["2024-01-02"]


def test_every_play_carries_its_day_its_import_and_when_it_came(bring: Importing) -> None:
    summary = bring(bring.write("a.csv", plays(1)), now_ms=1_750_000_000_123)
    (row,) = bring.rows(RAW_PLAYS, "day", "import_id", "received_ms")
    assert (row[0].isoformat(), *row[1:]) == ("2024-01-02", summary.import_id, 1_750_000_000_123)


def test_what_is_written_has_the_declared_columns(bring: Importing) -> None:
    bring(bring.write("a.csv", plays(1) + "ada,broken,1\n"))
    for table in (RAW_PLAYS, RAW_TRACKS, RAW_QUARANTINE):
        assert bring.lake.read(table).schema.names == table.schema.names


def test_a_later_telling_fills_what_an_earlier_one_left_open_and_overwrites_nothing(bring: Importing) -> None:
    head = "listener_id,started_ms,source_track_id,title,artist,album\n"
    first = bring(bring.write("a.csv", head + f"ada,{START_MS},x:1,Loom,,\nada,{START_MS},x:2,Reed,Bob,Weft\n"))
    second = bring(bring.write("b.csv", head + f"ada,{START_MS + 1},x:1,Other,Ada,\nada,{START_MS + 1},x:2,,,\n"))
    assert second.tracks == 1
    assert bring.tracks("source_track_id", "title", "artist", "album", "import_id") == [
        ("x:1", "Loom", "Ada", None, second.import_id),
        ("x:2", "Reed", "Bob", "Weft", first.import_id),
    ]


def test_within_one_import_too_the_first_known_fact_of_a_track_stays(bring: Importing) -> None:
    head = "listener_id,started_ms,source_track_id,title,artist\n"
    bring(bring.write("a.csv", head + f"ada,{START_MS},x:1,,Ada\nada,{START_MS + 1},x:1,Loom,Eve\n"))
    assert bring.tracks("title", "artist") == [("Loom", "Ada")]


def test_an_import_that_died_before_its_plays_were_written_is_healed_by_the_next(bring: Importing) -> None:
    file = bring.write("a.csv", plays(0) + "ada,broken,1\n")
    bring(file)
    shutil.rmtree(Path(Lake(bring.home.lake_url).location(RAW_PLAYS)))  # as if it had died just before
    again = bring(file)
    assert (again.added, again.tracks) == (1, 0)
    assert len(bring.quarantine("line")) == 1
    assert len(bring.plays("play_id")) == 1


@pytest.mark.parametrize(
    ("rows", "spans"),
    [
        ([], []),
        ([3], [(1, 1)]),
        ([4, 6, 1], [(1, 2), (3, 3)]),
        ([11, 1], [(1, 1), (2, 2)]),
        ([1, 99, 1], [(1, 1), (2, 2), (3, 3)]),
        ([5, 5, 5, 5], [(1, 2), (3, 4)]),
    ],
)
def test_a_large_import_is_committed_in_spans_of_whole_days(rows: Any, spans: Any) -> None:
    by_day = [(date(2024, 1, day), count) for day, count in enumerate(rows, 1)]
    assert list(day_spans(by_day, most=10)) == [(date(2024, 1, first), date(2024, 1, last)) for first, last in spans]


def test_what_a_killed_import_left_on_disk_is_cleared_by_the_next(bring: Importing) -> None:
    (bring.home.root / "import-dead").mkdir(parents=True)
    (bring.home.root / "import-dead" / "plays.parquet").write_bytes(b"half")
    bring(bring.write("a.csv", plays(0)))
    assert list(bring.home.root.glob("import-*")) == []


def test_the_same_play_id_of_two_listeners_is_two_plays(bring: Importing) -> None:
    text = f"listener_id,started_ms,track_id,play_id\nada,{START_MS},1,p\nbob,{START_MS},1,p\nada,{START_MS + 1},1,p\n"
    assert bring(bring.write("a.csv", text)).added == 2


def told_as_p(day: int) -> str:
    return f"listener_id,started_ms,track_id,play_id\nada,{START_MS + day * DAY_MS},1,p\n"


def test_a_play_id_told_again_with_another_time_is_known(bring: Importing) -> None:
    bring(bring.write("a.csv", told_as_p(0)))
    assert bring(bring.write("b.csv", told_as_p(5))).added == 0


@pytest.mark.parametrize("landed", [True, False], ids=["landed", "still on the log"])
def test_a_history_may_be_imported_again_after_all_was_erased(bring: Importing, landed: Any) -> None:
    erased_ms = NOW_MS + 1
    file = bring.write("a.csv", plays(0, 1) + f"bob,{START_MS},1\n")
    bring(file)
    with closing(SqliteLog(bring.home.log)) as log:
        log.append(ERASURES, [Erasure(listener_id="ada", received_ms=erased_ms, erasure_id="e")])
        if landed:
            land_events(bring.lake, log, ERASURE_LANDING)
        again, once_more = (import_plays(Request([file]), bring.home, now_ms=erased_ms + n, log=log) for n in (1, 2))
    assert (again.added, again.repeated, once_more.added) == (2, 1, 0)
    assert sorted(bring.plays("listener_id", "received_ms"))[2:4] == [("ada", erased_ms + 1)] * 2


def test_a_play_erased_alone_stays_known(bring: Importing) -> None:
    bring(bring.write("a.csv", told_as_p(0)))
    erased = [{"erasure_id": "e", "listener_id": "ada", "play_id": "p", "received_ms": NOW_MS + 1}]
    bring.lake.append(RAW_ERASURES, pa.Table.from_pylist(erased, RAW_ERASURES.schema))
    assert bring(bring.write("b.csv", told_as_p(0)), now_ms=NOW_MS + 2).added == 0


def test_a_zip_and_the_folder_that_it_packs_tell_the_same(bring: Importing) -> None:
    record = {"endTime": "2024-01-01 12:00", "artistName": "Ada", "trackName": "Loom", "msPlayed": 60_000}
    file = bring.write("my/StreamingHistory_music_0.json", json.dumps([record]))
    archive = shutil.make_archive(str(bring.folder / "my_spotify_data"), "zip", file.parent.parent, "my")
    assert bring(file.parent, listener="me").added == 1
    assert bring(Path(archive), listener="me").repeated == 1


def test_a_file_of_a_folder_that_only_is_a_zip_inside_is_passed_over(bring: Importing) -> None:
    bring.write("my/a.csv", plays(0))
    with zipfile.ZipFile(bring.folder / "my" / "truth.npz", "w") as archive:
        archive.writestr("b.csv", plays(1))
    summary = bring(bring.folder / "my")
    assert (summary.added, summary.skipped) == (1, ("my/truth.npz",))


def test_hidden_files_of_a_folder_are_left_alone(bring: Importing) -> None:
    bring.write("my/.trash/a.csv", "no")
    bring.write("my/a.csv", plays(0))
    assert bring(bring.folder / "my").skipped == ()


def test_progress_is_told_by_file_and_rows(bring: Importing) -> None:
    told: list[tuple[str, int]] = []
    request = Request([bring.write("a.csv", plays(0, 1))])
    import_plays(request, bring.home, now_ms=1_750_000_000_000, progress=lambda file, rows: told.append((file, rows)))
    assert told == [("a.csv", 2)]


VALUES = st.sampled_from(
    ["", " ", "ada", "bob", "x" * 300, "a\x01", "1", "-1", "1e5", "abc", "\u00e9", "\U0001f3b5", "a,b", 'q"']
)
TIMES = st.sampled_from(
    ["", "0", "-5", "soon", str(START_MS), str(START_MS + DAY_MS), "99999999999999999999", "4000000000000"]
)
ROWS = st.lists(st.tuples(VALUES, TIMES, VALUES, VALUES), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, torn=st.integers(0, 2))
def test_the_numbers_of_a_summary_add_up_and_match_the_lake(bring: Importing, rows: Any, torn: Any) -> None:
    before = len(bring.plays("play_id"))
    text = io.StringIO()
    csv.writer(text).writerows([["listener_id", "started_ms", "track_id", "played_ms"], *rows, *[["torn"]] * torn])
    summary = bring(bring.write("a.csv", text.getvalue()))
    assert summary.rows == len(rows) + torn
    assert summary.rows == summary.added + summary.repeated + summary.ignored + summary.quarantined
    assert summary.quarantined == len([i for i in bring.quarantine("import_id") if i == summary.import_id])
    assert len(bring.plays("play_id")) == before + summary.added


@pytest.mark.parametrize("unknown", ["", "0"])
def test_a_length_that_is_not_told_stays_unknown(bring: Importing, unknown: Any) -> None:
    text = f"listener_id,started_ms,track_id,track_ms\nada,{START_MS},1,{unknown}\n"
    bring(bring.write("a.csv", text))
    assert bring.plays("track_ms", "played_ms") == [(None, None)]
