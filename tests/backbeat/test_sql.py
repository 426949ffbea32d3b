from __future__ import annotations

import json
from pathlib import Path

import pytest

from backbeat.cli import main
from tests.contracts.sql import ANSWERS, PLAYS, table_of
from warehouse.analytics import models
from warehouse.stores.lake import Lake
from warehouse.tables import CORE_PLAYS

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.delenv("BACKBEAT_WAREHOUSE", raising=False)
    monkeypatch.delenv("BACKBEAT_LAKE", raising=False)
    Lake(str(tmp_path / "lake")).replace(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS))


def test_a_models_rows_are_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sql", "skip_rate_by_source", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["model"] == "skip_rate_by_source"
    assert [tuple(row.values()) for row in document["rows"]] == ANSWERS["skip_rate_by_source"]


def test_a_query_of_ones_own_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sql", "--query", "SELECT COUNTIF(skipped) AS skips FROM core.plays", "--json"])
    assert json.loads(capsys.readouterr().out) == {"model": None, "rows": [{"skips": 1}]}


def test_without_a_model_those_there_are_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sql", "--json"])
    assert [model["name"] for model in json.loads(capsys.readouterr().out)["models"]] == list(models())


def test_people_see_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sql", "plays_per_day"])
    assert "2024-02-26" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["sql", "no_such_model"], 2, "plays_per_day"),
        (["sql", "plays_per_day", "--query", "SELECT 1"], 2, "not both"),
        (["sql", "recommended_coverage"], 1, "core.catalog"),
        (["sql", "--query", "SELECT nothing FROM core.plays"], 1, "nothing"),
    ],
)
def test_what_cannot_be_answered_is_said_on_standard_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == status
    assert says in capsys.readouterr().err


def test_a_warehouse_that_is_none_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKBEAT_WAREHOUSE", "oracle://somewhere")
    with pytest.raises(SystemExit) as ended:
        main(["sql", "plays_per_day"])
    assert ended.value.code == 2
    assert "bigquery://PROJECT/DATASET" in capsys.readouterr().err


def test_times_are_told_as_they_are_typed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sql", "--query", "SELECT 1775088199926 AS started_ms, 1234567 AS plays FROM core.plays LIMIT 1"])
    out = capsys.readouterr().out
    assert "1775088199926" in out
    assert "1,234,567" in out


def test_an_unknown_column_is_told_once_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sql", "--query", "SELECT listener FROM core.plays"])
    err = capsys.readouterr().err
    assert err.count('"listener"') == 1
    assert "core.plays has play_id, listener_id, track_id," in err
