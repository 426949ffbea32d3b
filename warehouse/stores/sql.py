"""The SQL port: analytics over the lake's tables, written once in BigQuery's dialect, on whichever engine is wired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from warehouse.stores.lake_files import plain
from warehouse.tables import TABLES, Table

DIALECT = "bigquery"


class SqlWarehouse(Protocol):
    """Answers SQL over the lake. A table that was loaded is what was loaded; any other is the lake's newest version."""

    def load(self, table: Table, data: pa.Table) -> None:
        """Put these rows in place of all that the engine has of the table. Raises `SqlUnavailable`."""

    def query(self, sql: str) -> pa.Table:
        """The rows of one SELECT in BigQuery's dialect, over tables by their lake names (`core.plays`).

        Raises `SqlRefused`, `NoSuchTable` where the lake has nothing of a table yet, and `SqlUnavailable`.
        """

    def close(self) -> None:
        """Release what is held; a second call does nothing."""


class SqlRefused(Exception):
    """The statement cannot be answered; says what is wrong with it."""


class SqlUnavailable(Exception):
    """The engine did not answer; says which one, where, and what it was asked."""


@dataclass(frozen=True)
class Select:
    """One SELECT over lake tables, in BigQuery's dialect."""

    sql: str

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The lake tables that it reads, by name. Raises `SqlRefused` where it reads another."""
        names = sorted({_lake_name(table) for table in _tables_of(self._tree)})
        if unknown := [name for name in names if name not in TABLES]:
            raise SqlRefused(f"the query reads {', '.join(unknown)}; there are {', '.join(TABLES)}")
        return tuple(TABLES[name] for name in names)

    def written_for(self, dialect: str, place_of: Callable[[Table], str]) -> str:
        """The same in another dialect, each table at the place that the engine has it. Raises `SqlRefused`."""
        known = {table.name for table in self.tables}
        tree = self._tree.copy()
        for table in list(_tables_of(tree)):
            if _lake_name(table) in known:
                alias = table.alias or table.name
                place = exp.to_table(place_of(TABLES[_lake_name(table)]), dialect=dialect)
                table.replace(exp.alias_(place, alias, table=True))
        return _with_brackets(tree).sql(dialect=dialect, comments=False)

    @cached_property
    def _tree(self) -> exp.Query:
        try:
            trees = sqlglot.parse(self.sql, dialect=DIALECT)
        except SqlglotError as error:
            raise SqlRefused(f"the query is no SQL: {plain(str(error))}") from error
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            raise SqlRefused(f"wanted one SELECT, found {len(trees)} statements or one of another kind")
        return trees[0]


def _tables_of(tree: exp.Query) -> list[exp.Table]:
    """The tables that are no names of its own WITH clauses."""
    own = {common.alias for common in tree.find_all(exp.CTE)}
    return [table for table in tree.find_all(exp.Table) if table.db or table.name not in own]


def _with_brackets(tree: exp.Query) -> exp.Query:
    """DIV(a, b) becomes `a // b` elsewhere, and sqlglot forgets the brackets that keep `7 * DIV(a, b)` what it is."""
    for division in reversed(list(tree.find_all(exp.IntDiv))):  # the inner ones first
        division.replace(exp.paren(division.copy()))
    return tree


def _lake_name(table: exp.Table) -> str:
    return ".".join(part.name for part in table.parts)
