"""Commands asked wrongly, or over what is empty, damaged or away: each says so in a line, and ends in 1 or 2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backbeat.cli import main
from backbeat.plays_file import read_plays
from models.artifact import FORMAT
from models.registry import POINTER, Registry
from tests.backbeat.benchmark import benchmark
from tests.jobs.tables import MONDAY, day_of, raw_play, rows_of
from tests.serving.house import TRACKS, artifact, card
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import plain
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.tables import CHARTS_DAILY, FEATURES_TASTE, FEATURES_TRANSITIONS, RAW_PLAYS, Table
from warehouse.taste import BASE, CATALOG

Backbeat = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with nothing in it."""
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    for name in ("BACKBEAT_LAKE", "BACKBEAT_ROWS", "BACKBEAT_LOG"):
        monkeypatch.delenv(name, raising=False)
    return Home.from_environment(os.environ)


@pytest.fixture
def backbeat(capsys: pytest.CaptureFixture[str], home: Home) -> Backbeat:  # noqa: ARG001  # it is in the environment
    def command(*arguments: str) -> tuple[int, str, str]:
        code: Any = 0
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
        return (code, *capsys.readouterr())

    return command


@pytest.fixture
def served(home: Home) -> Path:
    """A published model and its cards; the folder of the version."""
    registry = Registry(home.models)
    version = registry.publish(artifact())
    rows = SqliteRows(home.rows)
    rows.put_many(CATALOG, {name: msgspec.msgpack.encode(card(name)) for name in TRACKS}, version=1)
    rows.close()
    return registry.folder(version)


@pytest.fixture
def lake(home: Home) -> Lake:
    """Plays of one day, and what is made of them, all in a file each."""
    lake = Lake(home.lake_url)
    lake.append(RAW_PLAYS, rows_of(RAW_PLAYS, [raw_play("a", MONDAY)]))
    taste = {"listener_id": "ada", "track_id": "t", "plays": 1, "skips": 0, "last_play_id": "a"}
    lake.append(FEATURES_TASTE, rows_of(FEATURES_TASTE, [taste | {"last_started_ms": MONDAY, "day": day_of(MONDAY)}]))
    lake.append(FEATURES_TRANSITIONS, FEATURES_TRANSITIONS.schema.empty_table())
    return lake


def file_of(lake: Lake, table: Table) -> Path:
    (file,) = Path(lake.location(table)).rglob("*.parquet")
    return file


def damage_log(lake: Lake, table: Table) -> None:
    (commit,) = Path(lake.location(table)).glob("_delta_log/*.json")
    commit.write_text("{nonsense")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["recommend", "ada", "--seed", "-1"], "--seed is -1; wanted a whole number from 0 to"),
        (["recommend", "ada", "--seed", str(10**30)], "wanted a whole number from 0 to"),
        (["recommend", "ada", "--seed", "1.5"], "found 1.5; wanted a whole number"),
        (["runs", "--limit", "2.0"], "found 2.0; wanted a whole number"),
        (["recommend", ""], "a listener's id: found 0 characters"),
        (["recommend", "a\nb"], "a listener's id: found 3 characters, 'a\\nb'; wanted 1 to 256"),
        (["recommend", "a" * 257], "a listener's id: found 257 characters"),
        (["recommend", "\udce4"], "wanted 1 to 256 characters of UTF-8"),
        (["similar", "\udce4"], "a track's id: found 1 characters"),
        (["runs", "--limit", "0"], "--limit is 0; wanted 1 to 10,000"),
        (["runs", "--limit", str(10**30)], "wanted 1 to 10,000"),
        (["runs", "--plan", "nightly"], "no plan 'nightly'; there are daily, tables, train, upkeep"),
        (["models", "rollback", ""], "the version has no name"),
        (["import", ""], "found an empty PATH; wanted a file, a folder or a zip archive"),
        (["replay", ""], "found an empty PATH; wanted"),
        (["replay", "x", "--url", "http://["], "found --url 'http://['; wanted http://HOST:PORT"),
        (["replay", "x", "--url", "http://127.0.0.1:99999"], "wanted http://HOST:PORT"),
        (["evaluate", "--k", "0"], "--k is 0; wanted 1 or more"),
        (["deadletters", "--limit", "0"], "--limit is 0; wanted 1 to"),
        (["run", "--only"], "--only without a step; daily has land_events,"),
        (["run", "--as-of", ""], "--as-of ''; wanted a day such as"),
        (["run", "--resume", "--only"], "leave --only, --as-of and --reopen out"),
    ],
)
def test_what_cannot_be_meant_is_bad_usage(backbeat: Backbeat, arguments: list[str], told: str) -> None:
    code, out, err = backbeat(*arguments)
    assert (code, out) == (2, "")
    assert told in err.replace("\n", " ")


def test_an_empty_home_has_no_runs_and_no_models(backbeat: Backbeat) -> None:
    assert json.loads(backbeat("runs", "--json")[1]) == {"runs": []}
    assert json.loads(backbeat("models", "list", "--json")[1]) == {"published": None, "models": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["similar", "t"], "There is no track 't'."),
        (["evaluate"], "reading features.taste: nothing at"),
        (["models", "rollback"], "no version was published before the first"),
        (["models", "diff", "a", "b"], "looking for model a"),
    ],
)
def test_over_an_empty_home_what_is_missing_is_named(backbeat: Backbeat, arguments: list[str], told: str) -> None:
    code, out, err = backbeat(*arguments)
    assert (code, out) == (1, "")
    assert told in err


@pytest.mark.usefixtures("served")
def test_brackets_in_an_id_are_no_markup(backbeat: Backbeat) -> None:
    code, out, _ = backbeat("recommend", "[/red]x")
    assert code == 0
    assert "discover for [/red]x" in out


def test_a_title_cannot_command_the_terminal(backbeat: Backbeat, home: Home, served: Path) -> None:
    assert served.is_dir()
    rows = SqliteRows(home.rows)
    named = msgspec.structs.replace(card(TRACKS[0]), title="\x1b[2J\x9b1mSong\r")
    rows.put(CATALOG, TRACKS[0], msgspec.msgpack.encode(named), version=2)
    rows.close()
    out = backbeat("recommend", "ada", "--shelf", "popular")[1]
    assert "\ufffd[2J\ufffd1mSong\ufffd" in out
    assert not {"\x1b", "\x9b", "\r"} & set(out)


def flip(version: Path) -> None:
    arrays = version / "als" / "arrays.npz"
    arrays.write_bytes(b"\0" + arrays.read_bytes()[1:])


MODEL_DAMAGE: dict[str, Callable[[Path], object]] = {
    "a torn pointer": lambda version: (version.parent / POINTER).write_text("{"),
    "a pointer that is a list": lambda version: (version.parent / POINTER).write_text("[1]"),
    "no such version": shutil.rmtree,
    "a torn manifest": lambda version: (version / "artifact.json").write_text('{"format": 1'),
    "a manifest without its parts": lambda version: (version / "artifact.json").write_text('{"format": 1}'),
    "another byte": flip,
    "an empty file": lambda version: (version / "tracks.arrow").write_bytes(b""),
}


@pytest.mark.parametrize("damage", MODEL_DAMAGE)
def test_a_damaged_model_is_named_once_and_nothing_is_answered(backbeat: Backbeat, served: Path, damage: str) -> None:
    MODEL_DAMAGE[damage](served)
    for arguments in (["recommend", "ada"], ["similar", TRACKS[0]]):
        code, out, err = backbeat(*arguments)
        assert (code, out) == (1, "")
        assert err.startswith("backbeat: ")
        assert str(served.parent) in err
        assert err.count("\n") == 1


def test_a_model_that_cannot_be_read_is_listed_with_the_reason(backbeat: Backbeat, served: Path) -> None:
    (served / "artifact.json").write_text(f'{{"format": {FORMAT}, "files": {{}}}}')
    code, out, err = backbeat("models", "list", "--json")
    [model] = json.loads(out)["models"]
    assert (code, err) == (0, "")
    assert (model["version"], model["served"], model["tracks"]) == (served.name, True, None)
    assert "its manifest lacks as_of, configs, counts" in model["broken"]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(("table", "key"), [(BASE, "ada"), (CATALOG, TRACKS[0])])
def test_a_broken_row_is_named_with_what_mends_it(backbeat: Backbeat, home: Home, table: str, key: str) -> None:
    rows = SqliteRows(home.rows)
    rows.put(table, key, b"\xc1", version=2)
    rows.close()
    code, out, err = backbeat("recommend", "ada", "--shelf", "popular")
    assert (code, out) == (1, "")
    assert f"row '{key}' of {table} is broken" in err
    assert "`backbeat run --reopen DAY`" in err


@pytest.mark.parametrize("arguments", [["runs"], ["run", "upkeep"], ["run", "--resume"]])
def test_a_ledger_that_cannot_be_opened_is_named(backbeat: Backbeat, home: Home, arguments: list[str]) -> None:
    home.runs.mkdir(parents=True)
    code, out, err = backbeat(*arguments)
    assert (code, out) == (1, "")
    assert f"the run ledger {home.runs}: unable to open database file" in err


def test_a_ledger_that_is_none_is_named(backbeat: Backbeat, home: Home) -> None:
    home.runs.write_bytes(b"no database" * 100)
    code, _, err = backbeat("runs")
    assert code == 1
    assert f"the run ledger {home.runs}: file is not a database" in err


def test_a_home_that_is_a_file_is_named(
    backbeat: Backbeat, home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "file"))
    for arguments in (["runs"], ["run"], ["recommend", "ada"], ["similar", "t"]):
        code, _, err = backbeat(*arguments)
        assert code == 1
        assert str(home.root / "file") in err


def test_a_table_that_lacks_a_file_ends_a_process_with_a_line_and_not_with_a_crash(lake: Lake, home: Home) -> None:
    file_of(lake, RAW_PLAYS).unlink()
    command = [sys.executable, "-m", "backbeat", "tables", "list", "--hashes"]
    environment = os.environ | {"BACKBEAT_HOME": str(home.root)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"backbeat: hashing raw.plays at {lake.location(RAW_PLAYS)}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_truncated_file_ends_an_evaluation_with_a_line(backbeat: Backbeat, lake: Lake) -> None:
    file_of(lake, FEATURES_TASTE).write_bytes(b"PAR1")
    code, out, err = backbeat("evaluate")
    assert (code, out) == (1, "")
    assert "reading a table of the lake: Could not open Parquet" in err


@pytest.mark.parametrize("arguments", [["run", "upkeep"], ["run", "train"], ["tables", "list"]])
def test_a_damaged_log_of_a_table_is_told_in_a_line(backbeat: Backbeat, lake: Lake, arguments: list[str]) -> None:
    damage_log(lake, RAW_PLAYS)
    code, out, err = backbeat(*arguments)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"opening the table at {lake.location(RAW_PLAYS)}: " in err


def test_a_damaged_chart_is_told_in_a_line(backbeat: Backbeat, lake: Lake) -> None:
    lake.append(CHARTS_DAILY, CHARTS_DAILY.schema.empty_table())
    damage_log(lake, CHARTS_DAILY)
    code, out, err = backbeat("recommend", "ada", "--shelf", "popular")
    assert (code, out) == (1, "")
    assert "charts.daily" in err


def finding(backbeat: Backbeat, check: str) -> dict[str, Any]:
    """What doctor says of one thing, after it has failed."""
    code, out, _ = backbeat("doctor", "--json")
    assert code == 1
    return {found["check"]: found for found in json.loads(out)["findings"]}[check]


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda file: file.unlink(), "not there"),
        (lambda file: file.write_bytes(b"PAR1"), "4 bytes, wanted "),
        (lambda file: file.write_bytes(bytes(file.stat().st_size)), "magic bytes"),
    ],
)
def test_doctor_names_a_damaged_file_with_what_mends_it(
    backbeat: Backbeat, lake: Lake, harm: Callable[[Path], object], told: str
) -> None:
    harm(file_of(lake, FEATURES_TASTE))
    found = finding(backbeat, "features.taste")
    assert found["verdict"] == "broken"
    assert "/features/taste/day=" in found["found"]
    assert told in found["found"]
    assert found["mend"] == f"backbeat run tables --reopen {day_of(MONDAY)}"


def test_doctor_sends_whose_plays_are_damaged_to_their_copy(backbeat: Backbeat, lake: Lake) -> None:
    file_of(lake, RAW_PLAYS).write_bytes(b"PAR1")
    assert "restoring the file" in finding(backbeat, "raw.plays")["mend"]


def test_a_damaged_model_is_broken_to_doctor_and_in_the_list_and_what_gets_by_is_named(
    backbeat: Backbeat, served: Path
) -> None:
    flip(served)
    assert finding(backbeat, "model")["mend"] == "backbeat run train"
    code, out, err = backbeat("models", "list")
    assert (code, "broken" in out) == (0, True)
    assert "als/arrays.npz not as the manifest has it; mend with `backbeat run train`" in err
    assert "`backbeat run train` gets by without it" in backbeat("recommend", "ada")[2]


def test_of_two_models_the_one_before_a_damaged_one_is_gone_back_to(backbeat: Backbeat, home: Home) -> None:
    registry = Registry(home.models)
    registry.publish(artifact())
    newer = registry.publish(replace(artifact(), counts={"plays": 7}))
    flip(registry.folder(newer))
    assert "`backbeat models rollback` gets by without it" in backbeat("recommend", "ada")[2]
    assert backbeat("models", "rollback")[0] == 0
    assert backbeat("recommend", "ada")[0] == 0


def test_models_that_are_not_named_are_the_last_two_and_segments_are_counted(backbeat: Backbeat, home: Home) -> None:
    assert "found 0; `backbeat run` publishes one" in backbeat("models", "diff")[2]
    registry = Registry(home.models)
    older = registry.publish(
        replace(artifact(), metrics={"segments": {"few": {"ndcg": 0.1}}, "intervals": [0.12345678, 0.2]})
    )
    newer = registry.publish(
        replace(artifact(), metrics={"segments": {"few": {"ndcg": 0.2}}, "intervals": [0.12345678, 0.3]})
    )
    code, out, err = backbeat("models", "diff")
    assert code == 0
    assert f"{older} and {newer}" in out
    assert "0.1235, 0.2" in out
    assert "1 figures of segments of listeners differ too" in err


@pytest.mark.parametrize("command", [["import", "plays.csv"], ["ledger", "--json"]])
def test_a_truncated_file_of_plays_is_named(
    backbeat: Backbeat, lake: Lake, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plays.csv").write_text("listener_id,track_id,started_ms\nada,t,1700000000000\n")
    monkeypatch.chdir(tmp_path)
    file_of(lake, RAW_PLAYS).write_bytes(b"PAR1 and no more")
    code, out, err = backbeat(*command)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert file_of(lake, RAW_PLAYS).name in err


@pytest.mark.parametrize("command", [["import", "plays.csv"], ["tables", "list"], ["ledger"]])
def test_a_lake_that_is_a_file_is_not_an_empty_one(
    backbeat: Backbeat, home: Home, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plays.csv").write_text("listener_id,track_id,started_ms\nada,t,1700000000000\n")
    monkeypatch.chdir(tmp_path)
    Path(home.lake_url).touch()
    code, out, err = backbeat(*command)
    assert (code, out) == (1, "")
    assert f"found {home.lake_url} to be a file; wanted a folder" in err


@pytest.mark.parametrize("url", ["zz://", "zz://bucket", "s3://"])
@pytest.mark.parametrize("command", [["import", "plays.csv"], ["tables", "list"], ["ledger"], ["config", "--json"]])
def test_a_url_where_no_lake_can_be_is_a_bad_setting(
    backbeat: Backbeat, command: list[str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKBEAT_LAKE", url)
    code, _, err = backbeat(*command)
    assert code == 2
    assert f"BACKBEAT_LAKE is '{url}'; wanted a folder, or a URL" in err


def test_the_page_of_the_tables_says_which_folder_it_looked_for(
    backbeat: Backbeat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = backbeat("tables", "document")
    assert code == 1
    assert "found no folder docs here; wanted that of the page docs/tables.md" in err


def test_colours_of_an_engines_message_are_left_out(backbeat: Backbeat) -> None:
    code, out, err = backbeat("sql", "--query", "SELECT FROM WHERE ((")
    assert (code, out) == (1, "")
    assert "SELECT FROM WHERE ((" in err
    assert "\ufffd" not in err


def test_an_engines_message_keeps_its_text_alone() -> None:
    assert plain("a \x1b[31mred\x1b[0m word\x1b") == "a red word"


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("listener,track,started_ms,listener_id", "found 2 columns 'listener' and 'listener_id'; wanted one"),
        ("listener,track,started_ms,track", "found 2 columns 'track'; wanted one"),
        ("user_id,song_id,session_id,ts,ts", "found 2 columns 'ts'; wanted one"),
    ],
)
@pytest.mark.parametrize("command", [["evaluate"], ["train", "popularity"]])
def test_a_column_of_plays_that_is_there_twice_is_named(
    backbeat: Backbeat, command: list[str], columns: str, told: str, tmp_path: Path
) -> None:
    plays = tmp_path / "twice.csv"
    plays.write_text(f"{columns}\n" + ",".join("1" * len(columns.split(","))) + "\n")
    code, out, err = backbeat(*command, "--data", str(plays))
    assert (code, out) == (1, "")
    assert f"backbeat: reading {plays}: {told}\n" == err


def test_of_columns_that_say_nothing_of_plays_there_may_be_many(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("listener,note,track,note,started_ms\nada,a,t,b,1700000000000\n")
    assert read_plays(tmp_path / "notes.csv").plays.tracks.tolist() == ["t"]


NO_DATABASE: dict[str, Callable[[Path], object]] = {
    "a line of text": lambda path: path.write_text("junk\n"),
    "a page of text": lambda path: path.write_bytes(b"no database" * 500),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("damage", NO_DATABASE)
def test_searches_that_are_no_database_are_named_with_what_mends_them(
    backbeat: Backbeat, home: Home, damage: str, tmp_path: Path
) -> None:
    NO_DATABASE[damage](home.root / "searches.db")
    data = benchmark(tmp_path / "gowalla")
    code, out, err = backbeat("search", "als", "--data", str(data), "--minutes", "1", "--trials", "1")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"backbeat: searching with the trials in {home.root / 'searches.db'}: " in err
    assert "move it away, and a new one is begun" in err


@pytest.fixture
def runs(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the recorded runs, in a folder that is there."""
    monkeypatch.delenv("BACKBEAT_RECORDS", raising=False)
    home.records.mkdir()
    return home.records / "runs.db"


@pytest.mark.parametrize("damage", NO_DATABASE)
@pytest.mark.parametrize("command", [["records", "list"], ["records", "page"]])
def test_recorded_runs_that_are_no_database_are_named(
    backbeat: Backbeat, runs: Path, command: list[str], damage: str
) -> None:
    NO_DATABASE[damage](runs)
    code, out, err = backbeat(*command)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"backbeat: reading the recorded runs in {runs}: " in err
    assert "move it away, and a new one is begun" in err


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["train", "popularity"], "sha256"),
        (["evaluate", "--models", "popularity"], "models"),
        (["search", "als", "--minutes", "1", "--trials", "1"], "settings"),
    ],
)
def test_a_run_that_cannot_be_recorded_is_answered_first(
    backbeat: Backbeat, runs: Path, command: list[str], answer: str, tmp_path: Path
) -> None:
    runs.write_text("junk\n")
    code, out, err = backbeat(*command, "--data", str(benchmark(tmp_path / "gowalla")), "--json")
    assert code == 1
    assert json.loads(out)[answer]
    assert f"backbeat: the run is not recorded: writing {runs}: file is not a database; " in err


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow uses what its dependencies are about to drop
def test_recorded_runs_whose_pages_are_overwritten_are_named(backbeat: Backbeat, runs: Path) -> None:
    assert backbeat("records", "list", "--json")[1] == '{"runs":[]}\n'
    whole = runs.read_bytes()
    runs.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    code, out, err = backbeat("records", "list")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"reading the recorded runs in {runs}: database disk image is malformed; " in err


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate"],
        ["evaluate", "--split", "next"],
        ["evaluate", "--split", "time"],
        ["train", "als"],
        ["search", "als", "--minutes", "1"],
    ],
)
def test_data_that_is_not_there_is_told_as_that(backbeat: Backbeat, command: list[str], tmp_path: Path) -> None:
    code, out, err = backbeat(*command, "--data", str(tmp_path / "nope.csv"))
    assert (code, out) == (1, "")
    assert f"reading {tmp_path / 'nope.csv'}: nothing is there; wanted a folder with train.txt, " in err


def test_the_file_that_a_benchmark_lacks_is_named(backbeat: Backbeat, tmp_path: Path) -> None:
    data = benchmark(tmp_path / "gowalla")
    (data / "test.txt").unlink()
    assert backbeat("evaluate", "--data", str(data)) == (
        1,
        "",
        f"backbeat: reading {data}: found train.txt without test.txt; wanted both, or a file of plays\n",
    )


def test_plays_of_one_day_cannot_be_split_in_time(backbeat: Backbeat, tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("listener,track,started_ms\nada,t,1700000000000\n")
    code, out, err = backbeat("evaluate", "--data", str(tmp_path / "day.csv"), "--split", "time")
    assert (code, out) == (1, "")
    assert "plays on one day; wanted two at least to split in time" in err
