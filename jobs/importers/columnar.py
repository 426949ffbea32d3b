"""Tables read in slabs of bounded size, Parquet and CSV alike; whatever is wrong with a file is one clear refusal."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from jobs.importers.sample import HEAD_BYTES, Sample
from jobs.importers.told import BATCH_ROWS, MAX_LINE_BYTES, ImportRefused, Unreadable
from jobs.importers.typed import shown
from jobs.importers.utf8 import Utf8File

MAGIC = b"PAR1"
EMPTY_ROW = "an empty row"
_DAMAGES = (pa.ArrowException, OSError, UnicodeDecodeError)  # the last for a column whose name is no UTF-8
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Slab:
    """Some rows of a table: its columns by name, their line numbers, and what in between was no row."""

    columns: Mapping[str, pa.Array]
    lines: pa.Array
    content: Callable[[int], str]
    unreadable: Sequence[Unreadable] = ()
    empty: int = 0


def parquet_columns(path: Path, name: str) -> tuple[str, ...]:
    """The names of its columns. Raises `ImportRefused` where the file is cut off or is no Parquet."""
    try:
        with pq.ParquetFile(path) as file:
            return tuple(file.schema_arrow.names)
    except _DAMAGES as error:
        raise _damaged(name, error) from error


def parquet_slabs(path: Path, name: str, columns: Sequence[str]) -> Iterator[Slab]:
    """Those columns; a line is the number of a row, from 1. Raises `ImportRefused` where the file is damaged."""
    first = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns)):
                batch.validate(full=True)
                yield _parquet_slab(batch, first)
                first += len(batch)
    except _DAMAGES as error:
        raise _damaged(name, error) from error


def csv_slabs(path: Path, sample: Sample, names: Sequence[str], *, header: bool) -> Iterator[Slab]:
    """All columns, as text, named `0`, `1`, ...; a line is the number of a record, from 1, the header included.

    A row in which a quote stayed open over the rows after it is unreadable, and says how many lines that took.
    Raises `ImportRefused` where a line is longer than `MAX_LINE_BYTES`, or a header than `HEAD_BYTES`.
    """
    if header and len(sample.text.splitlines()) < 2:
        if len(sample.head) < HEAD_BYTES:
            return
        raise ImportRefused(
            f"reading {sample.name}: found a first line of {HEAD_BYTES:,} bytes or more; wanted a shorter header"
        )
    torn: list[Unreadable] = []
    first = 2 if header else 1
    try:
        with Utf8File(path) as file, _opened(file, sample, names, header, torn) as batches:
            for batch in batches:
                between = _torn_between(torn, first, len(batch))
                yield _csv_slab(batch, first, between, sample.delimiter)
                first += len(batch) + len(between)
                del torn[: len(between)]
    except pa.ArrowInvalid as error:
        raise _not_csv(sample.name, error) from error
    if torn:
        none = {str(position): pa.nulls(0, pa.string()) for position in range(len(names))}
        yield Slab(none, pa.nulls(0, pa.int64()), str, tuple(torn))


def _opened(
    file: Utf8File, sample: Sample, names: Sequence[str], header: bool, torn: list[Unreadable]
) -> pyarrow.csv.CSVStreamingReader:
    def tear(row: pyarrow.csv.InvalidRow) -> str:
        text = row.text or ""
        taken = len(_LINE_END.findall(text))
        found = f"{row.actual_columns} fields" + (f" and {_open_quote(taken)}" if taken else "")
        torn.append(Unreadable(row.number, f"found {found}; wanted {row.expected_columns}", text))
        return "skip"

    numbered = [str(position) for position in range(len(names))]
    return pyarrow.csv.open_csv(
        file,
        pyarrow.csv.ReadOptions(
            use_threads=False, block_size=MAX_LINE_BYTES, column_names=numbered, skip_rows=int(header)
        ),
        pyarrow.csv.ParseOptions(
            delimiter=sample.delimiter, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=tear
        ),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(numbered, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _torn_between(torn: Sequence[Unreadable], first: int, rows: int) -> tuple[Unreadable, ...]:
    """Those torn rows that stand before the last of a batch's rows; the reader may have met later ones already."""
    between: list[Unreadable] = []
    for row in torn:
        if row.line >= first + rows + len(between):
            break
        between.append(row)
    return tuple(between)


def _parquet_slab(batch: pa.RecordBatch, first: int) -> Slab:
    lines = pa.array(np.arange(first, first + len(batch)), pa.int64())
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return Slab(columns, lines, lambda position: _as_json(batch, position))


def _csv_slab(batch: pa.RecordBatch, first: int, torn: Sequence[Unreadable], delimiter: str) -> Slab:
    """Columns are numbered; rows without any value are taken out, and torn ones have left gaps between the lines."""
    open_quotes = _open_quotes(batch, delimiter)
    every = np.arange(first, first + len(batch) + len(torn))
    lines = np.setdiff1d(every, [row.line for row in torn], assume_unique=True)[: len(batch)]
    filled = np.zeros(len(batch), bool)
    for column in batch.columns:
        filled |= column.is_valid().to_numpy(zero_copy_only=False)
    empty = int(len(batch) - filled.sum())
    filled[list(open_quotes)] = False
    swallowing = [
        Unreadable(int(lines[at]), f"found {_open_quote(taken)}; wanted it closed", _as_csv(batch, at))
        for at, taken in open_quotes.items()
    ]
    kept = batch if filled.all() else batch.filter(pa.array(filled))
    columns = dict(zip(kept.schema.names, kept.columns, strict=True))
    unreadable = (*torn, *swallowing)
    return Slab(columns, pa.array(lines[filled], pa.int64()), lambda at: _as_csv(kept, at), unreadable, empty)


def _open_quotes(batch: pa.RecordBatch, delimiter: str) -> dict[int, int]:
    """The rows in which a quote stayed open over whole rows, by position, and how many lines it took.

    A value may have more lines than one; but not where its first line would end the row, or another would be one.
    """
    taken: dict[int, int] = {}
    separators = batch.num_columns - 1
    for place, column in enumerate(batch.columns):
        broken = pc.or_(pc.match_substring(column, "\n"), pc.match_substring(column, "\r"))
        for at in pc.indices_nonzero(broken).to_pylist():
            first, *others = _LINE_END.split(column[at].as_py())
            ends_the_row = 0 < first.count(delimiter) == separators - place
            if ends_the_row or any(line.count(delimiter) == separators for line in others):
                taken[at] = len(others) - (others[-1] == "")  # the end of the file ends no line
    return taken


def _open_quote(lines: int) -> str:
    return f"a quote that is not closed on its line and takes the {lines:,} after it"


def _as_json(batch: pa.RecordBatch, position: int) -> str:
    values = {name: shown(batch.column(place), position) for place, name in enumerate(batch.schema.names)}
    return json.dumps(values, default=str, ensure_ascii=False)


def _as_csv(batch: pa.RecordBatch, position: int) -> str:
    fields = [column[position].as_py() or "" for column in batch.columns]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _damaged(name: str, error: Exception) -> ImportRefused:
    return ImportRefused(f"reading {name}: found a damaged or cut-off Parquet file ({error}); wanted a whole one")


def _not_csv(name: str, error: Exception) -> ImportRefused:
    if "straddl" in str(error):
        return ImportRefused(
            f"reading {name}: found a line of more than {MAX_LINE_BYTES:,} bytes, or a quote that is never closed; "
            "wanted CSV with shorter lines"
        )
    return ImportRefused(f"reading {name}: found what is no CSV ({error}); wanted lines of separated fields")
