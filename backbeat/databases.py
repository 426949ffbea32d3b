"""SQLite files that libraries keep for us: one that cannot be used is named in a line, with what mends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from backbeat.output import CommandFailed


@contextmanager
def kept_in(path: Path, doing: str) -> Iterator[None]:
    """Work on that file, which is looked at first: MLflow tries one that is no database for minutes.

    Raises `CommandFailed`, which says what it was `doing`, where the file is none, is damaged, or cannot be written.
    """
    try:
        if path.exists():
            with closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA schema_version")
        yield
    except Exception as error:  # each library wraps SQLite's in its own; what is none of SQLite's goes on as it is
        for each in _causes(error):
            if isinstance(each, sqlite3.Error):
                mended = "where it is damaged, move it away, and a new one is begun"
                raise CommandFailed(f"{doing} {path}: {each}; {mended}") from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on: libraries wrap those of the database in their own."""
    while error is not None:
        yield error
        error = error.__cause__
