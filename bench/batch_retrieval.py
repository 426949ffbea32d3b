"""The best of 292k tracks for every one of many listeners, on one thread, beside `implicit`'s recommend.

OPENBLAS_NUM_THREADS=1 python -m bench.batch_retrieval

On the factors of `bench.retrieval`, steep and flat. The recall is against every score in float64, of some listeners.
"""

from __future__ import annotations

from dataclasses import asdict
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from bench.clock import timed
from bench.factors import factors_of
from bench.peers import bare_implicit
from bench.peers.voyager_search import recall
from bench.report import Result, write
from bench.retrieval import CONFIGS, brute_force
from bench.worlds import LASTFM_360K
from models.als import AlsConfig
from models.als_training import Factors
from models.retrieval import InnerProducts

LISTENERS, CHECKED, K, ROUNDS, SEED = 20_000, 1_000, 20, 3, 5
GOAL = 3.0


def main() -> None:
    """Both results."""
    for bench, config in CONFIGS.items():
        factors = factors_of(LASTFM_360K, config)
        with threadpool_limits(1):
            write(_measured(f"batch_{bench}", config, factors))


def _measured(bench: str, config: AlsConfig, factors: Factors) -> Result:
    """Build the index, and time both in turns on the same listeners."""
    chosen = np.random.default_rng(SEED).choice(len(factors.listeners), LISTENERS, replace=False)
    queries = np.ascontiguousarray(factors.listeners[chosen])
    build_s, index = timed(lambda: InnerProducts.build(factors.tracks))
    truth = brute_force(factors.tracks, queries[:CHECKED], K)
    ours_s, theirs_s = [], []
    for _ in range(ROUNDS):
        ours_s.append(timed(lambda: index.best_many(queries, K))[0])
        theirs_s.append(timed(lambda: bare_implicit.recommended(factors.tracks, queries, K))[0])
    ours, theirs = (LISTENERS / median(times) for times in (ours_s, theirs_s))
    exact = recall(index.best_many(queries[:CHECKED], K)[0], truth)
    return Result(
        bench=bench,
        value=round(ours, 1),
        unit="listeners per CPU second, one thread",
        peer="implicit",
        peer_value=round(theirs, 1),
        goal=f"recall 1.0 and at least {GOAL:g} times implicit's recommend",
        ok=exact == 1.0 and ours >= GOAL * theirs,
        details={
            "times": round(ours / theirs, 2),
            "recall": exact,
            "peer_recall": recall(bare_implicit.recommended(factors.tracks, queries[:CHECKED], K), truth),
            "build_s": round(build_s, 2),
            "all_listeners_s": round(len(factors.listeners) / ours, 1),
            "als": asdict(config),
            "k": K,
            "tracks": len(factors.tracks),
            "listeners": LISTENERS,
            "rounds": ROUNDS,
        },
    )


if __name__ == "__main__":
    main()
