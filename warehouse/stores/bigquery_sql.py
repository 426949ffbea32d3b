"""The SQL port on BigQuery: the lake's tables are copied into one data set, by version, when a query needs them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound, RetryError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.cloud.bigquery.retry import DEFAULT_RETRY
from requests.exceptions import RequestException

from warehouse.stores.lake import Lake, NoSuchTable
from warehouse.stores.sql import DIALECT, Select, SqlRefused, SqlUnavailable
from warehouse.tables import DAY, Column, Table

EMULATOR = "BIGQUERY_EMULATOR_HOST"  # the client reads it too
VERSION_LABEL = "lake_version"
NO_VERSION = "none"  # what it holds is of no version of the lake
_TYPES = {
    pa.string(): "STRING",
    pa.int64(): "INT64",
    pa.int32(): "INT64",
    pa.float64(): "FLOAT64",
    pa.bool_(): "BOOL",
    pa.date32(): "DATE",
}


class BigQueryWarehouse:
    """Tables `layer_name` in one data set, partitioned by day, each labelled with the lake version that it holds."""

    def __init__(
        self, client: bigquery.Client, dataset: str, lake: Lake | None = None, *, patience_s: float = 60.0
    ) -> None:
        """`patience_s` is how long a call is tried again where BigQuery does not answer; work takes what it takes."""
        self._client = client
        self._dataset = f"{client.project}.{dataset}"
        self._lake = lake
        self._loaded: set[str] = set()
        self._retry = DEFAULT_RETRY.with_timeout(patience_s)

    def load(self, table: Table, data: pa.Table) -> None:
        self._replace(table, data.select(table.schema.names).to_reader(), version=None)
        self._loaded.add(table.name)

    def query(self, sql: str) -> pa.Table:
        select = Select(sql)
        for table in select.tables:
            self._bring(table)
        statement = select.written_for(DIALECT, self._place)
        with _told(self._dataset, "to answer a query"):
            # not query_and_wait: it hides an emulator's refusal
            return self._client.query(statement, retry=self._retry).result().to_arrow(create_bqstorage_client=False)

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]  # Google's

    def _place(self, table: Table) -> str:
        return f"`{self._dataset}.{table.name.replace('.', '_')}`"

    def _bring(self, table: Table) -> None:
        """Copy the lake's newest version, unless it is there already or rows were loaded in its place."""
        if table.name in self._loaded:
            return
        if self._lake is None:
            raise SqlRefused(f"the query reads {table.name}: it was not loaded, and there is no lake to read it from")
        version = self._lake.version(table)
        if version is None:
            raise NoSuchTable(f"reading {table.name}: nothing at {self._lake.location(table)} yet")
        if self._version_there(table) != str(version):
            self._replace(table, self._lake.dataset(table, version).scanner().to_reader(), version)

    def _version_there(self, table: Table) -> str | None:
        with _told(self._dataset, f"for {table.name}"):
            try:
                there = self._client.get_table(self._place(table).strip("`"), retry=self._retry)
            except NotFound:
                return None
        labels: Mapping[str, str] = there.labels
        return labels.get(VERSION_LABEL)

    def _replace(self, table: Table, rows: pa.RecordBatchReader, version: int | None) -> None:
        """All rows in one job, which BigQuery does whole or not at all; the label is set after it."""
        with _told(self._dataset, f"to load {table.name}"), _parquet(table, rows) as file:
            there = self._declared(table)
            job = self._client.load_table_from_file(file, there.reference, job_config=_load_config(table))
            job.result()
            there = self._client.get_table(there.reference, retry=self._retry)
            there.labels = {VERSION_LABEL: NO_VERSION if version is None else str(version)}
            self._client.update_table(there, ["labels"], retry=self._retry)

    def _declared(self, table: Table) -> bigquery.Table:
        """The table, made where it is not there yet, with no version: what it holds is about to change."""
        self._client.create_dataset(self._dataset, exists_ok=True, retry=self._retry)
        wanted = bigquery.Table(self._place(table).strip("`"), schema=_fields(table))
        wanted.description = f"{table.comment}. One row a {', '.join(table.grain)}."
        wanted.time_partitioning = _partitioning(table)
        there = self._client.create_table(wanted, exists_ok=True, retry=self._retry)
        there = self._client.get_table(there.reference, retry=self._retry)
        there.labels, there.description = {VERSION_LABEL: NO_VERSION}, wanted.description
        return self._client.update_table(there, ["labels", "description"], retry=self._retry)


def connect(project: str, environment: Mapping[str, str]) -> bigquery.Client:
    """A client with the machine's own credentials; none where `BIGQUERY_EMULATOR_HOST` names an emulator.

    Raises `SqlUnavailable` where there are no credentials.
    """
    if emulator := environment.get(EMULATOR):
        address = emulator if "://" in emulator else f"http://{emulator}"
        nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google's
        return bigquery.Client(project, credentials=nobody, client_options={"api_endpoint": address})
    try:
        return bigquery.Client(project)
    except GoogleAuthError as error:
        raise SqlUnavailable(f"connecting to BigQuery project {project}: {error}") from error


@contextmanager
def _told(dataset: str, purpose: str) -> Iterator[None]:
    """The client's errors as the port's."""
    try:
        yield
    except BadRequest as error:
        raise SqlRefused(f"BigQuery refuses {dataset} {purpose}: {error.message}") from error
    except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException) as error:
        raise SqlUnavailable(f"BigQuery did not answer {purpose} in {dataset}: {error}") from error


@contextmanager
def _parquet(table: Table, rows: pa.RecordBatchReader) -> Iterator[IO[bytes]]:
    """The rows as a Parquet file at its beginning, on disk while it is needed."""
    with tempfile.TemporaryFile() as file:
        with pq.ParquetWriter(file, table.schema) as writer:
            for batch in rows:
                writer.write_table(pa.table(batch).cast(table.schema))
        file.seek(0)
        yield file


def _load_config(table: Table) -> bigquery.LoadJobConfig:
    return bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        schema=_fields(table),
        time_partitioning=_partitioning(table),
    )


def _partitioning(table: Table) -> bigquery.TimePartitioning | None:
    return bigquery.TimePartitioning(field=DAY) if table.daily else None


def _fields(table: Table) -> list[bigquery.SchemaField]:
    return [_field(column) for column in table.columns]


def _field(column: Column) -> bigquery.SchemaField:
    mode = "NULLABLE" if column.null else "REQUIRED"
    return bigquery.SchemaField(column.name, _TYPES[column.type], mode, description=column.comment)
