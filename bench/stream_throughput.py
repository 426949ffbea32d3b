"""How many plays a second one worker folds into durable tastes, beside stream processors that keep a row a listener.

python -m bench.stream_throughput [--plays N] [--listeners N] [--frame N] [--rounds N] [--no-peers]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import stream_peers
from bench.report import Result, write
from bench.stream_rig import Filled, Rig, await_first, await_last, cpu_seconds, crowd, fill, process, rig
from streaming.features import FEATURES, group_of
from streaming.workers.app import TAKE
from warehouse.taste import TAIL

GOAL = 40_000
GROUP = group_of(FEATURES["taste"])
SINGLE_PLAYS = 40_000  # of the frames of one play: a message costs the worker as much as thirty plays


@dataclass(frozen=True)
class Round:
    """One worker over all of a topic: plays a second from its first written row on, CPU in us a play by process."""

    per_second: float
    cpu_us: dict[str, float]
    row_bytes: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plays", type=int, default=1_000_000)
    parser.add_argument("--listeners", type=int, default=100_000)
    parser.add_argument("--frame", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder)) as servers:
        filled = fill(servers, crowd(asked.listeners, asked.plays), asked.frame)
        rounds = [measured(servers, filled, asked.frame, database) for database in range(asked.rounds)]
        singles = fill(servers, crowd(asked.listeners, SINGLE_PLAYS), 1)
        single = measured(servers, singles, 1, asked.rounds)
        peers = {} if asked.no_peers else stream_peers.measured(servers.kafka.address, asked.listeners)
    middle = sorted(rounds, key=lambda one: one.per_second)[len(rounds) // 2]
    write(_result(asked, filled, middle, rounds, single, peers))


def measured(servers: Rig, filled: Filled, frame: int, database: int) -> Round:
    """Start a worker that has seen nothing, with an empty database, and wait until it has written everything."""
    servers.forget_group(GROUP)
    rows = servers.rows(database)
    command = ["-m", "backbeat", "stream", "taste"]
    with process(command, servers.environment(database)) as worker:
        pids = {"worker": worker.pid, "valkey": servers.valkey.pid, "broker": servers.kafka.pid}
        began = await_first(rows, filled)
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        ended = await_last(rows, filled, seconds=300)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    plays = filled.plays - TAKE * frame  # the batch of the first row was folded before the clock started
    found = rows.get_many(TAIL, [f"listener-{number}" for number in range(1_000)])
    rows.close()
    return Round(
        round(plays / (ended - began), 1),
        {name: round(seconds / plays * 1e6, 2) for name, seconds in used.items()},
        sum(map(len, found.values())) // max(1, len(found)),
    )


def _result(
    asked: argparse.Namespace,
    filled: Filled,
    middle: Round,
    rounds: Sequence[Round],
    single: Round,
    peers: dict[str, dict[str, float]],
) -> Result:
    faust = peers.get("faust_table")
    details: dict[str, Any] = {
        "plays": filled.plays,
        "listeners": asked.listeners,
        "plays_a_frame": asked.frame,
        "bytes_a_frame": filled.frame_bytes,
        "bytes_a_row_at_the_end": middle.row_bytes,
        "cpu_us_a_play": middle.cpu_us,
        "rounds": [one.per_second for one in rounds],
        "frames_of_one_play": {"plays_a_second": single.per_second, "cpu_us_a_play": single.cpu_us},
        "durable": "rows are in Valkey's append-only file (fsync left to the system) before an offset is committed",
    }
    for name, told in peers.items():
        details[name] = told
        details[f"times_{name}"] = round(middle.per_second / told["messages_a_second"], 1)
    return Result(
        "stream_throughput",
        middle.per_second,
        "plays/s, taste alone, one worker",
        "a Faust table updated per event, one message a play" if faust else None,
        faust["messages_a_second"] if faust else None,
        goal=f"at least {GOAL:,} plays/s",
        ok=middle.per_second >= GOAL,
        details=details,
    )


if __name__ == "__main__":
    main()
