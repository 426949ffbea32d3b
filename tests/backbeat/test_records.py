"""Runs are recorded whole, listed, shown and drawn; MLflow keeps them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backbeat.cli import main
from backbeat.recording import MlflowRecords, NoRecords, Record
from backbeat.records_page import page

RUN = Record(
    "search",
    "als",
    "gowalla",
    "1ccc3724",
    "v1-dirty",
    2.5,
    {"factors": "8"},
    {"validation ndcg@20": 0.25, "coverage": 0.5},
    {"best so far": [(0, 0.1), (2, 0.25)]},
    "44bfd7f6",
    datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow uses what its dependencies are about to drop
def test_what_is_recorded_is_what_is_read_listed_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    records = MlflowRecords(tmp_path / "records")
    long = [(step, 1.0 / (1 + step)) for step in range(1_200)]
    records.add([RUN, replace(RUN, kind="train", curves={"loss": long}, metrics={})])
    found = {record.kind: record for record in records.all()}
    assert found["train"].curves == {"loss": long}
    read = found["search"]
    assert replace(read, run_id=RUN.run_id, ended=RUN.ended) == replace(RUN, seconds=read.seconds)
    assert read.seconds == pytest.approx(2.5, abs=0.01)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"

    main(["records", "list", "--model", "als", "--json"])
    assert {run["kind"] for run in json.loads(capsys.readouterr().out)["runs"]} == {"search", "train"}
    main(["records", "show", read.run_id[:10], "--json"])
    assert json.loads(capsys.readouterr().out)["curves"] == {"best so far": [[0, 0.1], [2, 0.25]]}
    main(["records", "page"])
    assert read.run_id in (tmp_path / "reports" / "records.html").read_text()
    with pytest.raises(SystemExit) as ended:
        main(["records", "show", "no such run"])
    assert ended.value.code == 2


def test_the_page_draws_curves_from_corner_to_corner_and_escapes_names() -> None:
    drawn = page([replace(RUN, model="<als>")])
    assert 'points="4.0,86.0 316.0,4.0"' in drawn
    assert "&lt;als&gt;" in drawn
    assert "validation ndcg@20" in drawn
    assert not any(outside in drawn for outside in ('src="http', 'href="http', "url(http"))


def test_the_page_of_no_run_says_so() -> None:
    assert "There is none yet" in page([])


def test_nothing_is_kept_where_nothing_is_to_be() -> None:
    NoRecords().add([RUN])
    assert NoRecords().all() == []
