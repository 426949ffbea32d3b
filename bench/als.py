"""Our ALS beside bare `implicit` at the same loss: what the wrapper costs, and whether both end at the same loss.

OPENBLAS_NUM_THREADS=1 python -m bench.als
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from threadpoolctl import threadpool_limits

from bench.clock import timed
from bench.peers import bare_implicit
from bench.report import Result, write
from bench.worlds import TasteWorld, interactions
from models.als import AlsConfig
from models.als_training import Factors, fit_als, loss
from models.base import Interactions

WORLD = TasteWorld(listeners=40_000, tracks=30_000, pairs=1_500_000, scenes=400)
CONFIG = AlsConfig(factors=64, regularisation=30.0, alpha=40.0, iterations=4, frequency_exponent=0)
WEIGHTED = AlsConfig(factors=64, iterations=4)
ROUNDS = 7
GOAL = 1.05


def main() -> None:
    """Fit both in turns, on one thread, and compare the medians."""
    world = interactions(WORLD)
    with threadpool_limits(1):
        ours_s, theirs_s = _in_turns(world)
        listeners, tracks = bare_implicit.fitted(world.weights, CONFIG)
        ours_loss = loss(Factors(CONFIG, listeners, fit_als(world, CONFIG, threads=1).vectors), world)
        peer_loss = loss(Factors(CONFIG, listeners, tracks), world)
        weighted_s = timed(lambda: fit_als(world, WEIGHTED, threads=1))[0]
    ratio = median(ours / theirs for ours, theirs in zip(ours_s, theirs_s, strict=True))
    write(
        Result(
            bench="als",
            value=round(median(ours_s), 3),
            unit="CPU s to fit, one thread",
            peer="implicit",
            peer_value=round(median(theirs_s), 3),
            goal=f"at most {GOAL} times bare implicit at the same loss",
            ok=ratio <= GOAL,
            details={
                "times": round(ratio, 4),
                "loss": ours_loss,
                "peer_loss": peer_loss,
                "weighted_penalty_s": round(weighted_s, 3),
                "listeners": WORLD.listeners,
                "tracks": WORLD.tracks,
                "pairs": WORLD.pairs,
                "factors": CONFIG.factors,
                "iterations": CONFIG.iterations,
                "rounds": ROUNDS,
            },
        )
    )


def _in_turns(world: Interactions) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(ROUNDS):
        pair: list[tuple[list[float], Callable[[], object]]] = [
            (ours, lambda: fit_als(world, CONFIG, threads=1)),
            (theirs, lambda: bare_implicit.fitted(world.weights, CONFIG)),
        ]
        for times, fit in pair if turn % 2 else reversed(pair):
            times.append(timed(fit)[0])
    return ours, theirs


if __name__ == "__main__":
    main()
