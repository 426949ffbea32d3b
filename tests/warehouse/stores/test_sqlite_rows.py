from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.rows import RowsContract
from warehouse.stores.rows import Rows, RowsUnavailable
from warehouse.stores.sqlite_rows import SqliteRows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "rows.db"


@pytest.fixture
def rows(path: Path) -> Iterator[Rows]:
    store = SqliteRows(path)
    yield store
    store.close()


class TestSqliteRows(RowsContract):
    pass


def _write_from_a_process(path: Path, worker: int) -> int:
    store = SqliteRows(path)
    try:
        return sum(store.put("t", f"{n:03}", f"{worker}".encode(), version=worker) for n in range(50))
    finally:
        store.close()


def test_processes_that_meet_at_a_new_file_all_write(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        written = pool.starmap(_write_from_a_process, [(path, worker) for worker in range(2)])
    store = SqliteRows(path)
    assert sum(written) >= 50
    assert dict(store.scan("t")) == {f"{n:03}": b"1" for n in range(50)}
    store.close()


def test_a_reader_sees_the_last_commit_while_another_writes(path: Path) -> None:
    store = SqliteRows(path)
    store.put("t", "ada", b"old", version=1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE rows SET value = x'00', version = 2")
    assert store.get("t", "ada") == b"old"
    other.execute("COMMIT")
    other.close()
    assert store.get("t", "ada") == b"\x00"
    store.close()


def test_a_scan_holds_no_lock_between_its_pages(path: Path) -> None:
    store = SqliteRows(path)
    store.put_many("t", {f"{n:04}": b"" for n in range(1_000)}, version=1)
    scan = store.scan("t")
    first = next(scan)
    store.delete("t", ["0999"])
    assert [first[0], *(key for key, _ in scan)] == [f"{n:04}" for n in range(999)]
    store.close()


def test_rows_outlive_the_store_that_wrote_them(path: Path) -> None:
    first = SqliteRows(path)
    first.put("t", "ada", b"kept", version=3)
    first.close()
    second = SqliteRows(path)
    assert (second.get("t", "ada"), second.version_of("t", "ada")) == (b"kept", 3)
    second.close()


def test_a_closed_store_says_so(rows: Rows, path: Path) -> None:
    rows.close()
    with pytest.raises(RowsUnavailable, match=rf"{path}.*could not read a row.*closed"):
        rows.get("t", "ada")


def test_a_file_that_is_no_database_says_which(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    path.write_bytes(b"not a database, but long enough to look like something" * 20)
    with pytest.raises(RowsUnavailable, match=r"rows\.db: could not open it"):
        SqliteRows(path)
