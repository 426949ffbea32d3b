"""The analytics models: SQL files of `warehouse/sql`, each with a header that says what its rows mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from warehouse.stores.sql import Select, SqlWarehouse

FOLDER = Path(__file__).parent / "sql"
TYPES = {"STRING": pa.string(), "INT64": pa.int64(), "FLOAT64": pa.float64(), "DATE": pa.date32(), "BOOL": pa.bool_()}
_FIELDS = ("model", "owner", "grain", "cadence", "description")
_COLUMN = re.compile(r"--   (?P<name>\w+) (?P<type>\w+): (?P<comment>.+)")


class NoSuchModel(Exception):
    """A model was asked for that no file holds; says which there are."""


class ModelBroken(Exception):
    """A model's header and its query do not agree; says what was found and what was wanted."""


@dataclass(frozen=True)
class OutputColumn:
    """A column of a model's rows, by BigQuery's name of its type."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True)
class Model:
    """One query, and what its header says of it; `grain` are the columns that tell two rows apart."""

    name: str
    owner: str
    grain: tuple[str, ...]
    cadence: str
    description: str
    columns: tuple[OutputColumn, ...]
    sql: str

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(column.name, TYPES[column.type]) for column in self.columns])

    @property
    def reads(self) -> tuple[str, ...]:
        """The lake tables that it reads."""
        return tuple(table.name for table in Select(self.sql).tables)


def models(folder: Path = FOLDER) -> dict[str, Model]:
    """Every model by its name. Raises `ModelBroken` where a header is not as it must be."""
    found = [parsed(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql"))]
    return {model.name: model for model in found}


def model_named(name: str) -> Model:
    """The model. Raises `NoSuchModel`."""
    there = models()
    if name not in there:
        raise NoSuchModel(f"no model {name!r}; there are {', '.join(there)}")
    return there[name]


def answer(model: Model, warehouse: SqlWarehouse) -> pa.Table:
    """Its rows in its order, in the columns and types it declares. Raises `ModelBroken`, and as the port does."""
    rows = warehouse.query(model.sql)
    wanted = model.schema
    if rows.column_names != wanted.names:
        raise ModelBroken(f"{model.name} gives the columns {rows.column_names}; its header says {wanted.names}")
    return rows.cast(wanted)


def parsed(name: str, text: str) -> Model:
    """The model of a file that has that name. Raises `ModelBroken`."""
    lines = text.splitlines()
    length = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header, query = lines[:length], "\n".join(lines[length:])
    if header[len(_FIELDS) : len(_FIELDS) + 1] != ["-- columns:"]:
        raise ModelBroken(f"{name}.sql: wanted a header of {', '.join(_FIELDS)} and columns, in this order")
    found, owner, grain, cadence, description = (_field(name, *pair) for pair in zip(header, _FIELDS, strict=False))
    columns = tuple(_column(name, line) for line in header[len(_FIELDS) + 1 :])
    if found != name:
        raise ModelBroken(f"{name}.sql is headed {found!r}; a model is named as its file")
    if unknown := set(grain.split(", ")) - {column.name for column in columns}:
        raise ModelBroken(f"{name}.sql: the grain {', '.join(sorted(unknown))} is no column of it")
    return Model(name, owner, tuple(grain.split(", ")), cadence, description, columns, query)


def _field(name: str, line: str, key: str) -> str:
    found, colon, value = line.removeprefix("-- ").partition(": ")
    if found != key or not colon:
        raise ModelBroken(f"{name}.sql: found {line!r}, wanted `-- {key}: ...`")
    return value.strip()


def _column(name: str, line: str) -> OutputColumn:
    match = _COLUMN.fullmatch(line)
    if match is None or match["type"] not in TYPES:
        raise ModelBroken(f"{name}.sql: found {line!r}, wanted `--   NAME TYPE: comment`, TYPE of {', '.join(TYPES)}")
    return OutputColumn(match["name"], match["type"], match["comment"])
