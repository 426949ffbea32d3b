"""Drills: rounds of load with a fault in each, and the books checked after every one.

python -m drills [--rounds N] [--seed S] [--fault NAME...] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from drills.books import checked
from drills.crowd import Accepted, Crowd
from drills.faults import FAULTS, Fault, may_mount
from drills.house import House, lived_in

ROUNDS_A_HOUSE = 10  # the books are about all that a house was ever told
LOAD_SECONDS = (1.0, 3.0)  # before a fault, and after it


@dataclass(frozen=True)
class Round:
    """One fault, by its number in a run."""

    number: int
    fault: Fault
    seed: int


def rounds(count: int, seed: int, names: Sequence[str]) -> list[Round]:
    """Each fault in turn, in an order and with moments that the seed decides."""
    random = Random(seed)  # noqa: S311  # a seeded drill, not a secret
    order: list[str] = []
    while len(order) < count:
        order += random.sample(sorted(names), len(names))
    return [Round(number, FAULTS[name], random.randrange(2**32)) for number, name in enumerate(order[:count])]


def run_round(house: House, drill: Round, before: Accepted) -> dict[str, Any]:
    """Load, a fault in the middle, load again, and the books."""
    random = Random(drill.seed)  # noqa: S311
    crowd = Crowd(house.url, drill.seed, tellings=drill.fault.tellings, backfills=drill.fault.backfills)
    stop, failures = threading.Event(), []

    def play() -> None:
        try:
            crowd.play(stop)
        except Exception as error:  # told to the round that waits for this thread
            failures.append(f"the crowd: {error}")

    began = time.monotonic()
    playing = threading.Thread(target=play)
    playing.start()
    try:
        time.sleep(random.uniform(*LOAD_SECONDS))
        drill.fault.strike(house, random)
        time.sleep(random.uniform(*LOAD_SECONDS))
    finally:
        stop.set()
        playing.join()
    before.plays |= crowd.accepted.plays
    before.taken_back |= crowd.accepted.taken_back
    struck = time.monotonic()
    books = checked(house, before)
    return {
        "round": drill.number,
        "fault": drill.fault.name,
        "seed": drill.seed,
        "posts": crowd.accepted.posts,
        "retries": crowd.accepted.retries,
        "load_seconds": round(struck - began, 1),
        "caught_up_seconds": round(time.monotonic() - struck, 1),
        **asdict(books),
        "findings": [*books.findings, *failures],
    }


def run(count: int, seed: int, names: Sequence[str], folder: Path) -> int:
    """Run the rounds, a new house after every few; how many found something. A line of JSON a round."""
    found = 0
    planned = rounds(count, seed, names)
    for first in range(0, count, ROUNDS_A_HOUSE):
        accepted = Accepted()
        with lived_in(folder / f"from-round-{first}", small_lake="full-disk" in names) as house:
            for drill in planned[first : first + ROUNDS_A_HOUSE]:
                told = run_round(house, drill, accepted)
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
                found += bool(told["findings"])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 1 where a round found something."""
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only these, given once or more often")
    parser.add_argument("--folder", type=Path, help="keep everything there; a folder that goes away by default")
    asked = parser.parse_args(arguments)
    names = list(asked.fault or FAULTS)
    if "full-disk" in names and not may_mount():
        names.remove("full-disk")
        sys.stderr.write("full-disk is left out: it needs the right to mount a small disk\n")
    with tempfile.TemporaryDirectory(prefix="drill-") as scratch:
        found = run(asked.rounds, asked.seed, names, asked.folder or Path(scratch))
    sys.stderr.write(f"{asked.rounds} rounds, {found} with findings\n")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
