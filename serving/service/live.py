"""How the stream does at this moment: read once a second at most, and only while somebody asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import msgspec

from serving.live_answers import FeatureAnswer, LedgerAnswer, StreamAnswer, WorkerAnswer
from serving.service.accepts import Accepts
from serving.service.ports import Clock, DeadLetters, WatchedStream
from warehouse.delays import added, percentile
from warehouse.stores.log import LogUnavailable
from warehouse.stores.rows import Rows, RowsUnavailable, decoded
from warehouse.workers import (
    ALIVE_MS,
    LAST,
    LEDGER,
    WORKERS,
    LastLedger,
    WorkerStatus,
    forgotten,
    furthest,
    lag,
    worker_key,
)

KEPT_SECONDS = 1.0
PATIENCE_SECONDS = 2.0  # after which an answer tells what was known before
BEHIND_MS = 5_000  # a delay that is worth a word
REMEMBERED_MS = 60_000  # how long a worker that is gone is shown beside others that do its work
_decode_status = msgspec.msgpack.Decoder(WorkerStatus).decode
_decode_ledger = msgspec.msgpack.Decoder(LastLedger).decode


class Live:
    """Answers for any number of viewers with one look at the stores, in one thread of its own.

    What is away is named among the problems, and what it would have told is unknown. Call it from one event loop.
    """

    def __init__(
        self,
        rows: Rows,
        stream: WatchedStream,
        accepts: Accepts,
        dead_letters: DeadLetters,
        clock: Clock,
        seconds: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._rows = rows
        self._stream = stream
        self._accepts = accepts
        self._dead_letters = dead_letters
        self._clock = clock
        self._seconds = seconds
        self._patience_seconds = patience_seconds
        self._thread = ThreadPoolExecutor(1, "live")
        self._look_begun = 0.0
        self._looking: asyncio.Future[StreamAnswer] | None = None
        self._kept: StreamAnswer | None = None

    async def answer(self) -> StreamAnswer:
        """As of a second ago at the most, unless the stores don't answer: then it says since when."""
        if self._looking is None or (self._looking.done() and self._seconds() - self._look_begun >= KEPT_SECONDS):
            self._look_begun = self._seconds()
            self._looking = asyncio.wrap_future(self._thread.submit(self._look))
        if not self._looking.done():
            await asyncio.wait([self._looking], timeout=self._patience_seconds)
        if self._looking.done():
            self._kept = self._looking.result()
            return self._kept
        waited = f"The stores have not answered for {self._seconds() - self._look_begun:.0f} s."
        before = self._kept or self._composed([], None, None, None, [])
        return msgspec.structs.replace(before, problems=(waited, *before.problems))

    def close(self) -> None:
        """Look no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> StreamAnswer:
        problems: list[str] = []
        ledger = letters = ends = None
        statuses: Sequence[WorkerStatus] = ()
        try:
            statuses = self._statuses()
            ledger = self._ledger()
            letters = self._dead_letters.waiting()
        except RowsUnavailable as error:
            problems.append(f"{error}.")
        try:
            ends = self._stream.ends()
        except LogUnavailable as error:
            problems.append(f"{error}.")
        return self._composed(statuses, ends, letters, ledger, problems)

    def _statuses(self) -> list[WorkerStatus]:
        if self._stream.folds:
            return [self._accepts.status()]
        mend = "its worker writes it anew within a second, if it lives"
        statuses = [decoded(WORKERS, key, row, _decode_status, mend) for key, row in self._rows.scan(WORKERS)]
        for gone in forgotten(statuses, self._clock()):
            self._rows.delete_at(WORKERS, worker_key(gone.feature, gone.worker), version=gone.at_ms)
            statuses.remove(gone)
        return statuses

    def _ledger(self) -> LedgerAnswer | None:
        found = self._rows.get(LEDGER, LAST)
        if found is None:
            return None
        last = decoded(LEDGER, LAST, found, _decode_ledger, "`backbeat ledger` writes it anew")
        return LedgerAnswer(last.at_ms, last.days, last.accepted, last.counted, last.difference)

    def _composed(
        self,
        statuses: Sequence[WorkerStatus],
        ends: Mapping[str, int] | None,
        letters: int | None,
        ledger: LedgerAnswer | None,
        problems: Sequence[str],
    ) -> StreamAnswer:
        now_ms = self._clock()
        by_feature = sorted(statuses, key=lambda status: (status.feature, status.worker))
        features = tuple(
            feature_answer(name, list(workers), ends, now_ms)
            for name, workers in groupby(by_feature, key=lambda status: status.feature)
        )
        delays = added(status.delays for status in statuses if is_alive(status, now_ms))
        lags = [feature.lag for feature in features if feature.lag is not None]
        found = [*problems, *_worries(features, letters, ledger)]
        if not self._stream.folds and not statuses and not problems:
            found.append("No worker has ever said anything: `backbeat stream` starts them.")
        return StreamAnswer(
            as_of_ms=now_ms,
            folded_by="api" if self._stream.folds else "workers",
            log_up=ends is not None,
            plays_per_second=max((feature.plays_per_second for feature in features), default=0.0),
            lag=max(lags) if lags else None,
            delay_ms=max((feature.delay_ms for feature in features), default=0),
            fresh_p50_ms=percentile(delays, 0.5),
            fresh_p99_ms=percentile(delays, 0.99),
            features=features,
            dead_letters=letters,
            ledger=ledger,
            problems=tuple(found),
        )


def is_alive(status: WorkerStatus, now_ms: int) -> bool:
    """Whether the worker has said something lately."""
    return now_ms - status.at_ms < ALIVE_MS


def feature_answer(
    name: str, statuses: Sequence[WorkerStatus], ends: Mapping[str, int] | None, now_ms: int
) -> FeatureAnswer:
    """One feature by what its workers say, those that are gone included: what they wrote stands."""
    alive = [status for status in statuses if is_alive(status, now_ms)]
    newest = max(statuses, key=lambda status: status.at_ms)
    behind = None if ends is None else lag(furthest(status.places for status in statuses), ends)
    delays = added(status.delays for status in alive)
    delay_ms = max((status.delay_ms for status in alive), default=now_ms - newest.at_ms if behind else 0)
    shown = [
        status for status in statuses if status is newest or status in alive or now_ms - status.at_ms < REMEMBERED_MS
    ]
    return FeatureAnswer(
        feature=name,
        alive=len(alive),
        lag=behind,
        delay_ms=delay_ms,
        events_per_second=sum(status.per_second for status in alive),
        plays_per_second=sum(status.plays_per_second for status in alive),
        fresh_p50_ms=percentile(delays, 0.5),
        fresh_p99_ms=percentile(delays, 0.99),
        workers=tuple(
            WorkerAnswer(status.worker, status in alive, max(0, now_ms - status.at_ms), status.events)
            for status in shown
        ),
    )


def _worries(features: Iterable[FeatureAnswer], letters: int | None, ledger: LedgerAnswer | None) -> Iterable[str]:
    for feature in features:
        if not feature.alive:
            yield f"No worker of {feature.feature} is alive."
        elif feature.delay_ms >= BEHIND_MS:
            yield f"{feature.feature.capitalize()} is {feature.delay_ms / 1_000:.0f} s behind."
    if letters:
        yield f"{letters:,} dead letters wait: `backbeat deadletters` lists them."
    if ledger is not None and ledger.difference:
        yield f"The last ledger does not add up: its difference is {ledger.difference:,}."
