"""A home of its own for each test, and one way to bring files into it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs.importers.intake import Request, Summary, import_plays
from jobs.importers.sample import Source
from warehouse.stores.home import Home
from warehouse.stores.lake import Lake
from warehouse.tables import RAW_PLAYS, RAW_QUARANTINE, RAW_TRACKS, Table

NOW_MS = 1_750_000_000_000  # 2025-06-15


@dataclass(frozen=True)
class Importing:
    """An empty home, and imports into it at a stated time."""

    folder: Path
    home: Home

    @property
    def lake(self) -> Lake:
        return Lake(self.home.lake_url)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def __call__(
        self,
        *paths: Path,
        listener: str | None = None,
        format_name: str | None = None,
        columns: Mapping[str, str | Source] | None = None,
        source: str | None = None,
        now_ms: int = NOW_MS,
    ) -> Summary:
        mapped = {
            ours: Source(theirs) if isinstance(theirs, str) else theirs for ours, theirs in (columns or {}).items()
        }
        return import_plays(Request(paths, listener, format_name, mapped, source), self.home, now_ms=now_ms)

    def rows(self, table: Table, *columns: str) -> list[Any]:
        """Its rows in order of their grain: tuples of those columns, or the value alone where it is one."""
        if not self.lake.exists(table):
            return []
        found = self.lake.read(table)
        ordered = found.sort_by([(name, "ascending") for name in table.grain]).to_pylist()
        return [row[columns[0]] if len(columns) == 1 else tuple(row[name] for name in columns) for row in ordered]

    def plays(self, *columns: str) -> list[Any]:
        return sorted(self.rows(RAW_PLAYS, *columns))

    def tracks(self, *columns: str) -> list[Any]:
        return self.rows(RAW_TRACKS, *columns)

    def quarantine(self, *columns: str) -> list[Any]:
        return self.rows(RAW_QUARANTINE, *columns)

    def versions(self) -> list[int | None]:
        return [self.lake.version(table) for table in (RAW_PLAYS, RAW_TRACKS, RAW_QUARANTINE)]


@pytest.fixture
def bring(tmp_path: Path) -> Importing:
    home = tmp_path / "home"
    files = tmp_path / "files"
    files.mkdir()
    return Importing(files, Home(home, str(home / "lake")))


@pytest.fixture
def real_data() -> Path:
    folder = Path(os.environ.get("BACKBEAT_TEST_DATA") or "../shared/data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set BACKBEAT_TEST_DATA")
    return folder
