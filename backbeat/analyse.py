"""`backbeat sql`: the analytics models, answered by the SQL engine that is wired."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

import pyarrow as pa

from backbeat.output import BadUsage, CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.wiring import open_warehouse
from warehouse.analytics import Model, ModelBroken, NoSuchModel, answer, model_named, models
from warehouse.stores.lake import NoSuchTable
from warehouse.stores.sql import SqlRefused, SqlUnavailable

SHOWN = 50  # rows that a person is shown; a program gets them all


def sql(
    model: str | None = None,
    *,
    query: str | None = None,
    json: Flag = False,
) -> None:
    """Analytics over the lake: a model's rows, or without one the list of models.

    Args:
        model: Which one.
        query: A SELECT of your own instead, in BigQuery's dialect, over tables such as core.plays.
        json: One JSON document on one line.
    """
    if model is not None and query is not None:
        raise BadUsage("a model or a --query, not both")
    if model is None and query is None:
        _list(list(models().values()), json)
        return
    asked = _asked(model) if model is not None else query or ""
    rows = _answered(asked)
    if json:
        emit({"model": model, "rows": rows.to_pylist()})
    else:
        _print(model or "query", rows)


def _asked(name: str) -> Model:
    try:
        return model_named(name)
    except NoSuchModel as error:
        raise BadUsage(str(error)) from error


def _answered(asked: Model | str) -> pa.Table:
    try:
        with closing(open_warehouse(Settings.from_environment())) as warehouse:
            return warehouse.query(asked) if isinstance(asked, str) else answer(asked, warehouse)
    except (NoSuchTable, SqlRefused, SqlUnavailable, ModelBroken) as error:
        raise CommandFailed(str(error)) from error


def _list(known: list[Model], json: bool) -> None:
    if json:
        emit({"models": [{"name": one.name, "grain": one.grain, "description": one.description} for one in known]})
        return
    rows = [(one.name, one.cadence, ", ".join(one.grain), one.description) for one in known]
    console().print(table("models", ["model", "cadence", "one row a", "what"], rows))


def _cell(column: str, value: object) -> object:
    """A time in milliseconds as its digits alone, to be copied into another query; anything else as it is."""
    return str(value) if column.endswith("_ms") and isinstance(value, int) else value


def _print(title: str, rows: pa.Table) -> None:
    shown = [tuple(_cell(*cell) for cell in row.items()) for row in islice(rows.to_pylist(), SHOWN)]
    console().print(table(title, rows.column_names, shown))
    if rows.num_rows > SHOWN:
        notice(f"the first {SHOWN} of {rows.num_rows:,} rows; --json gives them all")
