"""Servers that outlive the command that started them, and that nothing outlives `stop`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.detached import Place, State, look, start, stop
from deploy.local.service import NotInstalled, Service, ServiceFailed, answers, free_port
from tests.deploy.test_service import PAGES, ROOT, in_time


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "stack", PAGES)
    yield place
    stop(place)


def crashed(place: Place) -> int:
    """The process id that the pid file still has after a crash."""
    server, _ = start(place, free_port())
    os.kill(server.pid, signal.SIGKILL)
    assert in_time(lambda: look(place)[0] is State.DIED)
    return server.pid


_STARTS_PAGES = """
import sys
from pathlib import Path
from deploy.local.detached import Place, start
from tests.deploy.test_service import PAGES

start(Place(Path(sys.argv[1]), PAGES), int(sys.argv[2]))
"""


def test_a_server_outlives_the_command_that_started_it(pages: Place) -> None:
    port = free_port()
    command = [sys.executable, "-c", _STARTS_PAGES, str(pages.root), str(port)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    state, server = look(pages)
    assert state is State.RUNNING
    assert server is not None
    assert (server.port, pages.pid_path.read_text().split()[0]) == (port, str(server.pid))
    assert answers(port)


def test_a_second_start_changes_nothing(pages: Place) -> None:
    first, is_new = start(pages, free_port())
    assert is_new
    assert start(pages, free_port()) == (first, False)


def test_a_server_that_was_stopped_is_gone_and_was_not_killed(pages: Place) -> None:
    server, _ = start(pages, free_port())
    assert stop(pages) == (server, False)
    assert not answers(server.port)
    assert look(pages) == (State.STOPPED, None)
    assert stop(pages) is None


def test_a_server_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal, sys, http.server; signal.signal(signal.SIGTERM, signal.SIG_IGN); http.server.test(port={})"
    )
    command = [sys.executable, "-c"]
    stubborn = Service("stubborn", lambda _, port: [*command, program.format(port)], stop_seconds=0.2)
    server, _ = start(Place(tmp_path, stubborn), free_port())
    assert stop(Place(tmp_path, stubborn)) == (server, True)
    assert not answers(server.port)


def test_what_a_server_started_is_stopped_with_it(tmp_path: Path) -> None:
    command = "sleep 1000 & exec {} -m http.server {}"
    family = Service("family", lambda _, port: ["/bin/sh", "-c", command.format(sys.executable, port)])
    place = Place(tmp_path, family)
    server, _ = start(place, free_port())
    os.kill(server.pid, signal.SIGKILL)
    assert in_time(lambda: not answers(server.port))
    assert look(place)[0] is State.NOT_READY, "its child is still there"
    assert stop(place) == (server, False)
    assert look(place)[0] is State.STOPPED


def test_one_that_died_starts_again(pages: Place) -> None:
    died = crashed(pages)
    server, is_new = start(pages, free_port())
    assert is_new
    assert server.pid != died


def test_one_that_died_is_forgotten_when_it_is_stopped(pages: Place) -> None:
    crashed(pages)
    assert stop(pages) is None
    assert look(pages) == (State.STOPPED, None)


def test_a_process_that_has_the_id_in_a_stale_pid_file_is_left_alone(pages: Place) -> None:
    crashed(pages)
    with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as innocent:
        pages.pid_path.write_text(f"{innocent.pid} {innocent.pid} {free_port()}\n")
        assert look(pages)[0] is State.DIED
        assert stop(pages) is None
        assert innocent.poll() is None
        innocent.kill()


def test_a_port_that_is_taken_is_told_and_nothing_is_started(pages: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", replace(PAGES, name="other"))
    server, _ = start(other, free_port())
    try:
        with pytest.raises(ServiceFailed, match=rf"pages: port {server.port} is taken"):
            start(pages, server.port)
        assert look(pages) == (State.STOPPED, None)
    finally:
        stop(other)


def test_one_that_ends_at_once_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    place = Place(tmp_path, Service("broken", lambda *_: ["/bin/sh", "-c", "echo no such luck; exit 3"]))
    with pytest.raises(ServiceFailed, match=r"(?s)broken.*it ended.*no such luck"):
        start(place, free_port())
    assert look(place) == (State.STOPPED, None)


def test_one_that_is_never_ready_is_not_left_behind(tmp_path: Path) -> None:
    place = Place(tmp_path, Service("idle", lambda *_: ["sleep", "1000"], ready_seconds=0.2))
    with pytest.raises(ServiceFailed, match=r"idle.*not after 0\.2 s"):
        start(place, free_port())
    assert look(place) == (State.STOPPED, None)


def test_a_start_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(_: int) -> bool:
        raise KeyboardInterrupt

    place = Place(tmp_path, Service("idle", lambda *_: ["sleep", "1000"], interrupted))
    with pytest.raises(KeyboardInterrupt):
        start(place, free_port())
    assert look(place) == (State.STOPPED, None)


def test_what_is_not_installed_is_told_with_what_installs_it(tmp_path: Path) -> None:
    away = Place(tmp_path, Service("away", lambda *_: ["true"], installed=lambda: False))
    with pytest.raises(NotInstalled, match="no away here: `make servers` installs it"):
        start(away, free_port())
