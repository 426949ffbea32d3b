"""The whole of Backbeat on real servers, each process to be killed, paused and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from backbeat.stream import EVERY_FEATURE
from deploy.local.kafka import broker
from deploy.local.service import Running, free_port
from deploy.local.valkey import server
from warehouse.stores.home import Home
from warehouse.stores.kafka_log import KafkaLog
from warehouse.stores.lake import Lake
from warehouse.stores.valkey_rows import ValkeyRows

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 120.0
SMALL_DISK_MB = 256


class HouseBroken(Exception):
    """A process did not start, or a state was not reached in time; says which and what was waited for."""


class Server:
    """A server of deploy.local that keeps its folder and its port from one start to the next."""

    def __init__(self, start: Callable[[Path, int | None], AbstractContextManager[Running]], folder: Path) -> None:
        self._start = start
        self._folder = folder
        self._running: AbstractContextManager[Running] | None = None
        self._at: Running | None = None

    @property
    def address(self) -> str:
        return self._now.address

    @property
    def _now(self) -> Running:
        if self._at is None:
            raise HouseBroken(f"the server over {self._folder.name} was never started")
        return self._at

    def start(self) -> None:
        """At the port that it had, if it had one."""
        self._running = self._start(self._folder, self._at.port if self._at else None)
        self._at = self._running.__enter__()

    def kill(self) -> None:
        """SIGKILL."""
        self._now.kill()
        self.stop()

    def stop(self) -> None:
        """In good order; what is dead already is cleared away."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None


@dataclass
class Process:
    """A process of Backbeat's own, by the arguments of its command."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log_path: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and has come to an end that nobody asked for."""
        return self.process is not None and self.process.poll() is not None

    def start(self) -> None:
        """Start it; it may need a while to be of use."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "backbeat", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                cwd=ROOT,
            )

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal and wait until it is gone."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class House:
    """Kafka, Valkey, the API and a worker a feature over one home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = Server(broker, folder / "kafka")
        self.valkey = Server(server, folder / "valkey")
        self._port = free_port()
        self.api = self._process("api", "serve", "--port", str(self._port))
        self.workers = {feature: self.worker(feature) for feature in EVERY_FEATURE}
        self._more: list[Process] = []

    @property
    def environment(self) -> dict[str, str]:
        """What leads Backbeat's commands here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BACKBEAT_")}
        addresses = {
            "BACKBEAT_LOG": f"kafka://{self.broker.address}",
            "BACKBEAT_ROWS": f"valkey://{self.valkey.address}",
        }
        return {**kept, **addresses, "BACKBEAT_HOME": str(self.folder), "PYTHONPATH": str(ROOT)}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def lake(self) -> Lake:
        return Lake(Home.from_environment(self.environment).lake_url)

    @contextmanager
    def log(self) -> Iterator[KafkaLog]:
        """The event log, asked for as long as a broker needs to come back."""
        log = KafkaLog(self.broker.address, patience_seconds=30.0)
        try:
            yield log
        finally:
            log.close()

    @contextmanager
    def rows(self) -> Iterator[ValkeyRows]:
        """The rows store."""
        rows = ValkeyRows.at(f"valkey://{self.valkey.address}")
        try:
            yield rows
        finally:
            rows.close()

    def worker(self, feature: str, name: str = "first") -> Process:
        """A worker that has not been started."""
        return self._process(f"{feature}-{name}", "stream", feature, "--worker", name)

    def another(self, feature: str, name: str) -> Process:
        """One more worker of a feature, started; it is stopped with the house."""
        process = self.worker(feature, name)
        self._more.append(process)
        process.start()
        return process

    def tend(self) -> None:
        """Start again the workers that have ended by themselves, as `backbeat stream` does."""
        for worker in self.workers.values():
            if worker.has_ended:
                worker.start()

    def end_others(self) -> None:
        """Stop what `another` started."""
        for process in self._more:
            process.kill()

    def _process(self, name: str, *arguments: str) -> Process:
        return Process(arguments, _Late(self), self.folder / f"{name}.log")

    def await_api(self) -> None:
        """Until it answers. Raises `HouseBroken`."""

        def answers() -> bool:
            with suppress(httpx.HTTPError):
                return httpx.get(f"{self.url}/readyz", timeout=2).status_code in (200, 503)
            return False

        await_true(answers, "the API to answer")


class _Late(Mapping[str, str]):
    """The environment of a house when it is asked for: addresses are known once the servers run."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __getitem__(self, name: str) -> str:
        return self._house.environment[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._house.environment)

    def __len__(self) -> int:
        return len(self._house.environment)


@contextmanager
def lived_in(folder: Path, *, small_lake: bool = False) -> Iterator[House]:
    """A house with everything running; all of it is stopped at the end. A small lake is a disk of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    house = House(folder)
    with ExitStack() as open_things:
        if small_lake:
            open_things.enter_context(_small_disk(folder / "lake"))
        for one in (house.broker, house.valkey):
            one.start()
            open_things.callback(one.stop)
        for process in (house.api, *house.workers.values()):
            process.start()
            open_things.callback(process.kill)
        open_things.callback(house.end_others)
        house.await_api()
        yield house


@contextmanager
def _small_disk(at: Path) -> Iterator[None]:
    """A disk in memory; needs the right to mount."""
    at.mkdir(parents=True, exist_ok=True)
    disk = ["/bin/mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MB}m", "backbeat-drill", str(at)]
    subprocess.run(disk, check=True)
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", at], check=True)


def await_true(reached: Callable[[], bool], what: str | Callable[[], str], seconds: float = READY_SECONDS) -> None:
    """Look again and again. Raises `HouseBroken`, with what was waited for, where it isn't reached in time."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise HouseBroken(f"waited {seconds:g} s for {what if isinstance(what, str) else what()}")
        time.sleep(0.1)
