"""What every adapter of the SQL port does: the same rows in, the same rows out, for each analytics model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from warehouse.analytics import Model, answer, models
from warehouse.stores.sql import SqlRefused, SqlWarehouse
from warehouse.tables import CORE_CATALOG, CORE_PLAYS, FEATURES_OUTCOMES, RAW_IMPRESSIONS, Table

MONDAY = date(2024, 2, 26)
TUESDAY, SUNDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=6)
NEXT_MONDAY, FORTNIGHT = MONDAY + timedelta(days=7), MONDAY + timedelta(days=14)
MODELS = models()


def table_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of that table; what a row leaves out is null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=table.schema)


def play(number: int, listener: str, track: str, day: date, **more: Any) -> dict[str, Any]:
    """A counted play of three minutes at noon of the day, a second later for each number."""
    started_ms = (day - date(1970, 1, 1)).days * 86_400_000 + 43_200_000 + 1_000 * number
    played = {"played_ms": 180_000, "ended_ms": started_ms + 180_000, "counts": True, "skipped": False}
    names = {"play_id": f"p{number}", "listener_id": listener, "track_id": track}
    return {**names, "started_ms": started_ms, "source": "world", "day": day, **played, **more}


SKIP = {"counts": False, "skipped": True, "played_ms": 5_000}
UNKNOWN_LENGTH = {"played_ms": None, "source": "lastfm"}
PLAYS = [
    play(1, "ada", "t1", MONDAY, country="SE", impression_id="i1"),
    play(2, "ada", "t1", MONDAY, country="SE"),
    play(3, "ada", "t2", MONDAY, country="SE", **SKIP),
    play(4, "bob", "t1", TUESDAY, country="SE"),
    play(5, "bob", "t3", SUNDAY, **UNKNOWN_LENGTH),
    play(6, "ada", "t2", NEXT_MONDAY, country="NO"),
    play(7, "cyd", "t4", NEXT_MONDAY, country="NO", played_ms=90_000),
    play(8, "bob", "t1", FORTNIGHT, country="SE", impression_id="i2"),
    play(9, "cyd", "t1", FORTNIGHT, counts=False),  # heard too briefly, and not skipped
]
CATALOG = [
    {"track_id": "t1", "title": "One", "artist": "Åse"},
    {"track_id": "t2", "title": "Two", "artist": "Zoe"},
    {"track_id": "t3", "title": "Three", "artist": "Zoe"},
    {"track_id": "t4"},  # nobody told its names
]


def impression(answer_id: str, listener: str, shelf: str, slot: int, track: str, day: date) -> dict[str, Any]:
    """One slot of an answer."""
    names = {"impression_id": answer_id, "listener_id": listener, "shelf": shelf, "slot": slot, "track_id": track}
    return {**names, "source": "als", "model_version": "m1", "received_ms": 0, "day": day}


IMPRESSIONS = [
    impression("i1", "ada", "discover", 0, "t1", MONDAY),
    impression("i1", "ada", "discover", 1, "t2", MONDAY),
    impression("i2", "bob", "discover", 0, "t1", MONDAY),
    impression("i3", "bob", "popular", 0, "t9", TUESDAY),  # no longer in the catalog
]


def outcome(answer_id: str, listener: str, slot: int, track: str, **more: Any) -> dict[str, Any]:
    """What became of one slot: the first of ada's was played, nothing else was."""
    names = {"impression_id": answer_id, "listener_id": listener, "slot": slot, "track_id": track}
    told = {"shelf": "discover", "source": "als", "model_version": "m1", "propensity": 0.5, "shown_ms": 0}
    return {**names, **told, "outcome": "ignored", "day": MONDAY, **more}


OUTCOMES = [
    outcome("i1", "ada", 0, "t1", outcome="played", play_id="p1", played_ms=180_000),
    outcome("i1", "ada", 1, "t2"),
    outcome("i2", "cyd", 0, "t1"),  # bob's play names the answer of another listener
    outcome("i3", "bob", 0, "t9"),
]

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "plays_per_day": [
        (MONDAY, 3, 2, 1, 1, 1),
        (TUESDAY, 1, 1, 0, 1, 1),
        (SUNDAY, 1, 1, 0, 1, 1),
        (NEXT_MONDAY, 2, 2, 0, 2, 2),
        (FORTNIGHT, 2, 1, 0, 1, 1),
    ],
    "retention_cohorts": [
        (MONDAY, 0, 2, 2, 1.0),
        (MONDAY, 1, 1, 2, 0.5),
        (MONDAY, 2, 1, 2, 0.5),
        (NEXT_MONDAY, 0, 1, 1, 1.0),
    ],
    "top_artists_by_country": [("NO", 1, "Zoe", 1, 1), ("SE", 1, "Åse", 4, 2)],
    "skip_rate_by_source": [("lastfm", 1, 0, 0.0), ("world", 7, 1, 1 / 7)],
    "recommended_coverage": [
        (MONDAY, "discover", 2, 2, 3, 2, 4, 0.5),
        (TUESDAY, "popular", 1, 1, 1, 0, 4, 0.0),
    ],
    "recommended_plays": [
        ("discover", "als", 0, 2, 2, 1.0),
        ("discover", "als", 1, 1, 0, 0.0),
        ("popular", "als", 0, 1, 0, 0.0),
    ],
    "organic_share": [
        (MONDAY, 2, 1, 1, 0.5),
        (TUESDAY, 1, 0, 1, 1.0),
        (SUNDAY, 1, 0, 1, 1.0),
        (NEXT_MONDAY, 2, 0, 2, 1.0),
        (FORTNIGHT, 1, 0, 1, 1.0),
    ],
    "listening_hours": [
        (MONDAY, 2, 1, 0.1, 0.1),
        (TUESDAY, 1, 1, 0.05, 0.05),
        (NEXT_MONDAY, 2, 2, 0.075, 0.0375),
        (FORTNIGHT, 1, 1, 0.05, 0.05),
    ],
    "new_and_repeated": [
        (MONDAY, 2, 1, 1, 0.5),
        (TUESDAY, 1, 1, 0, 1.0),
        (SUNDAY, 1, 1, 0, 1.0),
        (NEXT_MONDAY, 2, 2, 0, 1.0),
        (FORTNIGHT, 1, 0, 1, 0.0),
    ],
}


class SqlContract:
    """An adapter's test class inherits it and gives `warehouse`, with nothing loaded and no lake."""

    @pytest.fixture
    def loaded(self, warehouse: SqlWarehouse) -> SqlWarehouse:
        warehouse.load(CORE_PLAYS, table_of(CORE_PLAYS, PLAYS))
        warehouse.load(CORE_CATALOG, table_of(CORE_CATALOG, CATALOG))
        warehouse.load(RAW_IMPRESSIONS, table_of(RAW_IMPRESSIONS, IMPRESSIONS))
        warehouse.load(FEATURES_OUTCOMES, table_of(FEATURES_OUTCOMES, OUTCOMES))
        return warehouse

    @pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
    def test_a_model_gives_the_rows_that_follow_from_its_input(self, loaded: SqlWarehouse, model: Model) -> None:
        rows = answer(model, loaded)
        assert [tuple(row.values()) for row in rows.to_pylist()] == ANSWERS[model.name]
        assert rows.schema == model.schema

    @pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
    def test_a_models_grain_tells_its_rows_apart(self, loaded: SqlWarehouse, model: Model) -> None:
        rows = answer(model, loaded).select(list(model.grain))
        assert rows.group_by(list(model.grain)).aggregate([]).num_rows == rows.num_rows > 0

    @pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
    def test_a_model_of_empty_tables_is_empty(self, warehouse: SqlWarehouse, model: Model) -> None:
        for table in (CORE_PLAYS, CORE_CATALOG, RAW_IMPRESSIONS, FEATURES_OUTCOMES):
            warehouse.load(table, table.schema.empty_table())
        assert answer(model, warehouse).num_rows == 0

    def test_loading_again_puts_the_new_rows_in_place_of_the_old(self, loaded: SqlWarehouse) -> None:
        loaded.load(CORE_CATALOG, table_of(CORE_CATALOG, CATALOG[:1]))
        assert loaded.query("SELECT track_id, title FROM core.catalog").to_pylist() == [
            {"track_id": "t1", "title": "One"}
        ]

    def test_a_column_keeps_its_values_and_its_nulls(self, loaded: SqlWarehouse) -> None:
        query = "SELECT play_id, day, counts, played_ms, country FROM core.plays WHERE source = 'lastfm'"
        assert loaded.query(query).to_pylist() == [
            {"play_id": "p5", "day": SUNDAY, "counts": True, "played_ms": None, "country": None}
        ]

    def test_counts_and_sums_of_integers_are_integers(self, loaded: SqlWarehouse) -> None:
        rows = loaded.query("SELECT COUNTIF(skipped) AS skips, SUM(played_ms) AS ms, MAX(day) AS last FROM core.plays")
        assert rows.schema.types == [pa.int64(), pa.int64(), pa.date32()]
        assert rows.to_pylist() == [{"skips": 1, "ms": 6 * 180_000 + 90_000 + 5_000, "last": FORTNIGHT}]

    def test_a_whole_division_keeps_its_place_in_a_sum_and_a_product(self, loaded: SqlWarehouse) -> None:
        query = "SELECT 7 * DIV(10, 7) AS week, 1 + DIV(99, DIV(10, 2)) AS fifth FROM core.catalog LIMIT 1"
        assert loaded.query(query).to_pylist() == [{"week": 7, "fifth": 20}]

    def test_a_name_in_a_with_clause_is_no_table_of_the_lake(self, loaded: SqlWarehouse) -> None:
        query = "WITH plays AS (SELECT track_id FROM core.catalog) SELECT COUNT(*) AS n FROM plays"
        assert loaded.query(query).to_pylist() == [{"n": 4}]

    @pytest.mark.parametrize(
        ("sql", "says"),
        [
            ("SELECT nothing FROM core.plays", "nothing"),
            ("SELECT 1 FROM core.nothing", "core.nothing"),
            ("SELECT FROM WHERE", "no SQL"),
            ("DELETE FROM core.plays WHERE TRUE", "wanted one SELECT"),
            ("SELECT 1; SELECT 2", "wanted one SELECT"),
        ],
    )
    def test_what_cannot_be_answered_is_refused_with_the_reason(
        self, loaded: SqlWarehouse, sql: str, says: str
    ) -> None:
        with pytest.raises(SqlRefused, match=says):
            loaded.query(sql)

    def test_a_table_that_was_not_loaded_is_named(self, warehouse: SqlWarehouse) -> None:
        with pytest.raises(SqlRefused, match=r"features\.taste"):
            warehouse.query("SELECT COUNT(*) FROM features.taste")

    def test_closing_twice_is_closing(self, warehouse: SqlWarehouse) -> None:
        warehouse.close()
        warehouse.close()
