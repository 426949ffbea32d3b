"""What was shown to whom, a row a slot: Parquet in the columns of raw.impressions, as a world has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from jobs.importers.admission import Admitted, checked
from jobs.importers.checks import Check, of_ids, of_labels, of_moment
from jobs.importers.columnar import Slab, parquet_slabs
from jobs.importers.sample import Reading, Sample, Source
from jobs.importers.told import About, ImportedRows, ImportRefused
from jobs.importers.typed import NotAColumn, text
from warehouse.tables import DAY, RAW_IMPRESSIONS

COLUMNS = {field.name: field for field in RAW_IMPRESSIONS.schema if field.name != DAY}
_NEEDED = frozenset(name for name, field in COLUMNS.items() if not field.nullable)
WANTED = f"Parquet with {', '.join(sorted(_NEEDED))}"


def _no_slot(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.or_(pc.is_null(column), pc.less(column, 0))


def _no_chance(column: pa.ChunkedArray, _now_ms: int) -> pa.ChunkedArray:
    return pc.invert(pc.and_(pc.greater(column, 0.0), pc.less_equal(column, 1.0)))


_CHECKS = (
    *of_ids("impression_id", "listener_id", "track_id"),
    *of_labels("shelf", "source", "model_version"),
    *of_moment("received_ms"),
    Check("slot", _no_slot, "a whole number, 0 or more"),
    Check("propensity", _no_chance, "a chance above 0, at most 1"),
)


def recognises(sample: Sample, columns: Mapping[str, Source]) -> bool:
    """Parquet that has all columns which a slot cannot be without."""
    return sample.parquet and not columns and set(sample.columns) >= _NEEDED


def read(path: Path, reading: Reading) -> Iterator[ImportedRows]:
    """Its rows as slots. Raises `ImportRefused` for a column of another kind."""
    names = [name for name in COLUMNS if name in reading.sample.columns]
    return (_parsed(slab, reading) for slab in parquet_slabs(path, reading.name, names))


def _parsed(slab: Slab, reading: Reading) -> ImportedRows:
    columns = {"line": slab.lines}
    for name, field in COLUMNS.items():
        found = slab.columns.get(name)
        columns[name] = pa.nulls(len(slab.lines), field.type) if found is None else _cast(found, field, reading)
    return ImportedRows(pa.table(columns), slab.content, about=About.IMPRESSIONS)


def _cast(column: pa.Array, field: pa.Field, reading: Reading) -> pa.Array:
    try:
        return text(column) if pa.types.is_string(field.type) else column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, NotAColumn) as error:
        found = f"found {column.type} in column {field.name!r} ({error})"
        raise ImportRefused(f"reading {reading.name}: {found}; wanted {field.type}") from error


def admitted_slots(told: ImportedRows, now_ms: int) -> Admitted:
    """Rows that can be slots of an answer, and the others with the reason against each."""
    return checked(told.rows, _CHECKS, told, now_ms)
