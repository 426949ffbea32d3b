"""The headers of the analytics models: parsed, complete, and true of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.sql import ANSWERS
from warehouse.analytics import FOLDER, TYPES, Model, ModelBroken, NoSuchModel, model_named, models, parsed
from warehouse.stores.sql import Select
from warehouse.tables import TABLES

MODELS = models()
HEADER = """-- model: one
-- owner: somebody
-- grain: day
-- cadence: daily
-- description: what it is
-- columns:
--   day DATE: the day
--   plays INT64: how many: of them
"""


def test_every_file_is_a_model_and_has_its_expected_rows() -> None:
    files = {path.stem for path in FOLDER.glob("*.sql")}
    assert set(MODELS) == files == set(ANSWERS)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_reads_declared_tables_and_is_documented(model: Model) -> None:
    assert model.reads
    assert set(model.reads) <= set(TABLES)
    assert model.cadence in {"daily", "weekly"}
    assert model.owner
    assert model.description
    assert {column.type for column in model.columns} <= set(TYPES)


def test_a_header_says_what_the_model_is() -> None:
    model = parsed("one", HEADER + "SELECT day, COUNT(*) AS plays\nFROM core.plays GROUP BY day\n")
    assert (model.owner, model.grain, model.cadence, model.description) == ("somebody", ("day",), "daily", "what it is")
    assert [(c.name, c.type, c.comment) for c in model.columns] == [
        ("day", "DATE", "the day"),
        ("plays", "INT64", "how many: of them"),
    ]
    assert model.reads == ("core.plays",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEADER.replace("model: one", "model: two"), "'two'"),
        (HEADER.replace("owner: somebody", "by: somebody"), "owner"),
        (HEADER.replace("grain: day", "grain: day, hour"), "hour"),
        (HEADER.replace("INT64", "NUMBER"), "NUMBER"),
        (HEADER.replace("plays INT64: how many: of them", "plays INT64"), "plays INT64"),
        ("SELECT 1\n", "wanted a header"),
        ("", "wanted a header"),
    ],
)
def test_a_header_that_is_not_as_it_must_be_is_said_to_be_so(text: str, says: str) -> None:
    with pytest.raises(ModelBroken, match=says):
        parsed("one", text)


def test_an_unknown_model_is_answered_with_those_there_are(tmp_path: Path) -> None:
    assert models(tmp_path) == {}
    with pytest.raises(NoSuchModel, match="plays_per_day"):
        model_named("no_such_model")


def test_a_query_is_written_for_an_engine_with_the_tables_where_it_has_them() -> None:
    query = Select("SELECT plays.day, c.title FROM core.plays JOIN core.catalog AS c USING (track_id)")
    assert [table.name for table in query.tables] == ["core.catalog", "core.plays"]
    written = query.written_for("bigquery", lambda table: f"`p.d.{table.name.replace('.', '_')}`")
    assert "FROM `p.d.core_plays` AS plays JOIN `p.d.core_catalog` AS c" in written
