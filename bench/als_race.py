"""The race of ALS on a world of Last.fm-360K's sizes: our conjugate gradients beside `implicit`'s, to an equal loss.

OPENBLAS_NUM_THREADS=1 python -m bench.als_race
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from threadpoolctl import threadpool_limits

from bench.clock import timed
from bench.peers import bare_implicit
from bench.report import Result, write
from bench.worlds import LASTFM_360K, TasteWorld, interactions
from models.als import AlsConfig
from models.als_training import Factors, descended, fit_als, loss

CONFIG = AlsConfig(factors=64, regularisation=30.0, alpha=40.0, iterations=4, frequency_exponent=0.0)
STEPS = 3  # of conjugate gradients a half-step, as many as `implicit` takes
WARM_UP = TasteWorld(listeners=2_000, tracks=1_000, pairs=20_000, scenes=50)
ROUNDS = 3
GOAL = 0.5
EQUAL = 1e-4  # by this share two losses may differ and count as equal


def main() -> None:
    """Fit both in turns, one thread each, as many iterations each, and compare medians; compiling is told apart."""
    world, ours_config = interactions(LASTFM_360K), replace(CONFIG, conjugate_steps=STEPS)
    compiling_s, _ = timed(lambda: fit_als(interactions(WARM_UP), ours_config, threads=1))
    times: list[tuple[float, float]] = []
    with threadpool_limits(1):
        for _ in range(ROUNDS):
            peer_s, (peer_listeners, peer_tracks) = timed(lambda: bare_implicit.fitted(world.weights, CONFIG))
            ours_s, (listeners, tracks) = timed(lambda: descended(world, ours_config, threads=1))
            times.append((ours_s, peer_s))
    ours_loss = loss(Factors(CONFIG, listeners, tracks), world)
    peer_loss = loss(Factors(CONFIG, peer_listeners, peer_tracks), world)
    ratio = median(ours / peer for ours, peer in times)
    write(
        Result(
            bench="als_race",
            value=round(median(ours for ours, _ in times), 2),
            unit="CPU s to fit, one thread",
            peer="implicit",
            peer_value=round(median(peer for _, peer in times), 2),
            goal=f"at most {GOAL} times implicit to an equal loss",
            ok=ratio <= GOAL and ours_loss <= peer_loss * (1 + EQUAL),
            details={
                "times": round(ratio, 3),
                "loss": ours_loss,
                "peer_loss": peer_loss,
                "compiling_s": round(compiling_s, 1),
                "listeners": LASTFM_360K.listeners,
                "tracks": LASTFM_360K.tracks,
                "pairs": LASTFM_360K.pairs,
                "factors": CONFIG.factors,
                "iterations": CONFIG.iterations,
                "conjugate_steps": STEPS,
                "rounds": ROUNDS,
            },
        )
    )


if __name__ == "__main__":
    main()
