"""Run benchmarks one after another, each in a process of its own: `python -m bench [NAME...]`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

BENCHES = {
    "als": ("bench.als",),
    "als_race": ("bench.als_race",),
    "retrieval": ("bench.retrieval",),
    "batch_retrieval": ("bench.batch_retrieval",),
    "serving": ("bench.serving",),
    "refresh": ("bench.batch", "refresh"),
    "day": ("bench.batch", "day"),
    "growth": ("bench.batch", "growth"),
    "throughput": ("bench.stream_throughput",),
    "freshness": ("bench.stream_freshness",),
    "recovery": ("bench.stream_recovery",),
}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # read by OpenBLAS as it is loaded: too late for a running process


def main(arguments: Sequence[str] | None = None) -> int:
    """Run those named, or all; how many failed. One that misses its goal says so in its JSON line, and has not."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all where none is given")
    names = parser.parse_args(arguments).names or list(BENCHES)
    if unknown := set(names) - set(BENCHES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    return sum(not _ended(name) for name in names)


def _ended(name: str) -> bool:
    done = subprocess.run([sys.executable, "-m", *BENCHES[name]], env=os.environ | ONE_THREAD, check=False)
    if done.returncode:
        sys.stderr.write(f"benchmark {name} failed with exit code {done.returncode}\n")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
