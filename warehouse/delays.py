"""How long events waited over the last minute: counts by delay, which add up over workers, and percentiles."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping

WINDOW_MS = 60_000
_STEP = 1.1  # a delay is told as the next of 1, 1.1, 1.21 ... ms: at most a tenth too long
_LOG_STEP = math.log(_STEP)


class RecentDelays:
    """Counts the delays of events, and forgets them after a minute."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, Counter[int]]] = deque()

    def add(self, delay_ms: float, events: int, now_ms: int) -> None:
        """So many events have just come through, each `delay_ms` after it was due at the latest."""
        second = now_ms // 1_000
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append((second, Counter()))
            self._forget(now_ms)
        self._seconds[-1][1][bucket(delay_ms)] += events

    def counts(self, now_ms: int) -> dict[int, int]:
        """Events by `bucket` of their delay, of the last minute."""
        self._forget(now_ms)
        return added(counts for _, counts in self._seconds)

    def _forget(self, now_ms: int) -> None:
        while self._seconds and self._seconds[0][0] * 1_000 <= now_ms - WINDOW_MS:
            self._seconds.popleft()


def bucket(delay_ms: float) -> int:
    """The name of a delay among those that are counted together."""
    return max(0, math.ceil(math.log(delay_ms) / _LOG_STEP)) if delay_ms > 0 else 0


def added(several: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """The counts of all of them together."""
    total: Counter[int] = Counter()
    for counts in several:
        total.update(counts)
    return dict(total)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The delay in ms that this share of the events did not exceed; None without any event."""
    left = share * sum(counts.values())
    for name in sorted(counts):
        left -= counts[name]
        if left <= 0:
            return round(_STEP**name, 1)
    return None
