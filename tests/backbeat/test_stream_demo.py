"""The demo of the stream on real servers: it shows what it says, and leaves nothing running however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backbeat.cli import main
from backbeat.output import BAD_USAGE
from backbeat.stream_demo import demo_home
from backbeat.stream_servers import STORES
from tests.deploy.test_service import in_time

ROOT = Path(__file__).parents[2]
needs_servers = [
    pytest.mark.servers,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.skipif(
        not all(store.installed() for store in STORES), reason="Kafka or Valkey is not installed: make servers"
    ),
]
SERVERS = """
import os, sys, time
from pathlib import Path
from deploy.local.service import free_port
from backbeat.stream_servers import opened_servers
with opened_servers(Path(sys.argv[1]), free_port()) as servers:
    print("up", *(server.name for server in servers), flush=True)
    time.sleep(600)
"""


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKBEAT_")}
    return {**kept, "BACKBEAT_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def processes_of(home: Path) -> list[str]:
    """The commands of all processes that have this home in their environment or their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if str(home).encode() in told and process.name != str(os.getpid()):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended, or is not ours
            continue
    return found


@pytest.mark.parametrize("words", [["--listeners", "0"], ["--speed", "0"], ["--seconds", "-1"]])
def test_a_demo_that_cannot_be_is_bad_usage(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["stream-demo", *words])
    assert ended.value.code == BAD_USAGE


def test_the_demo_has_a_home_of_its_own(tmp_path: Path) -> None:
    assert demo_home({"BACKBEAT_HOME": str(tmp_path)}) == tmp_path / "stream-demo"


class TestServers:
    pytestmark = needs_servers

    def test_servers_end_with_a_starter_that_is_killed(self, tmp_path: Path) -> None:
        command = [sys.executable, "-c", SERVERS, str(tmp_path)]
        with subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as demo:
            assert demo.stdout is not None
            assert demo.stdout.readline() == "up kafka valkey workers api\n"
            up = " ".join(processes_of(tmp_path))
            for part in ("kafka.Kafka", "valkey-server", "backbeat serve", "stream taste", "stream sink"):
                assert part in up
            demo.kill()
        assert in_time(lambda: not processes_of(tmp_path)), processes_of(tmp_path)

    @pytest.mark.slow
    def test_a_demo_from_nothing_ends_by_itself_and_by_ctrl_c(self, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "backbeat", "stream-demo"]
        first = subprocess.run(
            [*command, "--seconds", "20"], env=environment(tmp_path), capture_output=True, text=True, check=False
        )
        assert first.returncode == 0, first.stderr
        moments = re.findall(
            r'^visitor-\d+ heard ".+" by .+, in the answers after (\d+) ms; discover: ', first.stdout, re.M
        )
        assert len(moments) >= 2
        assert re.search(r"The live page: http://127\.0\.0\.1:\d+/live", first.stderr)
        assert "nothing is left running" in first.stderr
        assert not processes_of(tmp_path)

        with subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE, text=True) as again:
            try:
                assert again.stdout is not None
                assert again.stdout.readline().startswith("visitor-")  # the world is there already
                again.send_signal(signal.SIGINT)
                assert again.wait(60) == 0
            finally:
                again.kill()
        assert not processes_of(tmp_path)
