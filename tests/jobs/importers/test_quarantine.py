"""Rows that are set aside say whose they are, where that can be read, and since when they wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.importers.told import ImportRefused
from tests.jobs.importers.conftest import NOW_MS, Importing
from tests.jobs.tables import rows_of
from warehouse.tables import RAW_QUARANTINE

HEADER = "listener_id,started_ms,track_id\n"
GOOD = "ada,1704110400000,1\n"
OLDER = replace(
    RAW_QUARANTINE, columns=tuple(c for c in RAW_QUARANTINE.columns if c.name not in {"listener_id", "received_ms"})
)


def test_a_row_is_its_listeners_where_that_can_be_read(bring: Importing) -> None:
    long = "x" * 257
    rows = ["ada,never,1", "bob,1704110400000,", ",1704110400000,1", f"{long},1704110400000,1", "a\x01b,1,1", "torn"]
    bring(bring.write("a.csv", HEADER + "\n".join(rows) + "\n"))
    assert bring.quarantine("line", "listener_id") == [
        (2, "ada"),
        (3, "bob"),
        (4, None),
        (5, None),
        (6, None),
        (7, None),
    ]


def test_all_bad_rows_of_a_file_are_of_the_listener_whose_file_it_is(bring: Importing) -> None:
    bring(bring.write("a.csv", "started_ms,track_id\nnever,1\ntorn\n"), listener="ada")
    bring(bring.write("1.jsonl", '{"listened_at":1,"track_metadata":{}}\nbroken\n'), listener="bob")
    assert sorted(bring.quarantine("listener_id")) == ["ada", "ada", "bob", "bob"]


def test_a_bad_row_that_tells_of_a_track_is_nobodys(bring: Importing) -> None:
    bring(bring.write("tracks.csv", "source_track_id,title\n,Loom\ntorn\n"), bring.write("a.csv", HEADER + GOOD))
    assert bring.quarantine("listener_id") == [None, None]


@pytest.mark.parametrize(
    ("rows", "line", "taken"),
    [
        ('ada,1704110400000,1,"Loom\n' + 3 * "ada,1704110400000,1,x\n", 2, 3),  # to the end of the file
        ('ada,1704110400000,1,x\nada,1704110400000,"2,y\nada,1704110400000,3,z\n', 3, 1),
        ('ada,"1704110400000,1,x\nada,1704110400000,2,y\nada,1704110400000",3,z\n', 2, 2),
        ('ada,1704110400000,1,"Loom\nada,1704110400000,2,y\nada,1704110400000,3,Lo"om\n', 2, 2),  # into the next quote
    ],
)
def test_a_quote_that_is_not_closed_says_where_it_opened_and_how_many_lines_it_took(
    bring: Importing, rows: str, line: int, taken: int
) -> None:
    summary = bring(bring.write("a.csv", "listener_id,started_ms,track_id,title\n" + rows))
    assert summary.rows == summary.added + summary.quarantined
    [(found, reason)] = bring.quarantine("line", "reason")
    assert found == line
    assert f"a quote that is not closed on its line and takes the {taken} after it" in reason


def test_a_title_of_two_lines_is_a_title(bring: Importing) -> None:
    summary = bring(bring.write("a.csv", 'title,listener_id,started_ms,track_id\n"Loom,\nlive",ada,1704110400000,1\n'))
    assert (summary.added, summary.quarantined) == (1, 0)


def test_a_record_with_half_a_character_is_set_aside_alone(bring: Importing) -> None:
    record = '{"ts":"2024-01-01T00:00:00Z","ms_played":1000,"spotify_track_uri":"spotify:track:%s",%s}'
    name = '"master_metadata_track_name":"%s"'
    records = [record % ("a", name % "Loom"), record % ("b", name % "\\ud800"), record % ("c", '"x":NaN')]
    summary = bring(bring.write("Streaming_History_Audio_1.json", f" [ {' , '.join(records)} ] "), listener="ada")
    assert (summary.rows, summary.added, summary.quarantined) == (3, 1, 2)
    assert bring.quarantine("line") == [2, 3]


def test_a_row_waits_from_when_it_was_set_aside(bring: Importing) -> None:
    file = bring.write("a.csv", HEADER + GOOD + "ada,never,1\n")
    bring(file)
    bring(file, now_ms=NOW_MS + 1)
    assert bring.quarantine("received_ms") == [NOW_MS]


def test_a_lake_of_an_older_version_is_refused_until_it_has_the_columns(bring: Importing) -> None:
    older = {"import_id": "i", "file": "old.csv", "line": 1, "reason": "r", "content": "c"}
    bring.lake.append(OLDER, rows_of(OLDER, [older]))
    file = bring.write("a.csv", HEADER + GOOD + "ada,never,1\n")
    with pytest.raises(
        ImportRefused, match=r"raw\.quarantine without listener_id, received_ms; .*`backbeat tables migrate`"
    ):
        bring(file)
    assert bring.versions() == [None, None, 0]
    bring.lake.add_missing_columns(RAW_QUARANTINE)
    bring(file)
    assert sorted(bring.quarantine("file", "listener_id", "received_ms")) == [
        ("a.csv", "ada", NOW_MS),
        ("old.csv", None, None),
    ]
