"""`backbeat tables`: what the lake holds, what it is declared to hold, and the command that brings the two together."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from backbeat.output import CommandFailed, Flag, console, emit, notice, table
from backbeat.settings import Settings
from backbeat.tables_page import page
from backbeat.wiring import open_lake
from warehouse.stores.lock import LakeLock
from warehouse.tables import TABLES

app = App(name="tables", help="The tables of the lake.")


@app.command(name="list")
def list_tables(*, hashes: Flag = False, json: Flag = False) -> None:
    """Every table that is there: version, rows, days, and with --hashes the hash of its content.

    Args:
        hashes: Read every table and hash its content.
        json: One JSON document on one line.
    """
    lake = open_lake(Settings.from_environment())
    rows = []
    for declared in TABLES.values():
        version = lake.version(declared)
        if version is not None:
            content = lake.content_hash(declared) if hashes else None
            rows.append((declared.name, version, lake.count(declared), len(lake.days(declared)) or None, content))
    columns = ["table", "version", "rows", "days", "content hash"]
    if json:
        emit({"tables": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        console().print(table(f"the lake at {lake.url}", columns, rows))


@app.command
def migrate(*, json: Flag = False) -> None:
    """Add the columns that a newer version declares to tables that an older one wrote; rows stay as they are.

    Args:
        json: One JSON document on one line.
    """
    settings = Settings.from_environment()
    with LakeLock(settings.home.lock, "migrate the tables"):
        lake = open_lake(settings)
        added = {name: columns for name, declared in TABLES.items() if (columns := lake.add_missing_columns(declared))}
    if json:
        emit({"added": added})
    else:
        told = "; ".join(f"{name}: {', '.join(columns)}" for name, columns in added.items())
        console().print(told or "Every table has the columns that are declared.")


@app.command
def document(path: Path = Path("docs/tables.md")) -> None:
    """Write the page that describes every table and its lineage.

    Args:
        path: Where to.
    """
    if not path.parent.is_dir():
        raise CommandFailed(
            f"describing the tables: found no folder {path.parent} here; wanted that of the page {path}"
        )
    path.write_text(page(), encoding="utf-8")
    notice(f"wrote {path}")
