"""`backbeat evaluate`: one line for programs, a report for people, and the known figures of 30Music."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from backbeat.cli import main
from backbeat.plays_file import read_plays
from models.evaluation.splits import last_session
from tests.backbeat.benchmark import benchmark
from tests.models.hetrec import hetrec

PLAYS = Path(os.environ.get("BACKBEAT_TEST_DATA") or "../shared/data") / "30music" / "plays.parquet"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BACKBEAT_RECORDS", "none")
    return tmp_path / "home"


@pytest.fixture
def plays() -> pa.Table:
    """Forty listeners of two tastes: ten plays a day, for eight days."""
    random = np.random.default_rng(2)
    rows = [
        (f"listener {who}", f"track {random.integers(12) * 2 + who % 2}", day * 86_400_000 + turn * 200_000)
        for who in range(40)
        for day in range(8)
        for turn in range(10)
    ]
    return pa.table(dict(zip(("listener", "track", "started_ms"), zip(*rows, strict=True), strict=True)))


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    main(["evaluate", *arguments, "--json"])
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    return json.loads(printed)


def test_a_file_may_name_its_columns_as_imports_do(
    plays: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.csv.write_csv(plays.rename_columns(["listener_id", "track_id", "started_ms"]), tmp_path / "plays.csv")
    assert answer(capsys, "--data", str(tmp_path / "plays.csv"))["listeners"] == 40


def test_sessions_that_begin_anew_with_each_listener_are_told_apart_by_listener(tmp_path: Path) -> None:
    rows = [(who, session, at) for session in (1, 2, 3) for who in ("ben", "ada") for at in range(2)]
    lines = [
        f"{who},{who} {session} {at},{session},{session * 86_400_000 + at * 1_000 + (who == 'ben') * 500}"
        for who, session, at in rows
    ]
    (tmp_path / "anew.csv").write_text("\n".join(["listener,track,session,started_ms", *lines]))
    split = last_session(read_plays(tmp_path / "anew.csv").plays)
    assert (len(split.cases), split.activity.tolist()) == (2, [4, 4])
    labels = sorted(f"{who} {session} {at}" for who, session, at in rows if session < 3)
    follows = {(labels[one], labels[next_]) for one, next_ in zip(*split.train.transitions.nonzero(), strict=True)}
    assert follows == {(f"{who} {session} 0", f"{who} {session} 1") for who, session, at in rows if session < 3}


@pytest.mark.parametrize("labels", [[7, 7, 3, 9], ["b", "b", "a", "c"]])
def test_sessions_of_one_listener_each_keep_the_order_of_their_labels(
    labels: list[int] | list[str], tmp_path: Path
) -> None:
    table = {"listener": [2, 2, 9, 1], "track": [1, 2, 3, 4], "session": labels, "started_ms": [10, 20, 30, 40]}
    pa.parquet.write_table(pa.table(table), tmp_path / "plays.parquet")
    found = read_plays(tmp_path / "plays.parquet").plays.sessions
    assert found.tolist() == np.unique(labels, return_inverse=True)[1].tolist()


def test_learners_by_name_want_a_split_that_measures_them(
    plays: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.csv.write_csv(plays, tmp_path / "plays.csv")
    for data, told in ((["--data", str(tmp_path / "plays.csv")], "add --split next (or new, or all)"), ([], "--data")):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", "--models", "popularity", *data])
        assert ended.value.code == 2
        assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("split", ["last-session", "time"])
def test_any_file_of_plays_is_measured(
    split: str, plays: pa.Table, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.csv.write_csv(plays, tmp_path / "plays.csv")
    found = answer(capsys, "--data", str(tmp_path / "plays.csv"), "--split", split)
    assert (found["split"], found["listeners"]) == (split, 40)
    assert list(found["models"]) == ["popularity", "repeat", "transitions", "als"]
    assert found["models"]["als"]["ndcg@20"] > found["models"]["popularity"]["ndcg@20"]
    assert json.loads((home / "reports" / f"evaluation-{split}.json").read_text()) == found


def test_the_report_is_one_page_that_needs_no_other(
    plays: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.parquet.write_table(plays, tmp_path / "plays.parquet")
    report = tmp_path / "out" / "report.html"
    answer(capsys, "--data", str(tmp_path / "plays.parquet"), "--report", str(report))
    page = report.read_text()
    assert page.count("<svg") == 3
    assert all(name in page for name in ("popularity", "repeat", "transitions", "als", "coverage"))
    assert not any(outside in page for outside in ("<script", 'src="http', 'href="http', "url(http"))


def test_people_get_a_table(plays: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pa.parquet.write_table(plays, tmp_path / "plays.parquet")
    main(["evaluate", "--data", str(tmp_path / "plays.parquet"), "--split", "time", "--split-day", "1970-01-06"])
    printed = capsys.readouterr().out
    assert "plays before 1970-01-06 train" in printed
    assert "transitions" in printed


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("plays.parquet", b"PAR1 and no more", "wanted Parquet, CSV or TSV"),
        ("plays.csv", b"who,what\n1,2\n", "found the columns who, what"),
        ("plays.csv", b"listener,track,started_ms\n1,2,soon\n", "wanted whole numbers"),
        ("plays.csv", b"listener,track,started_ms\n1,2,5\n", "nobody has 3 sessions"),
        ("plays.csv", b"listener,track,started_ms\n1.5,2,5\nnan,2,5\n", "found 1 nulls and 0 NaN"),
        ("plays.csv", b"listener,track,started_ms\n1,2,-5\n", "wanted times from 1970 on"),
        ("plays.csv", b"listener,track,started_ms\n", "found no play"),
    ],
)
def test_a_file_that_cannot_be_measured_says_why_and_exits_1(
    name: str, content: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--data", str(tmp_path / name), "--json"])
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert not captured.out


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (pa.array([["a"], ["b"]]), "found a column of list<"),
        (pa.array([{"a": 1}, {"a": 2}]), "found a column of struct<"),
        (pa.array([b"\xff", b"b"]), "Invalid UTF8"),
    ],
)
@pytest.mark.parametrize(
    "command", [["evaluate"], ["train", "als"], ["search", "als", "--minutes", "1"]], ids=lambda words: words[0]
)
def test_a_column_of_what_is_neither_number_nor_text_is_told(
    track: pa.Array, said: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.parquet.write_table(pa.table({"listener": [1, 2], "track": track, "started_ms": [1, 2]}), tmp_path / "p.parquet")
    with pytest.raises(SystemExit) as ended:
        main([*command, "--data", str(tmp_path / "p.parquet")])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err


def test_a_parquet_column_whose_name_is_no_utf8_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pa.parquet.write_table(pa.table({"listener": [1], "trEck": [1], "started_ms": [1]}), tmp_path / "p.parquet")
    named = (tmp_path / "p.parquet").read_bytes().replace(b"trEck", b"tr\xffck")
    (tmp_path / "p.parquet").write_bytes(named)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--data", str(tmp_path / "p.parquet")])
    assert ended.value.code == 1
    assert "wanted Parquet, CSV or TSV" in capsys.readouterr().err


def test_nan_in_a_column_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pa.table({"listener": [1.0, float("nan")], "track": ["a", "b"], "started_ms": [1, 2]})
    pa.parquet.write_table(table, tmp_path / "plays.parquet")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--data", str(tmp_path / "plays.parquet")])
    assert ended.value.code == 1
    assert "found 0 nulls and 1 NaN" in capsys.readouterr().err.replace("\n", " ")


def test_a_lake_without_tables_says_which_command_makes_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate"])
    assert ended.value.code == 1
    assert "backbeat run" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--split", "last-session"], ["--data", ".", "--split-day", "2014-01-01"]])
def test_a_split_that_is_not_offered_is_bad_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *arguments])
    assert ended.value.code == 2


def test_a_benchmark_is_answered_by_popularity_and_those_with_a_recipe(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = benchmark(tmp_path / "gowalla")
    (home / "recipes").mkdir(parents=True)
    (home / "recipes" / "gowalla.json").write_text('{"als": {"factors": 4, "regularisation": 0.1}}')
    found = answer(capsys, "--data", str(data))
    assert found["data"] == "gowalla"
    assert {"popularity", "als"} <= found["models"].keys()
    figures = found["models"]["als"]
    assert figures["settings"]["factors"] == 4
    low, high = figures["intervals"]["recall@20"]
    assert low <= figures["recall@20"] <= high
    assert json.loads((home / "reports" / "evaluation-gowalla.json").read_text()) == found


def test_the_models_and_the_length_of_lists_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--data", str(benchmark(tmp_path)), "--models", "transitions,repeat", "--k", "5")
    assert list(found["models"]) == ["popularity", "transitions", "repeat"]
    assert found["models"]["repeat"]["answered"] == 0.0
    assert "recall@5" in found["models"]["popularity"]


def test_artists_that_nobody_has_played_are_ranked_by_what_is_told_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["evaluate", "--data", str(hetrec(tmp_path)), "--split", "cold", "--k", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["data"] == "hetrec-cold"
    assert list(told["models"]) == ["popularity", "als-content", "content"]
    assert told["models"]["content"]["answered"] > 0


@pytest.mark.parametrize("protocol", ["next", "new", "all"])
def test_a_file_is_divided_by_the_protocol_that_is_asked_for(
    protocol: str, plays: pa.Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa.parquet.write_table(plays, tmp_path / "mine.parquet")
    found = answer(
        capsys, "--data", str(tmp_path / "mine.parquet"), "--split", protocol, "--models", "transitions", "--k", "3"
    )
    assert (found["data"], list(found["models"])) == (f"mine-{protocol}", ["popularity", "transitions"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--k", "25"], 1, "lists of 25 of a catalog of 24 tracks"),
        (["--k", "0"], 2, "--k is 0; wanted 1 or more"),
        (["--models", "alz"], 2, "no learner alz; there are"),
        (["--split", "time"], 2, "a benchmark has its own split"),
        (["--split", "next"], 2, "a benchmark has its own split"),
    ],
)
def test_a_benchmark_that_cannot_be_asked_so_says_why(
    arguments: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--data", str(benchmark(tmp_path)), *arguments])
    assert ended.value.code == code
    assert said in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.txt", "0 1 2\n", "test.txt"),
        ("LastFM.txt", "", "found no sequence"),
        ("LastFM.txt", "1 2 3 nan\n", "wanted whole numbers"),
        ("user_artists.dat", "userID\tartistID\n1\t2\n", "wanted userID, artistID and weight"),
        ("readme.txt", "", "found readme.txt; wanted a folder with train.txt"),
    ],
)
def test_a_folder_that_is_no_whole_benchmark_says_what_was_found(
    name: str, content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_text(content)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--data", str(tmp_path / "data")])
    assert ended.value.code == 1
    assert said in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.slow
@pytest.mark.skipif(not PLAYS.exists(), reason=f"30Music is not at {PLAYS}")
def test_the_last_session_protocol_gives_the_known_figures_of_30music(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "--data", str(PLAYS), "--split", "last-session")
    assert (found["listeners"], found["steps"]) == (3_636, 28_474)
    hits = {name: figures["hit@20"] for name, figures in found["models"].items()}
    assert hits["popularity"] == pytest.approx(0.018, abs=0.005)
    assert hits["repeat"] == pytest.approx(0.132, abs=0.005)
    assert hits["transitions"] == pytest.approx(0.368, abs=0.005)
    assert hits["als"] > hits["repeat"]
