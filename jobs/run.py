"""What a step is given to do its work with, and the ways in which steps write: stale days, or a whole snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from jobs.intervals import Days, Input, Interval, stale_interval
from warehouse.stores.home import Home
from warehouse.stores.lake import USER_METADATA, Lake
from warehouse.stores.log import Log
from warehouse.stores.rows import Rows
from warehouse.tables import DAY, Table


class FailsAgain(Exception):
    """Tried again as things are, it would end the same: something has to be brought, mended or decided first."""


class StepRefused(FailsAgain):
    """A step did its work and its verdict is no: the day must not go on. The message says why."""


@dataclass
class Tally:
    """What one step read and wrote, in rows, and the days that it wrote."""

    read: int = 0
    written: int = 0
    days: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wiring:
    """The stores that steps work on, as the command line has wired them."""

    lake: Lake
    home: Home
    open_rows: Callable[[], Rows]
    open_log: Callable[[], Log]
    clock_ms: Callable[[], int]
    keep_models: int = 5
    als_engine: str = "implicit"


@dataclass
class JobRun:
    """One step of a run: the stores, the day it is as of, and a Spark session that starts when it is first needed."""

    wiring: Wiring
    as_of: date
    start_spark: Callable[[], SparkSession]
    tally: Tally = field(default_factory=Tally)
    reopened: Days | None = None  # days of the daily tables that are written anew, whether their inputs changed or not

    @property
    def lake(self) -> Lake:
        return self.wiring.lake

    @cached_property
    def spark(self) -> SparkSession:
        return self.start_spark()

    def refresh(
        self,
        output: Table,
        inputs: Sequence[Input],
        transform: Callable[..., DataFrame],
        *,
        also: set[date] | None = None,
        lookups: Sequence[Table] = (),
    ) -> None:
        """Rewrite the stale days of `output` as `transform(*inputs, *lookups)`, and nothing where none is stale."""
        versions = {table.name: self.lake.version(table) for table in lookups}
        interval = stale_interval(self.lake, output, inputs, also=also or (), reopened=self.reopened, versions=versions)
        if not interval.days:
            self._note_versions(output, interval.metadata())
            return
        frames = [self._read_days(source, interval) for source in inputs]
        frames += [self.read(table) for table in lookups]
        known = self.lake.days(output) | _all_days(self.lake, inputs)
        rows = transform(*frames).where(_predicate(interval.days, known))
        self._write(output, rows, interval.metadata(), _predicate(interval.days, self.lake.days(output)))
        self.tally.days += len(interval.days)

    def _note_versions(self, output: Table, metadata: Mapping[str, Any]) -> None:
        """Remember newer inputs that changed nothing here, so that older versions of them may be forgotten."""
        if self.lake.exists(output) and self.lake.commit_metadata(output) != metadata:
            self.lake.note(output, metadata)

    def read(self, table: Table) -> DataFrame:
        """All of a table; no rows, in its declared columns, where nothing has written it."""
        if not self.lake.exists(table):
            return self.spark.createDataFrame([], schema_of(table))
        self.tally.read += self.lake.count(table)
        return self.spark.read.format("delta").load(self.lake.location(table))

    def read_before(self, table: Table, day: date) -> DataFrame:
        """The days of a daily table before `day`."""
        return self.read(table).where(F.col(DAY) < F.lit(day))

    def snapshot(self, output: Table, rows: DataFrame, metadata: Mapping[str, Any]) -> None:
        """Put these rows in place of all there are."""
        self._write(output, rows, metadata, None)

    def _read_days(self, source: Input, interval: Interval) -> DataFrame:
        needed = source.needed_for(interval.days)
        if not self.lake.exists(source.table):
            return self.read(source.table)
        self.tally.read += self.lake.count(source.table, needed)
        frame = self.spark.read.format("delta").load(self.lake.location(source.table))
        return frame.where(_predicate(needed, self.lake.days(source.table)))

    def _write(self, output: Table, rows: DataFrame, metadata: Mapping[str, Any], predicate: str | None) -> None:
        schema = schema_of(output)
        declared = rows.select([F.col(name).cast(schema[name].dataType) for name in schema.names])
        writer = (declared.repartition(DAY) if output.daily else declared).write  # a day's rows in one file
        writer = writer.format("delta").mode("overwrite").option(USER_METADATA, json.dumps(metadata))
        if output.daily:
            writer = writer.partitionBy(DAY)
        if predicate is not None and self.lake.exists(output):
            writer = writer.option("replaceWhere", predicate)
        writer.save(self.lake.location(output))
        self.tally.written += self.lake.rows_written(output)


def schema_of(table: Table) -> StructType:
    """The declared columns as Spark's types."""
    from pyspark.sql.pandas.types import from_arrow_schema  # Spark keeps this converter in a private-looking place

    return from_arrow_schema(table.schema)


def _all_days(lake: Lake, inputs: Sequence[Input]) -> set[date]:
    return set().union(*(lake.days(source.table) for source in inputs))


def _predicate(days: frozenset[date] | set[date], existing: set[date]) -> str:
    """Those days as a condition: a range where no other existing day lies between them, else a list."""
    first, last = min(days), max(days)
    if all(day in days for day in existing if first <= day <= last):
        return f"{DAY} >= '{first}' AND {DAY} <= '{last}'"
    return f"{DAY} IN ({', '.join(repr(day.isoformat()) for day in sorted(days))})"
