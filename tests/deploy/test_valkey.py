"""Valkey as it is started here: what was written survives it, and nothing is evicted."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from deploy.local.valkey import VALKEY, server

pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("valkey"),
    pytest.mark.skipif(not VALKEY.installed(), reason="Valkey is not installed: make servers"),
]


def test_what_was_written_survives_a_sigkill_of_the_server(tmp_path: Path) -> None:
    with server(tmp_path) as valkey:
        with Redis(port=valkey.port) as client:
            for number in range(1_000):
                client.set(f"row-{number}", number)
        valkey.kill()
        with server(tmp_path, valkey.port) as again, Redis(port=again.port) as client:
            assert client.dbsize() == 1_000
            assert client.get("row-999") == b"999"


def test_it_listens_to_this_machine_alone_writes_before_it_answers_and_evicts_nothing(tmp_path: Path) -> None:
    with server(tmp_path) as valkey, Redis(port=valkey.port, decode_responses=True) as client:
        asked = ("bind", "appendonly", "appendfsync", "maxmemory-policy")
        told = {name: client.config_get(name)[name] for name in asked}
    assert list(told.values()) == ["127.0.0.1", "yes", "no", "noeviction"], "no sync, which writes would wait behind"
