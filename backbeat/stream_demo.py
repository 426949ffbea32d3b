"""`backbeat stream-demo`: Kafka, Valkey, workers and the API, a crowd that plays, and what one listener is shown."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backbeat.crowd import living, read_world, tour
from backbeat.demo import world_files
from backbeat.importing import import_plays
from backbeat.output import BadUsage, CommandFailed, notice
from backbeat.players import Player, Playing, Tally
from backbeat.run import run
from backbeat.settings import HOME, SPARK_MASTER, SPARK_MEMORY, Settings, value_of
from backbeat.shelf_screen import Screen, screen_for
from backbeat.stream_servers import STORES, Server, opened_servers
from backbeat.visit import Visit
from deploy.local.service import NotInstalled, ServiceFailed, answers, free_port, running
from deploy.local.valkey import VALKEY
from jobs.world import WorldConfig
from warehouse.stores.lake import Lake

WORLD = WorldConfig(listeners=600, tracks=1_500, plays=30_000, days=60)
READY = "ready"  # a file that says that the home holds all that a demo needs
THREADS = 4
TRACKS_OF_A_GENRE = 6
LOOK_SECONDS = 0.25
KEPT_SETTINGS = {SPARK_MASTER.variable, SPARK_MEMORY.variable}


@dataclass(frozen=True)
class Asked:
    """What is asked of one demo."""

    seconds: float
    listeners: int
    speed: float
    seed: int
    port: int


def stream_demo(
    *, seconds: float = 0, listeners: int = 200, speed: float = 30.0, seed: int = 1, port: int | None = None
) -> None:
    """Start Kafka, Valkey, the workers and the API, let a crowd play, and show one listener's shelf until Ctrl-C.

    The first time it makes a small world and a model of it, which takes a minute. All state is in the folder
    stream-demo of BACKBEAT_HOME, and all that it starts ends with it.

    Args:
        seconds: End after so long; 0 waits for Ctrl-C.
        listeners: How many people play.
        speed: How much faster than ours their clock runs.
        seed: Draw other habits.
        port: Of the API; BACKBEAT_PORT by default, or a free one where that is taken.
    """
    if not 1 <= listeners <= WORLD.listeners or speed <= 0 or seconds < 0:
        raise BadUsage(f"wanted 1 to {WORLD.listeners} --listeners, a --speed above 0 and no negative --seconds")
    usual = Settings.from_environment().port
    asked = Asked(seconds, listeners, speed, seed, port or (free_port() if answers(usual) else usual))
    home = demo_home(os.environ)
    for number in (signal.SIGINT, signal.SIGTERM):  # whichever ends it, all is taken down in order
        signal.signal(number, signal.default_int_handler)
    try:
        if not (home / READY).is_file():
            _prepare(home, asked)
        _show(home, asked)
    except (NotInstalled, ServiceFailed) as error:
        raise CommandFailed(f"the demo: {error}") from error


def demo_home(environment: Mapping[str, str]) -> Path:
    """The demo's own folder: its rows lie in its own Valkey, so it shares no home with anything else."""
    return Path(value_of(HOME, environment)).expanduser().resolve() / "stream-demo"


def _prepare(home: Path, asked: Asked) -> None:
    """Make the world, its tables and a model; then go on as a process that holds nothing of what that has loaded."""
    for service in STORES:
        if not service.installed():
            service.install()
    before = dict(os.environ)
    shutil.rmtree(home, ignore_errors=True)  # what an interrupted start left
    notice(f"Preparing the demo in {home}: a world, its tables and a model of it")
    with running(VALKEY, home / VALKEY.name) as valkey:
        _set_environment(home, VALKEY.settings(valkey.address))
        import_plays(*map(str, world_files(home / "world", WORLD)))
        run()
    (home / READY).touch()
    words = [f"--{name}={value}" for name, value in vars(asked).items()]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", "backbeat", "stream-demo", *words], before)  # noqa: S606 - ours


def _set_environment(home: Path, more: Mapping[str, str]) -> None:
    """For us and what we start: the demo's settings alone, whatever else is set."""
    for name in [name for name in os.environ if name.startswith("BACKBEAT_") and name not in KEPT_SETTINGS]:
        del os.environ[name]
    os.environ.update({HOME.variable: str(home), **more})


def _show(home: Path, asked: Asked) -> None:
    _set_environment(home, {})
    tally = Tally()
    seen_after_ms: list[float] = []
    try:
        with opened_servers(home, asked.port) as servers, ExitStack() as players:
            address = f"http://127.0.0.1:{asked.port}/live"
            notice(f"The live page: {address}")
            screen = players.enter_context(screen_for(address))
            playing, visit = _playing(home, asked, tally, screen)
            visit.seen_after_ms = seen_after_ms
            for one in (playing, visit):
                players.callback(one.stop)
                one.start()
            _watch(servers, playing, visit, screen, asked.seconds)
    except KeyboardInterrupt:
        notice("Interrupted.")  # it is how this ends
    _say_goodbye(tally, seen_after_ms)


def _playing(home: Path, asked: Asked, tally: Tally, screen: Screen) -> tuple[Playing, Visit]:
    music, people = read_world(home / "world", Lake(str(home / "lake")))
    lives = [partial(living, music, people, at, asked.seed) for at in range(asked.listeners)]
    playing = Playing(asked.port, lives, tally, speed=asked.speed, threads=THREADS)
    offers = tour(music, asked.seed, TRACKS_OF_A_GENRE)
    return playing, Visit(Player(asked.port, Tally()), offers, music, screen.moment)


def _watch(servers: Sequence[Server], playing: Playing, visit: Visit, screen: Screen, seconds: float) -> None:
    """Until the time is over. Raises `CommandFailed` where something of it has ended before."""
    deadline = time.monotonic() + seconds if seconds else float("inf")
    while time.monotonic() < deadline:
        for server in servers:
            server.check()
        if failure := playing.failure or visit.failure:
            raise CommandFailed(f"the demo: the API refuses what its crowd says: {failure}")
        screen.crowd(playing.tally)
        time.sleep(LOOK_SECONDS)


def _say_goodbye(tally: Tally, seen_after_ms: Sequence[float]) -> None:
    counted = f"{tally.plays:,} plays, {tally.skips:,} of them skips, and {tally.opinions:,} opinions"
    notice(f"Stopped, and nothing is left running. The crowd told {counted}.")
    if seen_after_ms:
        middle, most = sorted(seen_after_ms)[len(seen_after_ms) // 2], max(seen_after_ms)
        told = f"were in the answers after {middle:.0f} ms, half of them, and after {most:.0f} ms at the latest"
        notice(f"The visitor's {len(seen_after_ms):,} plays {told}.")
