"""The lake port without a JVM: Delta tables by their declarations, read, appended, replaced, and asked what changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import CommitFailedError, SchemaMismatchError, TableNotFoundError

from warehouse.stores.home import Home
from warehouse.stores.lake_files import LakeBroken, filesystem, opened, own_files, refuse_file
from warehouse.tables import DAY, TABLES, Table

if TYPE_CHECKING:  # an API that reads a chart carries neither
    import duckdb
    import pandas as pd

USER_METADATA = "userMetadata"  # the commit's field that Spark's writer fills too
APPEND_TRIES = 5


class NoSuchTable(Exception):
    """A table was read that nothing has written yet, or that no declaration names."""


class OutdatedTable(Exception):
    """A table that an older version wrote lacks declared columns; says which, and the command that adds them."""


@dataclass(frozen=True)
class Reading:
    """One version of one table, or some of its days, in the form that suits the reader."""

    dataset: ds.Dataset
    columns: list[str] | None = None
    days: frozenset[date] | None = None
    before: date | None = None

    def arrow(self) -> pa.Table:
        """All of it in memory, as Arrow. Raises `LakeBroken`."""
        try:
            return self.dataset.to_table(columns=self.columns, filter=self._chosen())
        except (OSError, pa.ArrowException) as error:
            raise LakeBroken.by(error, "reading a table of the lake") from error

    def pandas(self) -> pd.DataFrame:
        """All of it in memory, as pandas."""
        return self.arrow().to_pandas()

    def relation(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """A DuckDB relation that scans the files each time it is asked."""
        import duckdb

        rows = (connection or duckdb.connect()).from_arrow(self.dataset)
        if self.before is not None:
            rows = rows.filter(f"{DAY} < DATE '{self.before}'")
        if self.days is not None:
            listed = ", ".join(f"DATE '{day}'" for day in sorted(self.days)) or "NULL"
            rows = rows.filter(f"{DAY} IN ({listed})")
        return rows.select(*self.columns) if self.columns else rows

    def _chosen(self) -> ds.Expression | None:
        chosen = None
        if self.before is not None:
            chosen = ds.field(DAY) < pa.scalar(self.before, pa.date32())
        if self.days is not None:
            listed = ds.field(DAY).isin(pa.array(sorted(self.days), pa.date32()))
            chosen = listed if chosen is None else chosen & listed
        return chosen


@dataclass(frozen=True)
class Lake:
    """The tables under one URL: a local folder, or wherever deltalake can reach. Tables lie at `layer/name`."""

    url: str

    def location(self, table: Table) -> str:
        """Where the table's files are."""
        return "/".join([self.url.rstrip("/"), *table.name.split(".")])

    def exists(self, table: Table) -> bool:
        """Whether anything was ever written to it. Raises `LakeBroken` where a file lies in its place."""
        there = bool(DeltaTable.is_deltatable(self.location(table)))
        if not there:
            refuse_file(self.location(table))
        return there

    def version(self, table: Table) -> int | None:
        """The newest version, or None where there is none."""
        try:
            return int(opened(self.location(table)).version())
        except TableNotFoundError:
            return None

    def read(
        self,
        table: Table,
        *,
        days: Iterable[date] | None = None,
        as_of: date | None = None,
        version: int | None = None,
        columns: list[str] | None = None,
    ) -> pa.Table:
        """Its rows in memory; `days` and `as_of` (days before it) choose partitions. Raises `NoSuchTable`."""
        return self.reading(table, days=days, as_of=as_of, version=version, columns=columns).arrow()

    def reading(
        self,
        table: Table,
        *,
        days: Iterable[date] | None = None,
        as_of: date | None = None,
        version: int | None = None,
        columns: list[str] | None = None,
    ) -> Reading:
        """The same, not yet read."""
        dataset = self.dataset(table, version)
        if not table.daily:
            return Reading(dataset, columns)
        return Reading(dataset, columns, None if days is None else frozenset(days), as_of)

    def dataset(self, table: Table, version: int | None = None) -> ds.Dataset:
        """A pyarrow dataset of one version, the newest by default, in the declared column order."""
        try:
            delta = opened(self.location(table), version)
        except TableNotFoundError as error:
            raise NoSuchTable(f"reading {table.name}: nothing at {self.location(table)} yet") from error
        return delta.to_pyarrow_dataset(schema=_nullable(table.schema), filesystem=own_files(self.location(table)))

    def append(
        self,
        table: Table,
        data: pa.Table | pa.RecordBatchReader,
        *,
        metadata: Mapping[str, Any] | None = None,
        transactions: Mapping[str, int] | None = None,
        since: int | None = None,
    ) -> None:
        """Add rows in one commit. `transactions` (app id -> number) are committed with them, see `transaction`.

        They were looked up in version `since`, or before the table was there: where another has committed one of them
        after it, nothing is added. Raises ValueError where the columns are not the declared ones, and CommitFailedError
        where another commit overtakes this one: with `transactions` at once, since it may have been theirs.
        """
        onto = self._first_of(table, since) if transactions else None
        for attempt in range(APPEND_TRIES):
            try:
                self._write(table, data, "append", metadata, transactions, None, onto)
                return
            except CommitFailedError:  # it raced a replacement: the rows are the same on the new version
                if transactions or attempt == APPEND_TRIES - 1 or isinstance(data, pa.RecordBatchReader):
                    raise

    def _first_of(self, table: Table, version: int | None) -> DeltaTable:
        """That version; where it is None, the first, which is made without a row where nobody has made it yet."""
        if version is None:
            DeltaTable.create(
                self.location(table),
                DeltaSchema.from_arrow(_nullable(table.schema)),
                mode="ignore",
                partition_by=[DAY] if table.daily else None,
                description=table.comment,
            )
        return DeltaTable(self.location(table), version=version or 0)

    def replace(self, table: Table, data: pa.Table, *, metadata: Mapping[str, Any] | None = None) -> None:
        """Put these rows in place of all there are, in one commit."""
        self._write(table, data, "overwrite", metadata, None)

    def missing_columns(self, table: Table) -> list[str]:
        """The declared columns that the table lacks, since an older version wrote it; none where it is not there."""
        if not self.exists(table):
            return []
        there = set(pa.schema(opened(self.location(table)).schema()).names)
        return [name for name in table.schema.names if name not in there]

    def refuse_outdated(self, table: Table) -> None:
        """Raises `OutdatedTable` where the table lacks declared columns, and so cannot be written to."""
        if missing := self.missing_columns(table):
            found = f"found {table.name} without {', '.join(missing)}"
            raise OutdatedTable(f"{found}; wanted the columns of this version: `backbeat tables migrate` adds them")

    def add_missing_columns(self, table: Table) -> list[str]:
        """Add declared columns that the table lacks, all unknown in the rows there are; their names."""
        missing = self.missing_columns(table)
        if missing:
            fields = pa.schema([_nullable(table.schema).field(name) for name in missing])
            DeltaTable(self.location(table)).alter.add_columns(list(DeltaSchema.from_arrow(fields).fields))
        return missing

    def compact(self, table: Table) -> int:
        """Merge small files, each day's among themselves; how many files there are fewer."""
        metrics = opened(self.location(table)).optimize.compact()
        return int(metrics["numFilesRemoved"]) - int(metrics["numFilesAdded"])

    def vacuum(self, table: Table, keep_hours: int) -> int:
        """Remove files that no version of the last `keep_hours` needs; how many."""
        delta = opened(self.location(table))
        return len(delta.vacuum(retention_hours=keep_hours, dry_run=False, enforce_retention_duration=False))

    def delete(self, table: Table, where: str) -> int:
        """Delete the rows that an SQL condition names; how many. No commit where there is none.

        Their days, or all of a table without days, are rewritten by us: deltalake's own delete leaves text columns of a
        type that readers cannot filter.
        """
        return self._rewrite(table, where, lambda rows: rows.filter(f"NOT coalesce({where}, false)"))

    def update(self, table: Table, where: str, values: Mapping[str, str]) -> int:
        """Set columns to SQL expressions in the rows that a condition names; how many."""
        columns = [
            f'CASE WHEN {where} THEN {values[name]} ELSE "{name}" END AS "{name}"' if name in values else f'"{name}"'
            for name in table.schema.names
        ]
        return self._rewrite(table, where, lambda rows: rows.select(", ".join(columns)))

    def _rewrite(
        self, table: Table, where: str, change: Callable[[duckdb.DuckDBPyRelation], duckdb.DuckDBPyRelation]
    ) -> int:
        """Put the days of those rows, or all of a table without days, in place anew; how many rows it is about.

        What comes meanwhile is kept.
        """
        for attempt in range(APPEND_TRIES):
            try:
                delta = opened(self.location(table))
            except TableNotFoundError:
                return 0
            rows = Reading(delta.to_pyarrow_dataset(schema=_nullable(table.schema))).relation()
            found, listed = _found(rows.filter(where), table)
            if not found:
                return 0
            left = change(rows.filter(listed or "true")).to_arrow_table().select(table.schema.names)
            try:
                self._write(table, left, "overwrite", None, None, listed, delta)
            except CommitFailedError:  # rows came to these days since they were read
                if attempt == APPEND_TRIES - 1:
                    raise
            else:
                return found
        raise AssertionError("the last try returns or raises")

    def transaction(self, table: Table, app_id: str, version: int | None = None) -> int | None:
        """The last number that was committed for `app_id` with rows of this table, up to `version`."""
        try:
            return opened(self.location(table), version).transaction_version(app_id)
        except TableNotFoundError:
            return None

    def edition(self, table: Table) -> tuple[str, int] | None:
        """Which table it is, by its id, and its version: together they name its rows for ever; None where it is not."""
        try:
            delta = opened(self.location(table))
        except TableNotFoundError:
            return None
        return str(delta.metadata().id), int(delta.version())

    def days(self, table: Table, version: int | None = None) -> set[date]:
        """The days that have a partition; none where the table is not there."""
        try:
            delta = opened(self.location(table), version)
        except TableNotFoundError:
            return set()
        return {date.fromisoformat(part[DAY]) for part in delta.partitions()}

    def count(self, table: Table, days: Iterable[date] | None = None) -> int:
        """How many rows it holds, or holds on those days: from the log's statistics, no file is read."""
        try:
            actions = pa.table(opened(self.location(table)).get_add_actions(flatten=True))
        except TableNotFoundError:
            return 0
        if days is not None:
            actions = actions.filter(pc.field(f"partition.{DAY}").isin(pa.array(sorted(days), pa.date32())))
        return int(pc.sum(actions["num_records"]).as_py() or 0)

    def rows_written(self, table: Table) -> int:
        """How many rows the newest commit added."""
        metrics = opened(self.location(table)).history(1)[0].get("operationMetrics", {})
        return int(metrics.get("numOutputRows") or metrics.get("num_added_rows") or 0)

    def content_hash(self, table: Table) -> str:
        """A hash of what it holds, whatever the order of its rows, its files, and when they were told.

        Raises `LakeBroken`.
        """
        import duckdb

        try:
            return hash_of(self.reading(table).relation(), table)
        except duckdb.Error as error:
            raise LakeBroken.by(error, f"hashing {table.name} at {self.location(table)}") from error

    def changed_days(self, table: Table, since: int | None) -> set[date]:
        """Days whose rows were added or removed after version `since`; all of them where it is None or forgotten.

        Compaction rewrites files but changes no rows, and reopens nothing.
        """
        actions = self._changes(table, since)
        if actions is None:
            return self.days(table)
        return {date.fromisoformat(action["partitionValues"][DAY]) for action in actions}

    def changed(self, table: Table, since: int | None) -> bool:
        """Whether rows came or went after version `since`; so they did where it is None or forgotten."""
        return self._changes(table, since) != []

    def remembers(self, table: Table, since: int | None) -> bool:
        """Whether the log still says what changed after version `since`."""
        return self._changes(table, since) is not None

    def _changes(self, table: Table, since: int | None) -> list[dict[str, Any]] | None:
        """The files added and removed with their rows after version `since`; None where the log cannot say."""
        newest = self.version(table)
        if newest is None:
            return []
        if since is None or since > newest:  # a table that was made anew
            return None
        commits = [self._commit(table, version) for version in range(since + 1, newest + 1)]
        if any(commit is None for commit in commits):
            return None
        files = (action.get("add") or action.get("remove") for commit in commits for action in commit or ())
        return [file for file in files if file and file["dataChange"]]

    def note(self, table: Table, metadata: Mapping[str, Any]) -> None:
        """Commit metadata alone: the rows are those there were."""
        self._write(table, _nullable(table.schema).empty_table(), "append", metadata, None)

    def commit_metadata(self, table: Table, at: int | None = None) -> dict[str, Any]:
        """What the newest commit that carries our metadata says, up to version `at`; empty where none does."""
        newest = self.version(table) if at is None else at
        for version in range(newest if newest is not None else -1, -1, -1):
            commit = self._commit(table, version)
            if commit is None:
                break
            for action in commit:
                text = action.get("commitInfo", {}).get(USER_METADATA)
                if text:
                    return dict(json.loads(text))
        return {}

    def _commit(self, table: Table, version: int) -> list[dict[str, Any]] | None:
        """The actions of one commit, or None where the log has been cleaned of it."""
        files, root = filesystem(self.location(table))
        try:
            with files.open_input_stream(f"{root}/_delta_log/{version:020d}.json") as stream:
                return [json.loads(line) for line in stream.read().splitlines() if line]
        except FileNotFoundError:
            return None

    def _write(
        self,
        table: Table,
        data: pa.Table | pa.RecordBatchReader,
        mode: Any,
        metadata: Mapping[str, Any] | None,
        transactions: Mapping[str, int] | None,
        predicate: str | None = None,
        onto: DeltaTable | None = None,
    ) -> None:
        """`onto` is the version that the rows were made from: where the same days have changed since, it is refused."""
        wanted = _nullable(table.schema)
        if data.schema.names != wanted.names:
            raise ValueError(f"writing {table.name}: found columns {data.schema.names}, wanted {wanted.names}")
        try:
            write_deltalake(
                onto or self.location(table),
                data.cast(wanted),
                mode=mode,
                predicate=predicate,
                partition_by=[DAY] if table.daily else None,
                description=table.comment,
                commit_properties=CommitProperties(
                    custom_metadata={USER_METADATA: json.dumps(metadata)} if metadata else None,
                    app_transactions=[Transaction(app, number) for app, number in (transactions or {}).items()],
                ),
            )
        except SchemaMismatchError:
            self.refuse_outdated(table)
            raise


def read(
    name: str,
    *,
    as_of: str | date | None = None,
    version: int | None = None,
    columns: list[str] | None = None,
    lake: str | None = None,
) -> Reading:
    """A table of the lake that BACKBEAT_HOME or `lake` (a URL) names, for notebooks and programs.

    `as_of` leaves out rows of that day and later; `version` is the table's, for time travel.
    Raises `NoSuchTable`, with the names there are.
    """
    if name not in TABLES:
        raise NoSuchTable(f"reading {name}: no such table; there are {', '.join(TABLES)}")
    day = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    store = Lake(lake or Home.from_environment(os.environ).lake_url)
    return store.reading(TABLES[name], as_of=day, version=version, columns=columns)


def hash_of(rows: duckdb.DuckDBPyRelation, table: Table) -> str:
    """The content hash of a table's rows, wherever they come from: equal rows in any order, equal hash."""
    content = ", ".join(f'"{column}"' for column in table.content)
    [found] = rows.aggregate(f"count(*), sum(hash({content})), bit_xor(hash({content}))").fetchall()
    return blake2b(repr(found).encode(), digest_size=12).hexdigest()


def day_after_newest(days: Iterable[date]) -> date | None:
    """The as-of day that takes in every day there is; None where there is none."""
    newest = max(days, default=None)
    return None if newest is None else newest + timedelta(days=1)


def _found(rows: duckdb.DuckDBPyRelation, table: Table) -> tuple[int, str | None]:
    """How many rows there are, and the condition that names their days; None where the table has none."""
    if not table.daily:
        (count,) = rows.aggregate("count(*)").fetchall()
        return count[0], None
    counts = dict(rows.aggregate(f"{DAY}, count(*)", DAY).fetchall())
    days = ", ".join(f"'{day}'" for day in sorted(counts))
    return sum(counts.values()), f"{DAY} IN ({days})"


def _nullable(schema: pa.Schema) -> pa.Schema:
    """Delta's files hold every column as nullable; the declaration says which may be, and checks hold it."""
    return pa.schema([field.with_nullable(True) for field in schema])
