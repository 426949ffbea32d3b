"""How fast the API answers: `GET recommendations` with 50 items, for one listener after another of thousands.

python -m bench.serving [--seconds N] [--rate N]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop

from bench.load import Load, closed_loop, open_loop
from bench.report import Result, write
from bench.serving_home import PlayColumns, make_home, plays_of
from deploy.local.service import free_port
from warehouse.stores.home import Home

ONE_STAGE, TWO_STAGES = "serving_p99", "serving_p99_two_stages"
GOALS_P99_MS = {ONE_STAGE: 5.0, TWO_STAGES: 15.0}
ROUNDS = 3  # the middle one counts: other work on the machine disturbs one or another
_IMPORT_REPEATS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=200.0)
    asked = parser.parse_args(arguments)
    data = Path(os.environ.get("BACKBEAT_TEST_DATA", "../shared/data"))
    plays = plays_of(data)
    for bench in (ONE_STAGE, TWO_STAGES):
        _measure(bench, plays, asked.rate, asked.seconds)
    write(Result("serving_import", _import_ms("serving.app"), "ms", "litestar", _import_ms("litestar")))


def _measure(bench: str, plays: PlayColumns, rate: float, seconds: float) -> None:
    """Latency, throughput and memory of answers by the one model, or by candidates and a ranker."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), str(Path(folder) / "lake"))
        listeners = make_home(home, plays, two_stages=bench == TWO_STAGES)
        with served([sys.executable, "-m", "backbeat", "serve", "--port", "{port}"], home) as (port, pid):
            paths = asked_for(listeners)
            uvloop.run(closed_loop(port, paths, seconds=4))  # warm: every listener and card has been read once or so
            rounds = [uvloop.run(open_loop(port, paths, rate=rate, seconds=seconds)) for _ in range(ROUNDS)]
            saturated = uvloop.run(closed_loop(port, paths, seconds=6))
            megabytes = resident_mb(pid)
        peers = {kind: _peer(kind, home, rate, seconds) for kind in ("framework", "raw")}
    load = sorted(rounds, key=lambda one: one.percentile(99))[ROUNDS // 2]
    _report(bench, load, saturated, peers, plays.origin, rate, rounds)
    suffix = bench.removeprefix(ONE_STAGE)
    details = {"model": plays.origin, "what": "the API process after the load"}
    write(Result(f"serving_rss{suffix}", megabytes, "MiB", details=details))


def asked_for(listeners: Sequence[str]) -> Iterator[str]:
    """Listeners in a seeded random order, for ever."""
    order = random.Random(5)  # noqa: S311 (a benchmark's order)
    while True:
        yield f"/v1/listeners/{order.choice(listeners)}/recommendations?limit=50"


@contextmanager
def served(command: Sequence[str], home: Home) -> Iterator[tuple[int, int]]:
    """A server of its own process, once it answers: its port and pid."""
    port = free_port()
    environment = {**os.environ, "BACKBEAT_HOME": str(home.root), "BACKBEAT_SECRET": "", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([part.format(port=port) for part in command], env=environment)
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


def resident_mb(pid: int) -> float:
    """What the process holds in memory, MiB, by Linux's account."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1_024 if found else float("nan")


def _wait_for(port: int, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _peer(kind: str, home: Home, rate: float, seconds: float) -> tuple[Load, Load]:
    with served([sys.executable, "-m", "bench.peers.static_json", kind, "{port}"], home) as (port, _):
        paths = iter(lambda: "/", "")
        uvloop.run(closed_loop(port, paths, seconds=1))
        return (
            uvloop.run(open_loop(port, paths, rate=rate, seconds=min(seconds, 8.0))),
            uvloop.run(closed_loop(port, paths, seconds=3)),
        )


def _report(
    bench: str,
    load: Load,
    saturated: Load,
    peers: Mapping[str, tuple[Load, Load]],
    origin: str,
    rate: float,
    rounds: Sequence[Load],
) -> None:
    details = {
        "rate": rate,
        "p50_ms": round(load.percentile(50), 3),
        "rounds_p99_ms": [round(one.percentile(99), 3) for one in rounds],
        "failures": sum(one.failures for one in rounds) + saturated.failures,
        "model": origin,
        "raw_asgi_p99_ms": round(peers["raw"][0].percentile(99), 3),
    }
    static = peers["framework"]
    write(
        Result(
            bench,
            load.percentile(99),
            "ms",
            "Litestar on granian, a static document of 50 items",
            static[0].percentile(99),
            goal=f"at most {GOALS_P99_MS[bench]} ms at {rate:.0f} requests/s",
            ok=load.percentile(99) <= GOALS_P99_MS[bench] and not details["failures"],
            details=details,
        )
    )
    write(
        Result(
            f"serving_saturation{bench.removeprefix(ONE_STAGE)}",
            saturated.per_second,
            "requests/s",
            "Litestar on granian, a static document of 50 items",
            static[1].per_second,
            details={"raw_asgi": round(peers["raw"][1].per_second), "model": origin, "workers": 1},
        )
    )


def _import_ms(module: str) -> float:
    """The middle of several cold imports in processes of their own."""
    took = []
    for _ in range(_IMPORT_REPEATS):
        code = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        took.append(float(done.stdout))
    return sorted(took)[_IMPORT_REPEATS // 2] * 1_000


if __name__ == "__main__":
    main()
