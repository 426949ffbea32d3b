from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from backbeat.cli import main
from backbeat.output import BadUsage
from backbeat.settings import Settings
from backbeat.wiring import open_log, open_rows, open_stream
from streaming.embedded import EmbeddedStream
from tests.fakes.memory_rows import MemoryRows
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.log import LogStream
from warehouse.stores.sqlite_log import SqliteLog
from warehouse.stores.sqlite_rows import SqliteRows
from warehouse.stores.valkey_rows import ValkeyRows


def settings(home: Path, log: str) -> Settings:
    return Settings.from_environment({"BACKBEAT_HOME": str(home), "BACKBEAT_LOG": log})


@pytest.mark.parametrize(
    ("address", "adapter", "stream"),
    [
        ("", SqliteLog, EmbeddedStream),
        ("sqlite", SqliteLog, EmbeddedStream),
        ("kafka://127.0.0.1:1", KafkaLog, LogStream),
        ("kafka://a.example:9092,[::1]:9092", KafkaLog, LogStream),
    ],
)
def test_the_log_is_the_one_that_is_named_and_only_the_embedded_one_folds_in_the_api(
    address: str, adapter: type, stream: type, tmp_path: Path
) -> None:
    named = settings(tmp_path, address)
    with closing(open_log(named)) as log, closing(open_stream(named, log, MemoryRows())) as told:
        assert (type(log), type(told)) == (adapter, stream)


@pytest.mark.parametrize(
    "address", ["kafka", "kafka://", "kafka://host", "kafka://host:", "redis://host:1", "kafka://,"]
)
def test_an_address_that_is_no_log_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="wanted sqlite or kafka://HOST:PORT"):
        open_log(settings(tmp_path, address))


@pytest.mark.parametrize(
    ("address", "adapter"),
    [
        ("", SqliteRows),
        ("sqlite", SqliteRows),
        ("valkey://127.0.0.1:1", ValkeyRows),
        ("valkey://[::1]:1/3", ValkeyRows),
    ],
)
def test_the_rows_are_those_that_are_named(address: str, adapter: type, tmp_path: Path) -> None:
    named = Settings.from_environment({"BACKBEAT_HOME": str(tmp_path), "BACKBEAT_ROWS": address})
    with closing(open_rows(named)) as rows:
        assert type(rows) is adapter


@pytest.mark.parametrize("address", ["valkey", "valkey://", "valkey://host", "redis://host:1", "bigtable://only"])
def test_an_address_that_is_no_rows_store_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match=r"BACKBEAT_ROWS.*valkey://HOST:PORT"):
        open_rows(Settings.from_environment({"BACKBEAT_HOME": str(tmp_path), "BACKBEAT_ROWS": address}))


def test_a_command_that_needs_a_log_that_is_away_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plays = tmp_path / "plays.csv"
    plays.write_text("listener_id,track_id,started_ms\nada,t,1700000000000\n")
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.setenv("BACKBEAT_LOG", "kafka://127.0.0.1:1")
    with pytest.raises(SystemExit) as ended:
        main(["import", str(plays)])
    assert ended.value.code == 1
    assert "Kafka at 127.0.0.1:1: could not read listener.erased.v1/0" in capsys.readouterr().err
