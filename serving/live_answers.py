"""The document of /v1/stream. Times are UTC ms, delays ms; what is unknown at the moment is null."""

from __future__ import annotations

from typing import Literal

import msgspec


class WorkerAnswer(msgspec.Struct, frozen=True, gc=False):
    """A process that folds; `age_ms` is since its last word, and without one for five seconds it is not `alive`."""

    worker: str
    alive: bool
    age_ms: int
    events: int


class FeatureAnswer(msgspec.Struct, frozen=True, gc=False):
    """One feature of the stream.

    `lag` is how many records of the log wait for it, `delay_ms` the longest that any waited in the last second; half
    of the last minute's events were in its rows within `fresh_p50_ms`.
    """

    feature: str
    alive: int
    lag: int | None
    delay_ms: int
    events_per_second: float
    plays_per_second: float
    fresh_p50_ms: float | None
    fresh_p99_ms: float | None
    workers: tuple[WorkerAnswer, ...]


class LedgerAnswer(msgspec.Struct, frozen=True, gc=False):
    """What `backbeat ledger` found when it was last run; the `difference` ought to be 0."""

    at_ms: int
    days: int
    accepted: int
    counted: int
    difference: int


class StreamAnswer(msgspec.Struct, frozen=True, gc=False):
    """How the stream does. `folded_by` is `api` where the process that accepts events folds them before it answers.

    Lag and delay are those of the feature that is furthest behind; `problems` are for people to read.
    """

    as_of_ms: int
    folded_by: Literal["api", "workers"]
    log_up: bool
    plays_per_second: float
    lag: int | None
    delay_ms: int
    fresh_p50_ms: float | None
    fresh_p99_ms: float | None
    features: tuple[FeatureAnswer, ...]
    dead_letters: int | None
    ledger: LedgerAnswer | None
    problems: tuple[str, ...]
