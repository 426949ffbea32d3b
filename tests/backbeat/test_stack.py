"""`backbeat stack` on real servers: they stay up after the command, and nothing is left after `down`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backbeat.cli import main
from backbeat.interrupts import INTERRUPTED
from backbeat.output import BAD_USAGE
from backbeat.settings import SettingError, Settings
from deploy.local.servers import SERVERS, STREAM
from deploy.local.service import Service, answers, free_port
from tests.deploy.test_service import in_time

pytestmark = [
    pytest.mark.servers,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.skipif(
        not all(SERVERS[name].installed() for name in STREAM), reason="Kafka or Valkey is not installed: make servers"
    ),
]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def told(capsys: Captured) -> Captured:
    """What the command says, under the name that the tests read best with."""
    return capsys


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the servers are, on ports of their own; what a test leaves running is stopped."""
    monkeypatch.setenv("BACKBEAT_HOME", str(tmp_path))
    monkeypatch.setenv("BACKBEAT_STACK_PORTS", f"kafka={free_port()},valkey={free_port()}")
    yield tmp_path
    main(["stack", "down"])


def ports() -> dict[str, int]:
    return dict(Settings.from_environment().stack_ports)


def failed(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["stack", *arguments])
    return int(ended.value.code or 0)


def seen(told: Captured) -> dict[str, dict[str, Any]]:
    told.readouterr()
    main(["stack", "status", "--json"])
    return {service["service"]: service for service in json.loads(told.readouterr().out)["services"]}


def test_what_is_up_stays_up_until_it_is_taken_down(home: Path, told: Captured) -> None:
    main(["stack", "up"])
    kafka, valkey = (f"127.0.0.1:{ports()[name]}" for name in STREAM)
    export = f"export BACKBEAT_LOG=kafka://{kafka} BACKBEAT_ROWS=valkey://{valkey}\n"
    assert told.readouterr().out == export
    running = {name: service for name, service in seen(told).items() if service["state"] == "running"}
    assert {name: service["address"] for name, service in running.items()} == {"kafka": kafka, "valkey": valkey}
    assert {service["data"] for service in running.values()} == {str(home / "stack" / name) for name in STREAM}

    main(["stack", "up"])
    again = told.readouterr()
    assert again.out == export
    assert f"kafka is running already at {kafka} (process {running['kafka']['pid']})" in again.err
    assert seen(told)["kafka"] == running["kafka"]

    main(["stack", "down"])
    gone = told.readouterr().err
    assert f"kafka at {kafka} (process {running['kafka']['pid']}): stopped" in gone
    assert f"valkey at {valkey} (process {running['valkey']['pid']}): stopped" in gone
    assert {service["state"] for service in seen(told).values()} == {"stopped"}
    assert not any(answers(port) for port in ports().values())


def test_where_one_cannot_be_started_those_of_the_same_command_are_stopped(told: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        assert failed("up", "valkey", "kafka", "--port", f"kafka={taken}") == 1
    said = told.readouterr()
    assert said.out == ""
    assert f"kafka: port {taken} is taken" in said.err
    assert not answers(ports()["valkey"])


def test_an_interrupted_up_leaves_nothing(told: Captured) -> None:
    command = [sys.executable, "-m", "backbeat", "stack", "up", "valkey", "kafka"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as up:
        assert up.stderr is not None
        while "Starting kafka" not in up.stderr.readline():
            assert up.poll() is None
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == INTERRUPTED
    assert {service["state"] for service in seen(told).values()} == {"stopped"}


def test_one_that_died_is_told_as_such_and_can_be_started_again(told: Captured) -> None:
    main(["stack", "up", "valkey"])
    first = seen(told)["valkey"]["pid"]
    os.kill(first, signal.SIGKILL)
    assert in_time(lambda: seen(told)["valkey"]["state"] == "died")
    main(["stack", "up", "valkey"])
    valkey = seen(told)["valkey"]
    assert valkey["state"] == "running"
    assert valkey["pid"] != first


def test_a_port_that_the_command_names_goes_before_the_settings(told: Captured) -> None:
    port = free_port()
    main(["stack", "up", "valkey", "--port", f"valkey={port}"])
    assert told.readouterr().out == f"export BACKBEAT_ROWS=valkey://127.0.0.1:{port}\n"


def test_what_is_missing_is_installed_first(told: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[str] = []
    program = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]
    pages = Service(
        "pages",
        lambda _, port: [*program, str(port)],
        installed=lambda: bool(here),
        install=lambda: here.append("pages"),
        settings=lambda address: {"PAGES": f"http://{address}"},
    )
    monkeypatch.setitem(SERVERS, "pages", pages)
    port = free_port()
    main(["stack", "up", "pages", "--port", f"pages={port}"])
    assert here == ["pages"]
    assert told.readouterr().out == f"export PAGES=http://127.0.0.1:{port}\n"


def test_a_server_that_was_not_running_is_no_failure(told: Captured) -> None:
    main(["stack", "down", "valkey"])
    assert told.readouterr().err == "Nothing was running.\n"


@pytest.mark.parametrize(
    "arguments", [["up", "kafak"], ["down", "kafak"], ["up", "--port", "kafak=9092"], ["up", "--port", "kafka"]]
)
def test_a_name_that_no_server_has_is_bad_usage(arguments: list[str], told: Captured) -> None:
    assert failed(*arguments) == BAD_USAGE
    assert "wanted" in told.readouterr().err


@pytest.mark.parametrize("text", ["kafka", "kafka=", "=9092", "kafka=0", "kafka=65536", "kafka=-1"])
def test_a_port_that_cannot_be_is_told_with_its_origin(text: str) -> None:
    with pytest.raises(SettingError, match=r"BACKBEAT_STACK_PORTS is .*; wanted SERVICE=PORT"):
        Settings.from_environment({"BACKBEAT_STACK_PORTS": text})
