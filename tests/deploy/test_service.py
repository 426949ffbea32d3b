from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.service import Service, ServiceFailed, answers, running

ROOT = Path(__file__).parents[2]
PAGES = Service("pages", lambda _, port: [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", str(port)])


def in_time(fact: Callable[[], bool]) -> bool:
    """Whether it comes true before anyone would have given up."""
    deadline = time.monotonic() + 30
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


def test_a_service_is_ready_while_it_is_wanted_and_gone_after(tmp_path: Path) -> None:
    with running(PAGES, tmp_path / "logs") as pages:
        assert urllib.request.urlopen(f"http://{pages.address}/").status == 200
    assert not answers(pages.port)
    assert "GET / HTTP" in (tmp_path / "logs" / "pages.log").read_text()


def test_a_server_that_was_killed_starts_again_at_its_port(tmp_path: Path) -> None:
    with running(PAGES, tmp_path) as first:
        first.kill()
        assert not answers(first.port)
        with running(PAGES, tmp_path, first.port) as second:
            assert second.address == first.address
            assert second.pid != first.pid


def test_the_process_of_a_server_is_its_own_and_no_shell(tmp_path: Path) -> None:
    tells = 'import os, http.server; print("I am", os.getpid(), flush=True); http.server.test(port={})'
    service = Service("tells", lambda _, port: [sys.executable, "-c", tells.format(port)])
    with running(service, tmp_path) as server:
        assert f"I am {server.pid}\n" in server.log_path.read_text()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with (
        running(PAGES, tmp_path) as first,
        pytest.raises(ServiceFailed, match=rf"starting pages: port {first.port} is taken"),
        running(PAGES, tmp_path, first.port),
    ):
        pass


def test_what_a_service_started_is_stopped_with_it(tmp_path: Path) -> None:
    family = Service(
        "family", lambda _, port: ["/bin/sh", "-c", f"sleep 1000 & {sys.executable} -m http.server {port}"]
    )
    with running(family, tmp_path) as parent:
        pass
    assert not answers(parent.port)


def test_a_service_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal, sys, http.server; signal.signal(signal.SIGTERM, signal.SIG_IGN); http.server.test(port={})"
    )
    stubborn = Service("stubborn", lambda _, port: [sys.executable, "-c", program.format(port)], stop_seconds=0.2)
    with running(stubborn, tmp_path) as server:
        pass
    assert not answers(server.port)


def test_a_service_that_ends_at_once_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = Service("broken", lambda *_: ["/bin/sh", "-c", "echo no such luck; exit 3"])
    with (
        pytest.raises(ServiceFailed, match=r"(?s)broken.*it ended.*no such luck\nended with status 3"),
        running(broken, tmp_path),
    ):
        pass


def test_a_service_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    idle = Service("idle", lambda *_: ["sleep", "1000"], ready_seconds=0.2)
    with pytest.raises(ServiceFailed, match=r"idle.*not after 0\.2 s"), running(idle, tmp_path):
        pass


_STARTS_PAGES = """
import sys
from pathlib import Path
from deploy.local.service import running
from tests.deploy.test_service import PAGES

with running(PAGES, Path(sys.argv[1])) as pages:
    print(pages.port, flush=True)
    sys.stdin.read()
"""


def test_a_service_does_not_outlive_a_starter_that_was_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _STARTS_PAGES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert starter.stdout is not None
    assert starter.stdin is not None
    port = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    starter.stdin.close()
    assert in_time(lambda: not answers(port))
