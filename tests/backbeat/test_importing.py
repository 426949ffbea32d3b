"""`backbeat import` as it is typed: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backbeat.cli import main

PLAYS = "user,when,song\nada,1704110400,1\nada,1704110700,2\nada,soon,3\n"
MAPPED = ("--map", "listener_id=user", "--map", "started_ms=when:s", "--map", "track_id=song")


@pytest.fixture
def plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "home"))  # the command reads its home from there, as it must
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    file = tmp_path / "plays.csv"
    file.write_text(PLAYS)
    return file


def test_json_is_one_document_on_one_line_alone_on_standard_output(
    plays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["import", str(plays), *MAPPED, "--json"])
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert told.out.count("\n") == 1
    assert (document["rows"], document["added"], document["repeated"]) == (3, 2, 0)
    assert (document["ignored"], document["quarantined"], document["tracks"]) == (0, 1, 2)
    assert document["days"] == {"first": "2024-01-01", "last": "2024-01-01", "count": 1}
    assert document["files"] == [
        {
            "file": "plays.csv",
            "format": "table",
            "rows": 3,
            "track_rows": 0,
            "slot_rows": 0,
            "ignored": 0,
            "quarantined": 1,
        }
    ]


def test_the_text_ends_by_saying_which_days_were_reopened(plays: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["import", str(plays), *MAPPED])
    lines = capsys.readouterr().out.splitlines()
    assert "3 rows: 2 added, 0 known before, 0 ignored, 1 quarantined" in lines[-3]
    assert lines[-1] == "reopened 1 day, 2024-01-01 to 2024-01-01: `backbeat run` recomputes them"


def test_a_second_import_says_that_no_day_was_reopened(plays: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["import", str(plays), *MAPPED])
    main(["import", str(plays), *MAPPED])
    assert capsys.readouterr().out.splitlines()[-1] == "no day reopened"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["import"], 2, "found no PATH; wanted a file"),
        (["import", "plays.csv", "--map", "started_ms"], 2, "wanted OURS=THEIRS"),
        (["import", "nowhere.csv"], 1, "found nothing there"),
    ],
)
@pytest.mark.usefixtures("plays")
def test_bad_usage_ends_with_2_and_failure_with_1(
    capsys: pytest.CaptureFixture[str], arguments: Any, code: Any, message: Any
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""


def test_a_bad_file_ends_with_1_and_says_what_was_found_and_wanted(
    plays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plays.write_bytes(b"PAR1 and no more")
    with pytest.raises(SystemExit) as ended:
        main(["import", str(plays), "--json"])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "damaged or cut-off Parquet file" in " ".join(told.err.split())
    assert told.out == ""


def test_a_column_whose_name_has_a_colon_can_be_mapped(plays: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plays.write_text("user,at:utc,song\nada,1704110400000,1\n")
    main(
        [
            "import",
            str(plays),
            "--map",
            "listener_id=user",
            "--map",
            "started_ms=at:utc",
            "--map",
            "track_id=song",
            "--json",
        ]
    )
    assert json.loads(capsys.readouterr().out)["added"] == 1


def test_a_path_may_follow_a_mapping(plays: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["import", *MAPPED, str(plays), "--json"])
    assert json.loads(capsys.readouterr().out)["added"] == 2


def test_rows_that_were_set_aside_are_told_with_the_query_that_shows_why(
    plays: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["import", str(plays), *MAPPED])
    query = "SELECT file, line, reason FROM raw.quarantine"
    assert f'backbeat sql --query "{query}"' in capsys.readouterr().out
    main(["sql", "--query", query])
    assert "plays.csv" in capsys.readouterr().out
    plays.write_text("\n".join(PLAYS.splitlines()[:-1]))
    main(["import", str(plays), *MAPPED])
    assert "raw.quarantine" not in capsys.readouterr().out


@pytest.mark.parametrize("text", ['[{"ts": "2024-01-01T00:0', '[{"ts": "2024-01-01T00:00:00Z", "ms_played": 1'])
def test_an_export_that_was_cut_off_is_called_so(plays: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    export = plays.with_name("Streaming_History_Audio_2024.json")
    export.write_text(text)
    with pytest.raises(SystemExit):
        main(["import", str(export), "--listener", "me"])
    err = capsys.readouterr().err
    assert "that was cut off" in err
    assert "listenbrainz" not in err
