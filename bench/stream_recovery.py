"""A worker with a million listeners: its memory, and how soon after a SIGKILL it answers; and a year of one listener.

python -m bench.stream_recovery [--listeners N] [--rounds N]
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.report import Result, write
from bench.stream_rig import Rig, await_first, await_last, fill, played, process, rig
from streaming.features import FEATURES
from streaming.mover import RecordEvents
from warehouse.events import PLAYS
from warehouse.reading import settled_base
from warehouse.rules.quantity import DAY_MS
from warehouse.stores.log import partition_of
from warehouse.stores.memory_rows import MemoryRows
from warehouse.stores.tastes import Tastes
from warehouse.tail import topic_partition
from warehouse.taste import BASE, SETTLED, TAIL

GOAL_SECONDS = 10.0
WORKER = ["-m", "backbeat", "stream", "taste"]
DAYS, PLAYS_A_DAY, MONTH = 365, 30, 30


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listeners", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder)) as servers:
        every = (played(f"listener-{number}", number % 1_000, number) for number in range(asked.listeners))
        filled = fill(servers, every, 50)
        with closing(servers.rows()) as rows:
            with process(WORKER, servers.environment()) as worker:
                await_first(rows, filled)
                await_last(rows, filled, seconds=300)
                megabytes = resident_mb(worker.pid)
                time.sleep(3)  # until its offsets are committed
                worker.send_signal(signal.SIGKILL)
            seconds = [_recovered(servers, rows, number) for number in range(asked.rounds)]
            held = sum(1 for _ in rows.scan(TAIL))
    middle = sorted(seconds)[len(seconds) // 2]
    write(
        Result(
            "stream_recovery",
            round(middle, 2),
            "s from the start of a worker after a SIGKILL until rows of all its partitions move",
            goal=f"at most {GOAL_SECONDS:g} s with a million listeners",
            ok=middle <= GOAL_SECONDS and held >= asked.listeners * 0.999,
            details={"rounds": [round(one, 2) for one in seconds], "listeners": held},
        )
    )
    write(
        Result("stream_memory", megabytes, "MiB, a worker that has folded a play of each", details={"listeners": held})
    )
    write(_grown())


def resident_mb(pid: int) -> float:
    """By Linux's account."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (told,) = [line for line in lines if line.startswith("VmRSS:")]
    return round(int(told.split()[1]) / 1_024, 1)


def _recovered(servers: Rig, rows: Any, number: int) -> float:
    """Seconds from a start, the one before having been killed, to the rows of a play that each partition got before."""
    who = [f"late-{number}-{at}" for at in range(40)]
    with closing(servers.log) as log:
        log.append(PLAYS, [played(listener, at, number * 40 + at) for at, listener in enumerate(who)])
    began = time.perf_counter()
    with process(WORKER, servers.environment()) as worker:
        while len(rows.get_many(TAIL, who)) < len(who):
            if time.perf_counter() - began > 120:
                raise TimeoutError("no worker answered within 120 s")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        time.sleep(2)
        worker.send_signal(signal.SIGKILL)
    return seconds


def _grown() -> Result:
    """Bytes of one listener's rows at the end of each month of a year, with a base each night and without any."""
    nightly, alone = _year(nightly=True), _year(nightly=False)
    return Result(
        "stream_growth",
        max(alone),
        f"bytes of the rows of a listener with {PLAYS_A_DAY} plays a day, at most, in a year without a base",
        details={"plays": DAYS * PLAYS_A_DAY, "months_with_nightly_bases": nightly, "months_without": alone},
    )


def _year(*, nightly: bool) -> list[int]:
    rows = MemoryRows()
    tastes = Tastes(rows)
    mover = FEATURES["taste"].mover(rows, 0)
    place = topic_partition(PLAYS.name, partition_of("ada", PLAYS.partitions))
    months = []
    for day in range(DAYS):
        for number in range(day * PLAYS_A_DAY, (day + 1) * PLAYS_A_DAY):
            play = played("ada", number * 7 % 500, number * DAY_MS // PLAYS_A_DAY // 10)
            mover.advance([RecordEvents(place, number, [play])])
        if nightly:
            base = tastes.base("ada", settled=False)
            tastes.publish({"ada": settled_base(base, tastes.tail("ada"))}, version=day + 1)
        if day % MONTH == MONTH - 1:
            months.append(sum(len(rows.get(table, "ada") or b"") for table in (TAIL, SETTLED, BASE)))
    return months


if __name__ == "__main__":
    main()
