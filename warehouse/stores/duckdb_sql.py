"""The SQL port on DuckDB: in process, straight over the lake's files."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from warehouse.stores.lake import Lake
from warehouse.stores.lake_files import first_line, plain
from warehouse.stores.sql import Select, SqlRefused
from warehouse.tables import Table

_HUGEINT = pa.decimal128(38, 0)


class DuckDbWarehouse:
    """DuckDB over the tables of `lake`, and over those that were loaded into its memory."""

    def __init__(self, lake: Lake | None = None) -> None:
        self._lake = lake
        self._loaded: set[str] = set()
        self._connection = duckdb.connect()

    def load(self, table: Table, data: pa.Table) -> None:
        self._connection.register(table.name, data.select(table.schema.names).cast(table.schema))
        self._loaded.add(table.name)

    def query(self, sql: str) -> pa.Table:
        select = Select(sql)
        for table in select.tables:
            self._show(table)
        try:
            return _in_int64(self._connection.sql(select.written_for("duckdb", _quoted)).to_arrow_table())
        except duckdb.BinderException as error:
            raise SqlRefused(f"DuckDB refuses the query: {first_line(error)}{_columns(select)}") from error
        except duckdb.Error as error:
            raise SqlRefused(f"DuckDB refuses the query: {plain(str(error))}") from error

    def close(self) -> None:
        self._connection.close()

    def _show(self, table: Table) -> None:
        """Let queries see the lake's newest version, unless rows were loaded in its place."""
        if table.name in self._loaded:
            return
        if self._lake is None:
            raise SqlRefused(f"the query reads {table.name}: it was not loaded, and there is no lake to read it from")
        self._connection.register(table.name, self._lake.dataset(table))


def _in_int64(rows: pa.Table) -> pa.Table:
    """DuckDB counts and sums integers in 128 bits, which Arrow calls a decimal; the port's integers are INT64."""
    fields = [field.with_type(pa.int64()) if field.type == _HUGEINT else field for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _columns(select: Select) -> str:
    """The columns of the tables that are read: what a name may have been meant to be."""
    return "".join(f"\n{table.name} has {', '.join(table.schema.names)}" for table in select.tables)


def _quoted(table: Table) -> str:
    return f'"{table.name}"'
