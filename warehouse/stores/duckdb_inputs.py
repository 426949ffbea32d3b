"""What SQL is given of ours: values inside its text, where an engine takes no parameter, and rows as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa


def text_literal(value: str | Path) -> str:
    """The text, or the path, as a string literal of SQL."""
    return "'" + str(value).replace("'", "''") + "'"


def table_of(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows of values in the order of the schema's columns, which stand even where there is no row."""
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[] for _ in schema], schema=schema)
