"""How good our lists are beside our peers': `python -m bench.quality [--data NAME...] [--minutes N] [--no-peers]`.

Whatever was measured before with the same data, code and settings stands; the rest is fitted and measured. It writes
bench/results/quality.json and docs/quality.md when a data set is complete; what could not be measured is said, and the
exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.quality import page
from bench.quality.cells import Cell, OutOfTime, folds_of, runs
from bench.quality.data import ROOT, names, opened
from bench.quality.lineup import ours, peers, published
from bench.quality.rows import Row, documents, row_of
from bench.quality.systems import PeerFailed


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and say what is missing: 0 where nothing is."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--data", nargs="*", choices=names(), default=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument(
        "--minutes", type=float, default=180.0, help="begin nothing after so many; run it again to go on"
    )
    parser.add_argument("--no-peers", action="store_true", help="ours alone; writes nothing")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the data sets")
    asked = parser.parse_args(arguments)
    until, failed = time.monotonic() + 60 * asked.minutes, 0
    for name in asked.data:
        try:
            found, missing = _measured(name, asked.root, until, with_peers=not asked.no_peers)
        except OutOfTime:
            _say(f"{name}: out of time; run it again to go on")
            return 1
        failed += missing
        for row in found:
            _say(json.dumps({key: row[key] for key in row if key not in ("settings", "seeds")}))
        if missing:
            _say(f"{name}: {missing} could not be measured; its rows stay as they were")
        elif not asked.no_peers:
            page.replace(name, found)
    return int(failed > 0)


def _measured(name: str, root: Path, until: float, *, with_peers: bool) -> tuple[list[dict[str, Any]], int]:
    dataset = opened(name, root)
    folds = folds_of(dataset)
    rows: list[Row] = []
    failed = 0
    for system in [*ours(name), *(peers(name) if with_peers else [])]:
        try:
            _measure([cell for run in runs(system, folds) for cell in run if not cell.path.exists()], until)
            rows.append(row_of(system, dataset, folds))
        except (PeerFailed, ValueError, MemoryError) as error:
            _say(f"{name}: {system.name} could not be measured: {error}")
            failed += 1
    return documents(dataset, rows, published(name)), failed


def _measure(missing: Sequence[Cell], until: float) -> None:
    """Raises `OutOfTime`, and whatever a system raises."""
    for cell in missing:
        if time.monotonic() > until:
            raise OutOfTime
        _say(f"{cell.system.name}: {cell.fold.split.boundary}, seed {cell.seed}")
        cell.measured()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
