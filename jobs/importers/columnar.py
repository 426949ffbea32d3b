"""Parquet read in batches of bounded size; whatever is wrong with the file is one clear refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.importers.told import BATCH_ROWS, ImportRefused

MAGIC = b"PAR1"


def parquet_columns(path: Path, name: str) -> tuple[str, ...]:
    """The names of its columns. Raises `ImportRefused` where the file is cut off or is no Parquet."""
    try:
        with pq.ParquetFile(path) as file:
            return tuple(file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise _refusal(name, error) from error


def parquet_batches(path: Path, name: str, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The number of its first row, from 1, and each batch. Raises `ImportRefused` where the file is damaged."""
    first = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
                batch.validate(full=True)
                yield first, batch
                first += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise _refusal(name, error) from error


def row_text(batch: pa.RecordBatch, position: int) -> str:
    """One row as JSON, for the quarantine."""
    return json.dumps(batch.slice(position, 1).to_pylist()[0], default=str, ensure_ascii=False)


def _refusal(name: str, error: Exception) -> ImportRefused:
    return ImportRefused(f"reading {name}: found a damaged or cut-off Parquet file ({error}); wanted a whole one")
