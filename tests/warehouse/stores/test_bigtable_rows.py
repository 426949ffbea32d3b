from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local.bigtable import BIGTABLE, emulator
from deploy.local.service import free_port
from tests.contracts.rows import RowsContract
from warehouse.stores.bigtable_rows import BigtableRows
from warehouse.stores.rows import Rows, RowsUnavailable

pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("bigtable"),
    pytest.mark.filterwarnings("ignore:Connecting to Bigtable emulator"),  # just so
    pytest.mark.skipif(not BIGTABLE.installed(), reason="the Bigtable emulator is not installed: make servers"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with emulator(tmp_path_factory.mktemp("bigtable")) as bigtable:
        yield bigtable.address


@pytest.fixture
def rows(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", address)
    store = BigtableRows("test", f"i-{uuid.uuid4().hex[:12]}")  # an instance of its own: the emulator asks for none
    yield store
    store.close()


class TestBigtableRows(RowsContract):
    # Google's client takes messages of 4 MiB at most from an emulator, and sets no limit to Bigtable itself.
    longest_value = (4 << 20) - 8_192


def test_of_batches_at_once_the_higher_version_stays(rows: Rows) -> None:
    def write(version: int) -> int:
        return rows.put_many("t", {f"{n:03}": f"{version}".encode() for n in range(300)}, version=version)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, [3, 1, 5, 2, 4, 0]))
    assert dict(rows.scan("t")) == {f"{n:03}": b"5" for n in range(300)}


def test_processes_that_make_a_table_at_once_all_write_to_it(rows: Rows) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda n: rows.put("fresh", f"{n}", b"", version=1), range(12))) == [True] * 12


def test_a_store_that_is_closed_says_so(rows: Rows) -> None:
    rows.close()
    with pytest.raises(RowsUnavailable, match=r"bigtable://test/.*closed"):
        rows.get("t", "ada")


def test_a_server_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGTABLE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    store = BigtableRows("test", "away", timeout_seconds=1.0)
    with pytest.raises(RowsUnavailable, match=r"bigtable://test/away: could not write a row of t"):
        store.put("t", "ada", b"", version=1)
    store.close()
