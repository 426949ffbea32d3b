"""What was shown, logged beside the answers: an answer never waits for it.

Impressions of the last moments are lost when the process is killed, the oldest when the log is away for long, and one
that the log refuses: they are counted, and nothing rests on having all of them. Listens and signals never go this way.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from serving.service.background import Repeated
from serving.service.ports import Stream
from warehouse.events import IMPRESSIONS, Impression
from warehouse.stores.log import EventRefused, LogUnavailable
from warehouse.stores.rows import RowsUnavailable

WAITING = 10_000
BATCH = 64  # encoded in one go, during which no request is answered
EVERY_SECONDS = 0.25
_log = logging.getLogger("backbeat.serving")


class ImpressionLog:
    """A bounded queue, emptied by a thread. `lost` is told how many found no place, or were refused."""

    def __init__(self, stream: Stream, lost: Callable[[int], object]) -> None:
        self._stream = stream
        self._lost = lost
        self._waiting: deque[Impression] = deque()
        self._thread = Repeated("impressions", EVERY_SECONDS, self.flush)

    def start(self) -> None:
        """Begin to empty the queue."""
        self._thread.start()

    def stop(self) -> None:
        """Empty it a last time."""
        self._thread.stop()

    def shown(self, impression: Impression) -> None:
        """Take note; where too many wait, the oldest is lost."""
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self._lost(1)
        self._waiting.append(impression)

    def flush(self) -> None:
        """Append what waits. Where the log is away it goes on waiting; what the log refuses is lost alone."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if left := self._appended(batch):
                self._waiting.extendleft(reversed(left))
                return

    def _appended(self, batch: Sequence[Impression]) -> Sequence[Impression]:
        """Append these, singly where one of them is refused; those that go on waiting, as the log is away."""
        try:
            self._stream.accept(IMPRESSIONS, batch)
        except LogUnavailable as error:
            _log.error("impressions wait: %s", error)
            return batch
        except RowsUnavailable as error:  # the log has them
            _log.error("impressions are logged, and not visible yet: %s", error)
        except EventRefused as error:
            if len(batch) > 1:
                return self._appended_singly(batch)
            _log.error("an impression is lost: %s", error)
            self._lost(1)
        return ()

    def _appended_singly(self, batch: Sequence[Impression]) -> Sequence[Impression]:
        for place, impression in enumerate(batch):
            if self._appended([impression]):
                return batch[place:]
        return ()
