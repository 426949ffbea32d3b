from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from deploy.local.service import Running, free_port
from deploy.local.valkey import VALKEY, server
from tests.contracts.rows import RowsContract
from warehouse.stores.rows import Move, Rows, RowsUnavailable
from warehouse.stores.valkey_rows import ValkeyRows

pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("valkey"),
    pytest.mark.skipif(not VALKEY.installed(), reason="Valkey is not installed: make servers"),
]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def rows(valkey: Running) -> Iterator[Rows]:
    with Redis(port=valkey.port) as client:
        client.flushall()
    store = ValkeyRows.at(f"valkey://{valkey.address}")
    yield store
    store.close()


class TestValkeyRows(RowsContract):
    pass


def test_a_row_is_a_string_and_its_key_a_member_in_the_order_of_its_table(rows: Rows, valkey: Running) -> None:
    rows.put("stream.taste", "ada", b"value", version=258)
    rows.put("stream.taste", "grace", b"", version=0)
    with Redis(port=valkey.port) as client:
        assert client.get(b"stream.taste\0ada") == b"\0\0\0\0\0\0\x01\x02value"
        assert client.zrange("stream.taste", 0, -1) == [b"ada", b"grace"]
        rows.delete("stream.taste", ["ada", "grace"])
        assert client.dbsize() == 0


def test_databases_are_apart(rows: Rows, valkey: Running) -> None:
    rows.put("t", "ada", b"zero", version=1)
    other = ValkeyRows.at(f"valkey://{valkey.address}/1")
    assert other.get("t", "ada") is None
    other.close()


def test_a_scan_goes_on_while_rows_come_and_go(rows: Rows) -> None:
    rows.put_many("t", {f"{n:04}": b"" for n in range(1_200)}, version=1)
    scan = rows.scan("t")
    first = next(scan)
    rows.delete("t", ["1199"])
    rows.put("t", "0000.5", b"", version=1)
    assert [first[0], *(key for key, _ in scan)] == [f"{n:04}" for n in range(1_199)]


def test_calls_that_ask_more_connections_than_there_are_wait_for_one(rows: Rows) -> None:
    rows.put("t", "ada", b"1", version=1)
    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(lambda _: rows.get("t", "ada"), range(1_000))) == [b"1"] * 1_000


def test_a_script_that_the_server_forgot_is_told_again(rows: Rows, valkey: Running) -> None:
    rows.put_many("t", {f"{n}": b"" for n in range(1_000)}, version=1)
    with Redis(port=valkey.port) as client:
        client.script_flush()
    moves = {f"{n}": Move(n % 2, 2, b"") for n in range(1_000)}
    assert rows.move("t", moves) == {f"{n}" for n in range(0, 1_000, 2)}


def test_a_server_out_of_memory_writes_nothing_and_says_so(rows: Rows, valkey: Running) -> None:
    with Redis(port=valkey.port) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(RowsUnavailable, match=r"could not write rows of t: .*maxmemory"):
                rows.put_many("t", {f"{n}": b"" for n in range(1_000)}, version=1)
        finally:
            client.config_set("maxmemory", 0)
        assert client.dbsize() == 0


def test_a_store_that_is_closed_says_so(rows: Rows, valkey: Running) -> None:
    rows.close()
    with pytest.raises(
        RowsUnavailable, match=rf"valkey://{valkey.address}/0: could not read a row of t: it was closed"
    ):
        rows.get("t", "ada")


def test_a_server_that_is_away_is_named() -> None:
    port = free_port()
    store = ValkeyRows.at(f"valkey://127.0.0.1:{port}/3")
    with pytest.raises(RowsUnavailable, match=rf"valkey://127\.0\.0\.1:{port}/3: could not write rows of t: .*refused"):
        store.put("t", "ada", b"", version=1)
    store.close()


def test_a_server_that_does_not_answer_is_given_up(valkey: Running) -> None:
    store = ValkeyRows("127.0.0.1", valkey.port, timeout_seconds=0.2)
    with Redis(port=valkey.port) as client:
        client.client_pause(1_500)
        begun = time.monotonic()
        with pytest.raises(RowsUnavailable, match=r"could not read rows of t: .*[Tt]ime"):
            store.get_many("t", ["ada"])
        assert time.monotonic() - begun < 1
        client.client_unpause()
    assert store.get("t", "ada") is None  # and not the answer to what was asked before
    store.close()


@pytest.mark.parametrize(
    "url", ["valkey://localhost", "valkey://:1/0", "redis://localhost:1", "valkey://localhost:1/x", "valkey://a@b:1",
            "valkey://localhost:1/0?x", "valkey://localhost:70000", "valkey://localhost:1/0/0"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|Port"):
        ValkeyRows.at(url)


def test_what_was_acknowledged_outlives_a_server_killed_under_load(tmp_path: Path) -> None:
    with server(tmp_path) as valkey:
        store = ValkeyRows.at(f"valkey://{valkey.address}")
        acknowledged: dict[str, int] = {}

        def write(writer: int) -> None:
            keys = [f"{writer}/{n}" for n in range(500)]
            try:
                for version in itertools.count(1):
                    store.move("t", dict.fromkeys(keys, Move(version - 1, version, b"v" * 500)))
                    acknowledged.update(dict.fromkeys(keys, version))
            except RowsUnavailable:
                return

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(3)
        valkey.kill()
        for writer in writers:
            writer.join()
    with server(tmp_path, port=valkey.port):
        found = {key: store.version_of("t", key) or 0 for key in acknowledged}
        assert len(found) == 2_000
        assert {key for key, version in found.items() if version < acknowledged[key]} == set()
        assert len(dict(store.scan("t"))) == 2_000  # the order was kept with them
        assert store.put("t", "0/0", b"", version=2**53 - 1)
        store.close()
