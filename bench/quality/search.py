"""Settings for a peer, found on validation data alone within a time: `python -m bench.quality.search DATA PEER...`.

The settings that peers.json has are tried first, then points of the peer's space in an order drawn by a seed; the best
goes into peers.json. A point that the time cuts off does not count. What was answered before is not asked again, so
that a search that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.cells import SEEDS, Cell, Fold, OutOfTime
from bench.quality.data import ROOT, names, opened
from bench.quality.lineup import PEERS, SPACES, peer, settings_in
from bench.quality.systems import Peer, PeerFailed
from models.base import Positions
from models.evaluation.datasets import Dataset
from models.evaluation.metrics import accuracy

ORDER_SEED = 23


def points(space: Mapping[str, Sequence[Any]], first: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """The first one, where there is one, and every other point of the space once, in an order drawn by a seed."""
    if first is not None:
        yield dict(first)
    every = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    for place in np.random.default_rng(ORDER_SEED).permutation(len(every)):
        if every[place] != first:
            yield every[place]


def search(
    name: str, dataset: Dataset, fold: Fold, minutes: float, first: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], float] | None:
    """The best point that was tried within the time and its metric, None where all failed."""
    until, best = time.monotonic() + 60 * minutes, None
    for settings in points(SPACES[name].settings, first):
        try:
            lists = _answered(peer(name, settings), fold, until)
        except OutOfTime:
            break
        except PeerFailed as error:
            _say(f"{dataset.name}: {error}")
            continue
        value = float(accuracy(lists, fold.split.cases, dataset.k)[dataset.metric].mean())
        _say(f"{dataset.name}: {name} {json.dumps(settings)} {dataset.metric} {value:.5f}")
        if best is None or value > best[1]:
            best = settings, value
    return best


def _answered(system: Peer, fold: Fold, until: float) -> Positions:
    """Its lists. Raises `PeerFailed`, and `OutOfTime`."""
    left = until - time.monotonic()
    if left <= 0:
        raise OutOfTime
    try:
        return Cell(replace(system, seconds=min(left, system.seconds)), fold, SEEDS[0]).measured().lists
    except PeerFailed:
        if time.monotonic() >= until:
            raise OutOfTime from None
        raise


def keep(path: Path, data: str, name: str, settings: Mapping[str, Any]) -> None:
    """Put the settings into the file, in the order of names."""
    found = settings_in(path)
    found.setdefault(data, {})[name] = dict(settings)
    ordered = {each: dict(sorted(found[each].items())) for each in sorted(found)}
    path.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Search for each of the peers named, or for all that the data set has."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality.search", description=__doc__)
    parser.add_argument("data", choices=names())
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(SPACES)}")
    parser.add_argument("--minutes", type=float, default=30.0, help="for each peer")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the data sets")
    asked = parser.parse_args(arguments)
    dataset = opened(asked.data, asked.root)
    fold = Fold(dataset.validation, dataset.k)
    for name in asked.peers or [name for name, space in SPACES.items() if asked.data in space.where]:
        found = search(name, dataset, fold, asked.minutes, settings_in().get(asked.data, {}).get(name))
        if found is not None:
            keep(PEERS, asked.data, name, found[0])


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
