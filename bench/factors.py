"""Factors of a world, trained once by our ALS and kept, since training takes minutes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from bench.worlds import TasteWorld, interactions
from models.als import AlsConfig
from models.als_training import Factors, train_als

CACHE = Path(".backbeat-bench")  # not under version control


def factors_of(world: TasteWorld, config: AlsConfig, threads: int = 0) -> Factors:
    """The factors of this world and config, from the cache where they are there."""
    path = CACHE / f"factors-{_fingerprint(world, config)}.npz"
    if not path.exists():
        trained = train_als(interactions(world), config, threads)
        CACHE.mkdir(exist_ok=True)
        fresh = path.with_name(f".{path.name}")
        with fresh.open("wb") as stream:
            np.savez(stream, listeners=trained.listeners, tracks=trained.tracks)
        fresh.replace(path)
    with np.load(path, allow_pickle=False) as arrays:
        return Factors(config, arrays["listeners"], arrays["tracks"])


def _fingerprint(world: TasteWorld, config: AlsConfig) -> str:
    told = json.dumps([dataclasses.asdict(world), dataclasses.asdict(config)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
